"""Free-running prediction of one sentence, faster than :meth:`jepa_tts.model.JepaModel.generate`.

Everything that does not depend on the frame before is computed for all frames at once; a step is
then some forty matrix-vector products and nothing else. Equal to ``generate`` to rounding.

Letters: T latent frames, N bytes, Z latent dimensions, D width, H heads, d = D / H.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional as F

from jepa_tts.model import LENGTH_SLACK
from jepa_tts.predictor import CROSS_EVERY, Predictor
from jepa_tts.transformer import CrossAttention, FeedForward, SelfAttention, rotary

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel, Plan


_PLAIN = (
    Predictor, SelfAttention, CrossAttention, FeedForward,
    nn.Linear, nn.LayerNorm, nn.Dropout, nn.ModuleList,
)  # fmt: skip


class _Affine(NamedTuple):
    """Weight and bias of a linear layer or a norm."""

    weight: Tensor
    bias: Tensor


class _CrossWeights(NamedTuple):
    """One cross-attention's share of the weights."""

    norm: _Affine
    query: _Affine
    out: _Affine


class _LayerWeights(NamedTuple):
    """One layer's weights; ``qkv`` has its query and key rows interleaved for complex rotation."""

    norm: _Affine
    qkv: _Affine
    out: _Affine
    cross: _CrossWeights | None
    feed_norm: _Affine
    up: _Affine
    down: _Affine


class _Attended(NamedTuple):
    """What a cross-attention sees: keys and values [1, H, N, d], bias [T, 1, H, 1, N]."""

    keys: Tensor
    values: Tensor
    bias: Tensor


class _Past(NamedTuple):
    """A layer's self-attention cache, [1, H, T, d] each, and the text that it attends to."""

    keys: Tensor
    values: Tensor
    text: _Attended | None


def can_run(model: JepaModel) -> bool:
    """Whether every layer is the plain one: an adapter or a hook must not be bypassed."""
    return not any(
        type(module) not in _PLAIN or module._forward_hooks or module._forward_pre_hooks
        for module in model.predictor.modules()
    )


@torch.inference_mode()
def generate(model: JepaModel, plan: Plan) -> Tensor:
    """The latents [1, T, Z] of one sentence, T where the stop head or the length bound ended it.

    Raises:
        ValueError: if the plan holds more than one sentence.
    """
    if len(plan.text) != 1:
        raise ValueError(f"the engine speaks one sentence at a time, not {len(plan.text)}")
    if not can_run(model):
        latents, lengths = model.generate(plan)
        return latents[:, : int(lengths[0])]
    run = _Run(model.predictor, plan)
    planned = int(plan.lengths[0])
    latents = plan.text.new_empty(run.frames, model.config.latent)
    past = model.predictor.start[None]
    for frame in range(run.frames):
        past, stop = run.step(past, frame)
        latents[frame] = past[0]
        if frame + 2 >= planned and float(stop) > 0:
            break
    return latents[None, : frame + 1]


class _Run:
    """A sentence on its way: layers with their caches, and each frame's fixed input [T, 1, D]."""

    def __init__(self, predictor: Predictor, plan: Plan) -> None:
        self.frames = int(plan.lengths[0]) + LENGTH_SLACK
        clock = plan.clock(self.frames)
        text = plan.text[0, clock.position[0]]  # [T, D]
        fixed = predictor.text_in(text) + predictor.phase_in(clock.phase[0]) + plan.voice
        self.fixed = (fixed + predictor.latent_in.bias)[:, None]
        heads, width = predictor.heads, plan.text.shape[2]
        self.shape = (2 * heads, width // heads // 2, 2)
        self.heads, self.width = heads, width
        cosine, sine = rotary(self.frames, width // heads, device=plan.text.device)
        self.turns = torch.complex(cosine, sine)[:, None]  # [T, 1, d / 2]
        self.weights = _weights(predictor)
        self.past = _past(predictor, plan, clock.prior[0], self.frames)

    def step(self, past: Tensor, frame: int) -> tuple[Tensor, Tensor]:
        """The latent [1, Z] after ``past`` [1, Z], and the logit that it is the last."""
        width, heads, turn = self.width, self.heads, self.turns[frame]
        size, linear, norm = (width,), F.linear, F.layer_norm
        attention = F.scaled_dot_product_attention
        x = self.fixed[frame] + linear(past, self.weights.latent_in)
        for layer, cache in zip(self.weights.layers, self.past, strict=True):
            y = linear(norm(x, size, *layer.norm), *layer.qkv)[0]
            pairs = torch.view_as_complex(y[: 2 * width].view(self.shape))
            turned = torch.view_as_real(pairs * turn).view(2, heads, 1, width // heads)
            cache.keys[0, :, frame] = turned[1, :, 0]
            cache.values[0, :, frame] = y[2 * width :].view(heads, -1)
            end = frame + 1
            y = attention(turned[:1], cache.keys[:, :, :end], cache.values[:, :, :end])
            x = x.add_(linear(y.view(1, width), *layer.out))
            if layer.cross is not None and cache.text is not None:
                cross, text = layer.cross, cache.text
                query = linear(norm(x, size, *cross.norm), *cross.query).view(1, heads, 1, -1)
                y = attention(query, text.keys, text.values, attn_mask=text.bias[frame])
                x = x.add_(linear(y.view(1, width), *cross.out))
            y = linear(norm(x, size, *layer.feed_norm), *layer.up)
            x = x.add_(linear(_gelu(y), *layer.down))
        out = linear(norm(x, size, *self.weights.norm), *self.weights.out)
        return out[:, :-1], out[0, -1]


class _Weights(NamedTuple):
    """A predictor's weights, laid out for one row at a time."""

    latent_in: Tensor
    layers: tuple[_LayerWeights, ...]
    norm: _Affine
    out: _Affine


_prepared: WeakKeyDictionary[Predictor, tuple[Tensor, _Weights]] = WeakKeyDictionary()
"""The weights of each predictor that has spoken, with its parameters' sums at that time."""


def _weights(predictor: Predictor) -> _Weights:
    """The laid-out weights, made again when a parameter has changed.

    Sums tell, not version counters: merging an adapter through ``weight.data`` leaves those alone.
    """
    sums = torch.stack([parameter.sum() for parameter in predictor.parameters()])
    known = _prepared.get(predictor)
    if known is None or known[0].device != sums.device or not torch.equal(known[0], sums):
        known = sums, _lay_out(predictor)
        _prepared[predictor] = known
    return known[1]


def _lay_out(predictor: Predictor) -> _Weights:
    order = _interleaved(predictor.text_in.in_features, predictor.heads)
    layers = []
    for index, attention in enumerate(predictor.self_attention):
        cross = None
        if index % CROSS_EVERY == 0:
            number = index // CROSS_EVERY
            norm = _affine(predictor.cross_norms[number])
            module = predictor.cross_attention[number]
            cross = _CrossWeights(norm, _columns(module.query), _columns(module.out))
        qkv, feed = _affine(attention.qkv), predictor.feed_forward[index]
        layers.append(
            _LayerWeights(
                _affine(predictor.norms[2 * index]),
                _Affine(_by_column(qkv.weight[order]), qkv.bias[order]),
                _columns(attention.out),
                cross,
                _affine(predictor.norms[2 * index + 1]),
                _columns(feed.up),
                _columns(feed.down),
            )
        )
    heads = (predictor.latent_out, predictor.stop_out)
    out = _Affine(
        _by_column(torch.cat([head.weight for head in heads])),
        torch.cat([head.bias for head in heads]),
    )
    latent_in = _by_column(predictor.latent_in.weight)
    return _Weights(latent_in, tuple(layers), _affine(predictor.norms[-1]), out)


def _past(predictor: Predictor, plan: Plan, prior: Tensor, frames: int) -> list[_Past]:
    heads, width = predictor.heads, plan.text.shape[2]
    past = []
    for index in range(len(predictor.self_attention)):
        text = None
        if index % CROSS_EVERY == 0:
            text = _attended(predictor.cross_attention[index // CROSS_EVERY], plan, prior)
        keys, values = (plan.text.new_empty(1, heads, frames, width // heads) for _ in range(2))
        past.append(_Past(keys, values, text))
    return past


def _attended(attention: CrossAttention, plan: Plan, prior: Tensor) -> _Attended:
    keys, values = attention.keys_values(plan.text)
    bias = prior[:, None] * attention.strength[:, None]  # [T, H, N]
    bias = bias.masked_fill(~plan.mask[0], -1e9)[:, None, :, None]
    return _Attended(keys.contiguous(), values.contiguous(), bias)


def _gelu(x: Tensor) -> Tensor:
    """The exact GELU; for a single row, setting up the library's fused one costs more than this."""
    return x * torch.special.ndtr(x)


def _columns(module: nn.Module) -> _Affine:
    affine = _affine(module)
    return _Affine(_by_column(affine.weight), affine.bias)


def _by_column(weight: Tensor) -> Tensor:
    """The same matrix stored by column: a product with one row then streams at twice the speed."""
    return weight.detach().t().contiguous().t()


def _interleaved(width: int, heads: int) -> Tensor:
    """Rows of ``qkv`` such that both halves of a rotary pair lie side by side; values stay.

    Queries and keys are permuted alike, so their products are unchanged.
    """
    pairs = torch.arange(width).view(heads, 2, -1).transpose(1, 2).reshape(-1)
    return torch.cat((pairs, pairs + width, torch.arange(2 * width, 3 * width)))


def _affine(module: nn.Module) -> _Affine:
    return _Affine(module.weight, module.bias)  # pyright: ignore[reportArgumentType]
