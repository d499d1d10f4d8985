"""Weights as they ship: matrices in eight bits with a scale per row, the rest in half precision.

Letters: O output rows, I inputs per row (all other dimensions together).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

CODES, SCALES = ".codes", ".scales"
SMALLEST = 4_096
"""Tensors with fewer values than this stay in half precision."""
CLIPS = torch.linspace(0.7, 1.0, 13)
"""Shares of a row's largest magnitude that are tried as its range."""


def compress(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Float tensors -> codes [O, ...] of int8 and scales [O] of float16, or float16 for small ones.

    Each row's range is the one, among a few, that gives the smallest squared error.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() < 2 or tensor.numel() < SMALLEST or not tensor.is_floating_point():
            packed[name] = tensor.half() if tensor.is_floating_point() else tensor
            continue
        rows = tensor.float().flatten(1)
        scales = _scales(rows)
        codes = (rows / scales[:, None].float()).round().clamp(-127, 127).to(torch.int8)
        packed[name + CODES] = codes.view(tensor.shape)
        packed[name + SCALES] = scales
    return packed


def decompress(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 tensors that :func:`compress` packed (others pass, half precision widened).

    Raises:
        ValueError: if codes stand without their scales.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in packed.items():
        if name.endswith(SCALES):
            continue
        if not name.endswith(CODES):
            tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
            continue
        plain = name.removesuffix(CODES)
        if plain + SCALES not in packed:
            raise ValueError(f"{name} has no {plain + SCALES} beside it: the file is incomplete")
        scales = packed[plain + SCALES].float()
        tensors[plain] = tensor.float().mul_(scales.view(-1, *[1] * (tensor.dim() - 1)))
    return tensors


def _scales(rows: Tensor) -> Tensor:
    """[O, I] -> the best scale of each row, [O] of float16."""
    largest = rows.abs().amax(1).clamp_min(1e-6)
    tried = [(share * largest / 127).half().clamp_min(1e-7) for share in CLIPS.tolist()]
    errors = []
    for scales in tried:
        step = scales[:, None].float()
        errors.append((((rows / step).round().clamp(-127, 127) * step - rows) ** 2).sum(1))
    best = torch.stack(errors).argmin(0)
    return torch.stack(tried).gather(0, best[None])[0]
