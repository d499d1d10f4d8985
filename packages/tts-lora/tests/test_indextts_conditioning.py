"""What hears the prompt: compared with torch's own layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from indextts_toy import EAR, WIDTH
from torch import nn

from tts_lora.families.indextts_conditioning import Conformer, Perceiver


def test_the_conformer_attends_like_torch() -> None:
    """Without relative places, its attention is torch's; the rest is written out."""
    config = replace(EAR, num_blocks=1)
    torch.manual_seed(0)
    conformer = Conformer(10, config).eval()
    block = conformer.encoders[0]
    attention: Any = block.self_attn
    attention.linear_pos.weight.data.zero_()
    attention.pos_bias_u.data.zero_()
    torch_attention = nn.MultiheadAttention(16, 2, batch_first=True)
    parts = (attention.linear_q, attention.linear_k, attention.linear_v)
    torch_attention.in_proj_weight.data = torch.cat([part.weight for part in parts]).data
    torch_attention.in_proj_bias.data = torch.cat([part.bias for part in parts]).data
    torch_attention.out_proj.load_state_dict(attention.linear_out.state_dict())
    frames = torch.randn(1, 21, 10)
    with torch.no_grad():
        hidden = conformer.embed.conv(frames[:, None])  # [1, 16, 10, 4]
        rows = [conformer.embed.out(hidden[0, :, t].flatten()) for t in range(10)]
        x = torch.stack(rows)[None] * math.sqrt(16)
        y = block.norm_mha(x)
        x = x + torch_attention(y, y, y)[0]
        conv: Any = block.conv_module
        y = conv.pointwise_conv1(block.norm_conv(x).transpose(1, 2))
        y = conv.depthwise_conv(y[:, :16] * y[:, 16:].sigmoid()).transpose(1, 2)
        y = conv.norm(y)
        x = x + conv.pointwise_conv2((y * y.sigmoid()).transpose(1, 2)).transpose(1, 2)
        y = block.feed_forward.w_1(block.norm_ff(x))
        x = block.norm_final(x + block.feed_forward.w_2(y * y.sigmoid()))
        torch.testing.assert_close(conformer(frames), conformer.after_norm(x), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 3 frames, not 2"):
        conformer(frames[:, :2])


def test_places_change_what_the_conformer_hears() -> None:
    torch.manual_seed(0)
    conformer = Conformer(10, EAR).eval()
    same = torch.randn(1, 1, 10).expand(1, 41, 10)
    with torch.no_grad():
        attention: Any = conformer.encoders[0].self_attn
        hidden = torch.randn(1, 1, 16).expand(1, 6, 16)
        from tts_lora.families.indextts_conditioning import _sinusoids

        places = _sinusoids(6, 16)
        assert conformer(same).shape == (1, 20, 16)
        two = torch.cat([hidden[:, :3], -hidden[:, :3]], 1)
        assert not torch.allclose(attention(two, places), attention(two, places.flip(1)))
    assert places[0, 3, :2].tolist() == pytest.approx([math.sin(3), math.cos(3)])
    assert places[0, 3, 2] == pytest.approx(math.sin(3 / 10_000 ** (2 / 16)))


def test_the_perceiver_asks_latents_and_frames() -> None:
    torch.manual_seed(0)
    perceiver = Perceiver(WIDTH, 3, EAR).eval()
    frames = torch.randn(1, 7, 16)
    with torch.no_grad():
        context, x = perceiver.proj_context(frames)[0], perceiver.latents
        for layer in perceiver.layers:
            attend, feed = layer.children()
            both = torch.cat([x, context])
            key, value = attend.to_kv(both)[:, :128], attend.to_kv(both)[:, 128:]
            query, heard = attend.to_q(x), []
            for head in range(2):
                at = slice(64 * head, 64 * head + 64)
                weights = (query[:, at] @ key[:, at].T / 8).softmax(-1)
                heard.append(weights @ value[:, at])
            x = attend.to_out(torch.cat(heard, 1)) + x
            y = feed[0](x)
            inner = y.shape[1] // 2
            assert inner == int(WIDTH * 2 * 2 / 3)
            x = feed[2](y[:, :inner] * nn.functional.gelu(y[:, inner:])) + x
        x = x / x.norm(dim=1, keepdim=True) * WIDTH**0.5 * perceiver.norm.gamma
        torch.testing.assert_close(perceiver(frames)[0], x, atol=1e-5, rtol=1e-5)
