"""Attention, rotary positions and the cache against plain implementations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jepa_tts.transformer import (
    CrossAttention,
    Encoder,
    LayerCache,
    SelfAttention,
    rotary,
    rotate,
)

WIDTH, HEADS = 16, 2
EACH = WIDTH // HEADS


def test_rotation_is_a_complex_product() -> None:
    x = torch.randn(2, HEADS, 7, EACH, dtype=torch.float64)
    turned = rotate(x, rotary(7, EACH, start=3).double())
    pairs = torch.complex(x[..., : EACH // 2], x[..., EACH // 2 :])
    for t in range(7):
        for k in range(EACH // 2):
            angle = torch.tensor((3 + t) * 10_000.0 ** (-2 * k / EACH), dtype=torch.float64)
            want = pairs[:, :, t, k] * torch.polar(torch.ones_like(angle), angle)
            got = torch.complex(turned[:, :, t, k], turned[:, :, t, EACH // 2 + k])
            torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_products_depend_on_the_distance_alone() -> None:
    query, key = torch.randn(2, 1, 1, 1, EACH)

    def product(m: int, n: int) -> Tensor:
        turned = rotate(query, rotary(1, EACH, m)) * rotate(key, rotary(1, EACH, n))
        return turned.sum()

    torch.testing.assert_close(product(5, 2), product(103, 100), atol=1e-4, rtol=0)
    assert not torch.isclose(product(5, 2), product(5, 3))


def plain_attention(layer: SelfAttention, x: Tensor, allowed: Tensor) -> Tensor:
    """Softmax attention written out, head by head; ``allowed`` [T, T]."""
    query, key, value = layer.qkv(x).chunk(3, dim=-1)
    heads, positions = [], rotary(x.shape[1], EACH)
    for h in range(HEADS):
        part = slice(h * EACH, (h + 1) * EACH)
        q, k = (rotate(y[:, None, :, part], positions)[:, 0] for y in (query, key))
        scores = q @ k.transpose(1, 2) / EACH**0.5
        weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
        heads.append(weights @ value[..., part])
    return layer.out(torch.cat(heads, dim=-1))


def test_self_attention_equals_the_formula() -> None:
    layer, x = SelfAttention(WIDTH, HEADS), torch.randn(2, 5, WIDTH)
    positions, everything = rotary(5, EACH), torch.ones(5, 5, dtype=torch.bool)
    torch.testing.assert_close(layer(x, positions), plain_attention(layer, x, everything))
    causal = layer(x, positions, causal=True)
    torch.testing.assert_close(causal, plain_attention(layer, x, everything.tril()))


@pytest.mark.parametrize("chunks", [[1] * 6, [6], [2, 1, 3]])
def test_cached_attention_equals_causal_attention(chunks: list[int]) -> None:
    layer, x = SelfAttention(WIDTH, HEADS), torch.randn(3, 6, WIDTH)
    cache = LayerCache(torch.empty(3, HEADS, 6, EACH), torch.empty(3, HEADS, 6, EACH))
    parts, start = [], 0
    for count in chunks:
        piece = x[:, start : start + count]
        parts.append(layer(piece, rotary(count, EACH, start), causal=True, cache=cache))
        start += count
    whole = layer(x, rotary(6, EACH), causal=True)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=0)


def test_a_full_cache_says_so() -> None:
    cache = LayerCache(torch.empty(1, 1, 3, 2), torch.empty(1, 1, 3, 2))
    cache.append(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="the cache holds 3 frames, frame 4 does not fit"):
        cache.append(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    assert cache.length == 2


def test_cross_attention_equals_the_formula() -> None:
    layer = CrossAttention(WIDTH, HEADS)
    x, text, prior = torch.randn(2, 4, WIDTH), torch.randn(2, 6, WIDTH), -5 * torch.rand(2, 4, 6)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    got = layer(x, *layer.keys_values(text), prior, mask[:, None, None])
    query, (key, value) = layer.query(x), layer.key_value(text).chunk(2, dim=-1)
    heads = []
    for h, strength in enumerate(layer.strength):
        part = slice(h * EACH, (h + 1) * EACH)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / EACH**0.5
        scores = (scores + strength * prior).masked_fill(~mask[:, None], float("-inf"))
        heads.append(scores.softmax(-1) @ value[..., part])
    torch.testing.assert_close(got, layer.out(torch.cat(heads, dim=-1)), atol=1e-5, rtol=0)


def test_encoder_ignores_padding() -> None:
    encoder = Encoder(WIDTH, HEADS, 32, layers=2)
    x = torch.randn(1, 5, WIDTH)
    padded = torch.cat((x, 100 * torch.randn(1, 3, WIDTH)), dim=1)
    mask = torch.arange(8)[None] < 5
    alone = encoder(x, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(encoder(padded, mask)[:, :5], alone, atol=1e-5, rtol=0)
