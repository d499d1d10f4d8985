"""Checkpoints of a run: projectors that also hold all that an exact resume needs."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from audio_projector.projector import Projector

STATE = "training_state.safetensors"


class ResumeError(ValueError):
    """A checkpoint that cannot be gone on from; the message says why and what to do."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is: steps done, the last logged loss, the losses since, the held-out loss."""

    step: int = 0
    loss: float = math.nan
    validation: float = math.nan
    window: list[float] = field(default_factory=list)


class Checkpoints:
    """The newest few checkpoints in the folder of a run."""

    def __init__(self, out: Path, keep: int) -> None:
        self.folder, self.keep = out / "checkpoints", keep

    def all(self) -> list[Path]:
        """From the oldest to the newest."""
        return sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []

    def write(
        self,
        done: Progress,
        projector: Projector,
        optimizer: torch.optim.Optimizer,
        fill: Callable[[Path], None],
    ) -> Path:
        """Write a checkpoint, with ``fill`` for the projector's files, and drop the oldest.

        Raises:
            OSError: if the disk is full or the folder cannot be written.
        """
        from safetensors.torch import save_file

        target = self.folder / f"step-{done.step:06d}"
        partial = self.folder / f".{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        fill(partial)
        tensors = {f"weight/{name}": t for name, t in projector.state_dict().items()}
        tensors |= _flat(optimizer)
        values = {"step": done.step, "loss": done.loss, "validation": done.validation,
                  "window": done.window}  # fmt: skip
        kept = {name: t.detach().contiguous().clone() for name, t in tensors.items()}
        save_file(kept, partial / STATE, {"values": json.dumps(values)})
        partial.rename(target)
        for old in self.all()[: -self.keep]:
            shutil.rmtree(old)
        return target

    def restore(self, projector: Projector, optimizer: torch.optim.Optimizer) -> Progress:
        """Go on from the newest checkpoint, or from nothing.

        Raises:
            ResumeError: if it cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        found = self.all()
        if not found:
            return Progress()
        path = found[-1] / STATE
        try:
            with safe_open(path, framework="pt") as file:
                values = json.loads((file.metadata() or {})["values"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise ResumeError(
                f"{path} cannot be read ({error}): remove its folder to go on from an older one"
            ) from error
        weights = {n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith("weight/")}
        projector.load_state_dict(weights)
        _unflatten(optimizer, tensors)
        return Progress(**values)


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"moment/{i}/{name}": t for i, each in state.items() for name, t in each.items()}


def _unflatten(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("moment/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
