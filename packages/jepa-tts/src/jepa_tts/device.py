"""Where a stage is trained, and what must stay exact there.

Small random choices come from a generator on the CPU, so that a run there is the same on every
machine. Noise as large as a batch is drawn where it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.amp.autocast_mode import is_autocast_available

CPU = torch.device("cpu")
SEEDS = 2**62


def open_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU where torch finds one, otherwise the CPU.

    Raises:
        ValueError: if torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return torch.device(_best())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"device must be auto or a device of torch such as cpu, cuda, cuda:1 or mps, "
            f"not {name!r}"
        ) from error
    try:
        torch.ones(1).to(device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {name!r} is not there ({reason}): use auto or cpu, or install a torch "
            "that supports it"
        ) from error
    return device


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def half(device: torch.device, enabled: bool) -> AbstractContextManager[object]:
    """Autocast to bfloat16 on ``device``, if ``enabled``."""
    return torch.autocast(device.type, torch.bfloat16) if enabled else nullcontext()


def exact(device: torch.device) -> AbstractContextManager[object]:
    """No autocast on ``device``: for what loses its meaning in bfloat16."""
    if is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def normal(shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Normal numbers of ``shape`` on ``device``, decided by the state of ``generator``.

    A device other than the CPU has other numbers: it draws them itself, from a seed that
    ``generator`` gives.
    """
    if device.type == "cpu":
        return torch.randn(tuple(shape), generator=generator)
    return _drawn_there(shape, generator, device)


def _drawn_there(
    shape: Sequence[int], generator: torch.Generator | None, device: torch.device
) -> Tensor:
    seed = int(torch.randint(SEEDS, (), generator=generator))
    own = torch.Generator(device).manual_seed(seed)
    return torch.randn(tuple(shape), generator=own, device=device)
