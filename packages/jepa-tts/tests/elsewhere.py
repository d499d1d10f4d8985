"""A device that is not there: its tensors lie on the CPU, and refuse to meet those that do.

Torch's name for it is ``meta``, which needs no hardware. Unlike torch's own meta tensors these hold
numbers, so a network trains on them, and its losses can be compared with those of the CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

AWAY = torch.device("meta")
aten = torch.ops.aten
# copies from one device to another, and CTC, whose lengths are read on the CPU
TRAVELS = {
    aten.copy_.default, aten._to_copy.default, aten._ctc_loss.default, aten._ctc_loss.Tensor,
    aten._ctc_loss_backward.default, aten._ctc_loss_backward.Tensor,
}  # fmt: skip


class MixedDevicesError(RuntimeError):
    """Tensors of two devices in one operation."""


class There(Tensor):
    """A tensor that is said to be away."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=AWAY,
        )  # fmt: skip
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While it is on, ``meta`` is the device that is not there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation on the held tensors, if all of them are on one device."""
    seen: dict[int, There] = {}
    here: list[Tensor] = []

    def open_(value: Any) -> Any:
        if isinstance(value, There):
            seen[id(value.held)] = value
            return value.held
        if isinstance(value, Tensor) and value.dim():
            here.append(value)
        return value

    def close(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return seen[id(value)] if id(value) in seen else There(value)

    inner = tree_map(open_, args), tree_map(open_, kwargs)
    if seen and here and func not in TRAVELS:
        raise MixedDevicesError(f"{func} was given tensors of two devices")
    asked = kwargs.get("device")
    away = bool(seen) if asked is None else torch.device(asked) == AWAY
    if func is aten.copy_.default:
        away = isinstance(args[0], There)
    if asked is not None:
        inner[1]["device"] = torch.device("cpu")
    result = func(*inner[0], **inner[1])
    if seen and torch.Tag.inplace_view in func.tags:  # such as transpose_: the outside turns too
        with no_dispatch():
            func(*args, **kwargs)
    return tree_map(close, result) if away else result
