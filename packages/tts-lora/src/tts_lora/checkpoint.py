"""Checkpoints of a run: adapter folders that also hold all that an exact resume needs.

``OUT/checkpoints/step-000120/`` appears whole or not at all; the newest few are kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

STATE = "training_state.safetensors"
_NAME = re.compile(r"step-(\d{6,})")
_VALUES = "values"


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed from; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """``tensors`` by name, and plain JSON ``values``, among them the ``step`` that was reached."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


class Checkpoints:
    """The checkpoints in the folder of a run."""

    def __init__(self, out: Path, keep: int) -> None:
        self.folder, self.keep = out / "checkpoints", keep

    def all(self) -> list[Path]:
        """From the oldest to the newest."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=step_of)

    def latest(self) -> Path | None:
        """The newest, if there is one."""
        return next(reversed(self.all()), None)

    def write(self, step: int, state: State, fill: Callable[[Path], object]) -> Path:
        """Write a checkpoint, with ``fill`` for the adapter's files, and remove the oldest.

        One that is there already for this step is left.

        Raises:
            OSError: if the disk is full or the folder cannot be written.
        """
        target = self.folder / f"step-{step:06d}"
        if target.is_dir():
            return target
        self._clean()
        temporary = self.folder / f".{target.name}.partial"
        temporary.mkdir(parents=True)
        fill(temporary)
        _write_state(temporary / STATE, state)
        for path in temporary.rglob("*"):
            _sync(path)
        _sync(temporary)
        temporary.rename(target)
        _sync(self.folder)
        for old in self.all()[: -self.keep]:
            gone = self.folder / f".{old.name}.old"  # half a folder must not have a valid name
            old.rename(gone)
            shutil.rmtree(gone)
        return target

    def _clean(self) -> None:
        """Remove what a kill left."""
        if self.folder.is_dir():
            for path in self.folder.glob(".step-*"):
                shutil.rmtree(path)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name.

    Raises:
        CheckpointError: if it has none.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path} is no checkpoint: its name must be step-NUMBER")
    return int(match[1])


def read_state(folder: Path) -> State:
    """What :meth:`Checkpoints.write` stored beside the adapter.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / STATE
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads((file.metadata() or {})[_VALUES])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): remove this checkpoint to resume from an older one"
        ) from error
    return State(tensors=tensors, values=values)


def _write_state(path: Path, state: State) -> None:
    from safetensors.torch import save_file

    from voice_data.storage import replacing

    plain = {name: value.detach().cpu().contiguous() for name, value in state.tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, {_VALUES: json.dumps(dict(state.values))})


def _sync(path: Path) -> None:
    """Make a file's or a folder's content durable where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
