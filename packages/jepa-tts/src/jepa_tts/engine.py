"""Free-running prediction of one sentence, faster than :meth:`jepa_tts.model.JepaModel.generate`.

One frame is some thirty products of a matrix with one vector, each as fast as memory delivers the
matrix. NumPy's BLAS reads it about twice as fast as torch's does for a single row (measured on AMD
Zen), and asks less per call: so the step is written in NumPy. All that does not depend on the frame
before is computed for the whole sentence first. Equal to ``generate`` to rounding.

Letters: T latent frames, N bytes, Z latent dimensions, D width, I inner width, H heads, d = D / H.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from jepa_tts.config import CROSS_EVERY, LENGTH_SLACK
from jepa_tts.predictor import Predictor
from jepa_tts.transformer import CrossAttention, FeedForward, SelfAttention, rotary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from jepa_tts.model import JepaModel, Plan

_PLAIN = (
    Predictor, SelfAttention, CrossAttention, FeedForward,
    nn.Linear, nn.LayerNorm, nn.Dropout, nn.ModuleList,
)  # fmt: skip
_EPSILON = 1e-5  # of nn.LayerNorm


class _Affine(NamedTuple):
    """``weight`` [I, O] and ``bias`` [O]: a row times the weight, plus the bias."""

    weight: np.ndarray
    bias: np.ndarray


class _Cross(NamedTuple):
    """A cross-attention's weights; the query's hold its norm and the scale of the products."""

    query: _Affine
    out: _Affine


class _Layer(NamedTuple):
    """One layer's weights. ``qkv`` and ``up`` hold their norms, ``qkv`` in the order of `_qkv`."""

    qkv: _Affine
    out: _Affine
    cross: _Cross | None
    up: _Affine
    down: _Affine


class _Weights(NamedTuple):
    """A predictor's weights as the step wants them."""

    layers: tuple[_Layer, ...]
    latent_in: np.ndarray
    out: _Affine


_prepared: WeakKeyDictionary[Predictor, tuple[Tensor, _Weights]] = WeakKeyDictionary()
"""The weights of each predictor that has spoken, with its parameters' sums at that time."""


def can_run(model: JepaModel) -> bool:
    """Whether every layer is the plain one, in float32 on the CPU.

    An adapter, a hook or another precision must not be bypassed.
    """
    predictor = model.predictor
    plain = not any(
        type(module) not in _PLAIN or module._forward_hooks or module._forward_pre_hooks
        for module in predictor.modules()
    )
    return plain and all(
        p.dtype == torch.float32 and p.device.type == "cpu" for p in predictor.parameters()
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
    latents = np.empty((run.frames, model.config.latent), np.float32)
    past = _array(model.predictor.start)
    with _blas().limit(limits=1, user_api="blas"):
        for frame in range(run.frames):
            out = run.step(past, frame)
            past = latents[frame] = out[:-1]
            if frame + 2 >= planned and out[-1] > 0:
                break
    return torch.from_numpy(latents[None, : frame + 1])


class _Run:
    """A sentence on its way: every frame's fixed input [T, D], and what attention looks at."""

    def __init__(self, predictor: Predictor, plan: Plan) -> None:
        self.weights = _weights(predictor)
        self.frames = int(plan.lengths[0]) + LENGTH_SLACK
        clock = plan.clock(self.frames)
        text = plan.text[0, clock.position[0]]  # [T, D]
        fixed = predictor.text_in(text) + predictor.phase_in(clock.phase[0]) + plan.voice
        self.fixed = _array(fixed + predictor.latent_in.bias)
        self.heads, self.width = predictor.heads, plan.text.shape[2]
        size = self.width // self.heads
        cosine, sine = (_array(part) for part in rotary(self.frames, size))
        self.turns = (cosine + 1j * sine).astype(np.complex64)[:, None]  # [T, 1, d / 2]
        shape = (len(self.weights.layers), self.heads, self.frames, size)
        self.keys, self.values = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self.text = [_text(cross, plan, clock.prior[0]) for cross in predictor.cross_attention]

    def step(self, past: np.ndarray, frame: int) -> np.ndarray:
        """[Z] -> the latent after it and the logit that it is the last, [Z + 1]."""
        width = self.width
        x = past @ self.weights.latent_in
        x += self.fixed[frame]
        for index, layer in enumerate(self.weights.layers):
            row = _affine(_standard(x), layer.qkv)
            turned = row[: 2 * width].view(np.complex64).reshape(2 * self.heads, -1)
            turned *= self.turns[frame]
            query, key, value = row.reshape(3, self.heads, -1)
            keys, values = self.keys[index], self.values[index]
            keys[:, frame], values[:, frame] = key, value
            heard = _attention(query, keys[:, : frame + 1], values[:, : frame + 1])
            x += _affine(heard, layer.out)
            if layer.cross is not None:
                keys, values, bias = self.text[index // CROSS_EVERY]
                query = _affine(_standard(x), layer.cross.query).reshape(self.heads, -1)
                x += _affine(_attention(query, keys, values, bias[frame]), layer.cross.out)
            x += _affine(_gelu(_affine(_standard(x), layer.up)), layer.down)
        return _affine(_standard(x), self.weights.out)


@cache
def _blas() -> ThreadpoolController:
    """Finds NumPy's BLAS: a second thread gains little here, and waits long on a busy machine."""
    return ThreadpoolController()


def _affine(row: np.ndarray, affine: _Affine) -> np.ndarray:
    out = np.dot(row, affine.weight)
    out += affine.bias
    return out


def _standard(x: np.ndarray) -> np.ndarray:
    """Mean zero and deviation one; the gain and bias of the norm are in the next weights."""
    y = x - np.add.reduce(x) / len(x)
    y *= 1.0 / math.sqrt(np.dot(y, y) / len(y) + _EPSILON)
    return y


def _gelu(scaled: np.ndarray) -> np.ndarray:
    """The exact GELU of sqrt(2) times ``scaled``, times sqrt(2); the weights make up for both.

    NumPy has no error function. For one row, torch's fused GELU costs four times as much as this.
    """
    y = torch.erf(torch.from_numpy(scaled)).numpy()
    y += 1.0
    y *= scaled
    return y


def _attention(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    """Scaled query [H, d], keys and values [H, N, d], bias [H, N] -> [D]."""
    scores = np.matmul(keys, query[:, :, None])[:, :, 0]
    if bias is not None:
        scores += bias
    scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, axis=1, keepdims=True)
    return np.matmul(scores[:, None], values).reshape(-1)


def _weights(predictor: Predictor) -> _Weights:
    """The prepared weights, made again when a parameter has changed.

    Sums tell, not version counters: merging an adapter through ``weight.data`` leaves those alone.
    """
    sums = torch.stack([parameter.sum() for parameter in predictor.parameters()])
    known = _prepared.get(predictor)
    if known is None or not torch.equal(known[0], sums):
        known = sums, _prepare(predictor)
        _prepared[predictor] = known
    return known[1]


@torch.no_grad()
def _prepare(predictor: Predictor) -> _Weights:
    layers = tuple(_layer(predictor, index) for index in range(len(predictor.feed_forward)))
    ends = (predictor.latent_out, predictor.stop_out)
    weight = torch.cat([end.weight for end in ends])
    bias = torch.cat([end.bias for end in ends])
    out = _normed(predictor.norms[-1], weight, bias)
    return _Weights(layers, _by_row(predictor.latent_in.weight), out)


def _layer(predictor: Predictor, index: int) -> _Layer:
    cross = None
    if index % CROSS_EVERY == 0:
        number = index // CROSS_EVERY
        attention = predictor.cross_attention[number]
        scale = (attention.query.out_features // predictor.heads) ** -0.5
        query = attention.query.weight * scale, attention.query.bias * scale
        norm = predictor.cross_norms[number]
        cross = _Cross(_normed(norm, *query), _plain(attention.out))
    attention, forward = predictor.self_attention[index], predictor.feed_forward[index]
    return _Layer(
        _normed(predictor.norms[2 * index], *_qkv(attention.qkv, predictor.heads)),
        _plain(attention.out),
        cross,
        _normed(predictor.norms[2 * index + 1], forward.up.weight, forward.up.bias, 0.5**0.5),
        _Affine(_by_row(forward.down.weight * 0.5**0.5), _array(forward.down.bias)),
    )


def _qkv(linear: nn.Linear, heads: int) -> Sequence[Tensor]:
    """Weight and bias with both halves of a rotary pair side by side, and the queries scaled.

    Queries and keys are permuted alike, so their products are unchanged.
    """
    width = linear.in_features
    pairs = torch.arange(width).view(heads, 2, -1).transpose(1, 2).reshape(-1)
    order = torch.cat((pairs, pairs + width, torch.arange(2 * width, 3 * width)))
    weight, bias = linear.weight[order], linear.bias[order]
    scale = (width // heads) ** -0.5
    weight[:width] *= scale
    bias[:width] *= scale
    return weight, bias


def _normed(norm: nn.Module, weight: Tensor, bias: Tensor, scale: float = 1.0) -> _Affine:
    """A linear layer after a norm, times ``scale``, as a linear layer after :func:`_standard`."""
    gain, shift, matrix = map(_array, (norm.weight, norm.bias, weight))  # pyright: ignore
    return _Affine(
        np.ascontiguousarray((matrix * gain).T * np.float32(scale)),
        (_array(bias) + matrix @ shift) * np.float32(scale),
    )


def _plain(linear: nn.Linear) -> _Affine:
    return _Affine(_by_row(linear.weight), _array(linear.bias))


def _by_row(weight: Tensor) -> np.ndarray:
    """[O, I] -> [I, O], stored by the inputs: a row times this streams fastest."""
    return np.ascontiguousarray(_array(weight).T)


def _text(
    attention: CrossAttention, plan: Plan, prior: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a cross-attention looks at: keys and values [H, N, d], bias [T, H, N]."""
    keys, values = attention.keys_values(plan.text)
    bias = prior[:, None] * attention.strength[:, None]  # [T, H, N]
    bias = bias.masked_fill(~plan.mask[0], -1e9)
    return _array(keys[0].contiguous()), _array(values[0].contiguous()), _array(bias)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()
