"""What a training run leaves behind for its reader: ``log.jsonl`` and TensorBoard events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from types import TracebackType

    from jepa_tts.stages.stage import Media


class RunLog:
    """The log of one run, open for appending; use it in a ``with`` statement."""

    def __init__(self, folder: Path, step: int) -> None:
        """Continue the log in ``folder`` at ``step``.

        Raises:
            ImportError: if TensorBoard is missing, naming the extra that brings it.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "training needs TensorBoard: pip install 'jepa-tts[train]'"
            ) from error
        self._events = SummaryWriter(folder / "events", purge_step=step)
        self._lines = (folder / "log.jsonl").open("a", encoding="utf-8")

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._events.close()

    def figures(self, step: int, part: str, figures: Mapping[str, float]) -> None:
        """Record named figures of a ``part`` of the run (``train`` or ``validation``)."""
        for name, value in figures.items():
            self._events.add_scalar(f"{part}/{name}", value, step)
        rounded = {name: round(value, 5) for name, value in figures.items()}
        line = {"step": step, "part": part, "time": round(time.time())} | rounded
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()

    def media(self, step: int, media: Media) -> None:
        """Record pictures, low bands at the bottom, and sounds."""
        for name, picture in media.pictures.items():
            low, high = float(picture.min()), float(picture.max())
            image = (picture[::-1] - low) / max(1e-5, high - low)
            self._events.add_image(name, image[None].copy(), step)
        for name, samples in media.sounds.items():
            self._events.add_audio(name, torch.from_numpy(samples)[None], step, media.rate)
