"""The matrices of adapters at one layer, alone, blended, or stacked for the rows of a batch.

Letters: B batch, T steps, I in features, O out features, K rank, padded to the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tts_lora.targets import AdapterError, is_conv1d, is_linear

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tts_lora.settings import AdapterSettings


class Part(NamedTuple):
    """An adapter at one layer: ``down`` [K, I] and ``up`` [K, O], which holds the scale.

    ``gain`` [O] is what DoRA multiplies the base layer's own product by, less one.
    """

    down: Tensor
    up: Tensor
    gain: Tensor | None


class Stack(NamedTuple):
    """A batch at one layer: ``down`` [B, K, I], ``up`` [B, K, O], ``gain`` [B, O]; or without B."""

    down: Tensor
    up: Tensor
    gain: Tensor | None


def part_of(
    settings: AdapterSettings, tensors: Mapping[str, Tensor], key: str, layer: nn.Module
) -> Part:
    """What an adapter is at the layer ``key``, in the layer's precision and on its device.

    Raises:
        AdapterError: if the layer is not a linear one.
    """
    import torch

    if not is_linear(layer):
        raise AdapterError(
            f"the adapter changes {key}, a {type(layer).__name__}, and only linear layers can be "
            "hot: load it without hot"
        )
    weight: Any = layer.weight
    with torch.no_grad():
        down, up = tensors["lora_A.weight"].float(), tensors["lora_B.weight"].float().T
        up, gain = up * settings.scale_of(key), None
        if settings.dora:
            rows = (weight.T if is_conv1d(layer) else weight).float()
            norm = (rows + up.T.to(rows.device) @ down.to(rows.device)).norm(dim=1)
            factor = tensors["lora_magnitude_vector"].float().to(norm.device) / norm
            up, gain = up.to(norm.device) * factor, (factor - 1).to(weight.dtype)
        like = {"device": weight.device, "dtype": weight.dtype}
        return Part(down.to(**like).contiguous(), up.to(**like).contiguous(), gain)


def mixed(parts: Sequence[tuple[Part, float]]) -> Part | None:
    """The weighted sum of some parts as one of a larger rank; ``None`` for no parts."""
    import torch

    if not parts:
        return None
    if len(parts) == 1 and parts[0][1] == 1.0:
        return parts[0][0]
    gains = [part.gain * weight for part, weight in parts if part.gain is not None]
    return Part(
        down=torch.cat([part.down for part, _ in parts]),
        up=torch.cat([part.up * weight for part, weight in parts]),
        gain=torch.stack(gains).sum(0) if gains else None,
    )


def stacked(parts: Sequence[Part | None], some: Part) -> Stack:
    """[B, K, I], [B, K, O] and [B, O] from parts of any rank; ``None`` is nothing."""
    import torch

    largest = max(len(part.down) for part in parts if part is not None)
    empty = Part(
        some.down.new_zeros(largest, some.down.shape[1]),
        some.up.new_zeros(largest, some.up.shape[1]),
        None,
    )
    full = [_padded(part, largest) if part is not None else empty for part in parts]
    gain = None
    if any(part.gain is not None for part in full):
        none = some.up.new_zeros(some.up.shape[1])
        gain = torch.stack([none if part.gain is None else part.gain for part in full])
    return Stack(torch.stack([p.down for p in full]), torch.stack([p.up for p in full]), gain)


def _padded(part: Part, rank: int) -> Part:
    from torch.nn.functional import pad

    missing = rank - len(part.down)
    if not missing:
        return part
    return Part(pad(part.down, (0, 0, 0, missing)), pad(part.up, (0, 0, 0, missing)), part.gain)


def added(stack: Stack, x: Tensor, output: Tensor, bias: Tensor | None) -> Tensor:
    """``output`` [B, ..., O] plus what the stack makes of ``x`` [B, ..., I]."""
    import torch

    if stack.gain is not None:
        gain = stack.gain
        if gain.dim() == 2:
            gain = gain.view(len(gain), *(1,) * (output.dim() - 2), -1)
        own = output if bias is None else output - bias
        output = output + own * gain
    flat = (-1,) if stack.down.dim() == 2 else (len(output), -1)
    x, y = x.reshape(*flat, x.shape[-1]), output.reshape(*flat, output.shape[-1])
    hidden = torch.matmul(x.to(stack.down.dtype), stack.down.mT)
    if torch.is_grad_enabled() or not hidden.dtype == y.dtype == stack.up.dtype:
        return (y + torch.matmul(hidden, stack.up).to(y.dtype)).view(output.shape)
    add = torch.Tensor.addmm_ if y.dim() == 2 else torch.Tensor.baddbmm_
    return add(y, hidden, stack.up).view(output.shape)
