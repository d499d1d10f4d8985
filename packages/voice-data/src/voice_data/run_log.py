"""What a training run leaves for its reader: ``log.jsonl``, TensorBoard and other trackers."""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from voice_data.storage import write_text

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

    from voice_data.audio import Audio

LOG, EVENTS = "log.jsonl", "events"
TRACKERS = ("wandb", "trackio")
"""Packages that may receive the figures too: both have ``init``, ``log`` and ``finish``."""

_log = logging.getLogger(__name__)


class RunLog:
    """The log of one run, open for appending; use it in a ``with`` statement.

    >>> with RunLog(Path("run"), 0, extra="jepa-tts[train]") as log:  # doctest: +SKIP
    ...     log.figures(1, "train", {"loss": 0.5})
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        *,
        extra: str,
        report_to: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Continue the log in ``folder`` after ``step``; what was written beyond it is dropped.

        ``extra`` is what to install for TensorBoard; ``report_to`` names trackers that get the
        figures and ``settings`` as well.

        Raises:
            ImportError: if TensorBoard or a tracker is missing, naming what brings it.
            ValueError: if a tracker is unknown.
        """
        trackers = [_tracker(name) for name in report_to]
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(f"training needs TensorBoard: pip install '{extra}'") from error
        self._events = SummaryWriter(folder / EVENTS, purge_step=step + 1)
        self._lines = continue_lines(folder / LOG, step)
        for each in trackers:
            each.init(
                project=extra.partition("[")[0], name=folder.name, config=dict(settings or {})
            )
        self._trackers = trackers

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
        for each in self._trackers:
            each.finish()

    def figures(self, step: int, part: str, figures: Mapping[str, float]) -> None:
        """Record named figures of a ``part`` of the run (``train`` or ``validation``)."""
        named = {f"{part}/{name}": float(value) for name, value in figures.items()}
        for name, value in named.items():
            self._events.add_scalar(name, value, step)
        for each in self._trackers:
            each.log(named, step=step)
        write_line(self._lines, step, part, figures)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Record a spectrogram [M, T], band 0 at the bottom."""
        self._events.add_image(name, as_image(picture), step)

    def sound(self, step: int, name: str, audio: Audio, text: str = "") -> None:
        """Record a sound and, where a sentence is given, what it says and its mel spectrogram."""
        samples = audio.samples[None].clip(-1.0, 1.0)  # else TensorBoard prints that it clips
        self._events.add_audio(f"spoken/{name}" if text else name, samples, step, audio.rate)
        if text:
            self._events.add_text(f"spoken/{name}", text, step)
        if text and (picture := mel_image(audio)) is not None:
            self._events.add_image(f"mel/{name}", picture, step)


def continue_lines(path: Path, step: int) -> TextIO:
    """Open a ``log.jsonl`` for appending after ``step``; later and cut off lines are dropped."""
    rows = path.read_text("utf-8").splitlines() if path.is_file() else []
    kept = [row for row in rows if (found := _step(row)) is not None and found <= step]
    if len(kept) < len(rows):
        _log.info("%d lines of %s are beyond step %d", len(rows) - len(kept), path, step)
    write_text(path, "".join(f"{row}\n" for row in kept))
    return path.open("a", encoding="utf-8")


def write_line(lines: TextIO, step: int, part: str, figures: Mapping[str, float]) -> None:
    """Append figures to an open ``log.jsonl``."""
    line = {"step": step, "part": part, "time": round(time.time())}
    lines.write(json.dumps(line | {k: float(v) for k, v in figures.items()}) + "\n")
    lines.flush()


def mel_image(audio: Audio) -> np.ndarray | None:
    """A mel spectrogram [1, M, T] from 0 to 1, low bands at the bottom; None if it is too short."""
    import torch

    from voice_data.mel import MelConfig, log_mel

    config = MelConfig(sample_rate=audio.rate, n_mels=80)
    if len(audio.samples) <= config.n_fft:
        return None
    return as_image(log_mel(torch.from_numpy(audio.samples)[None], config)[0].numpy())


def as_image(picture: np.ndarray) -> np.ndarray:
    """A matrix [M, T] as an image [1, M, T] from 0 to 1, its row 0 at the bottom."""
    low, high = float(picture.min()), float(picture.max())
    return ((picture[::-1] - low) / max(1e-5, high - low))[None].copy()


def _step(row: str) -> int | None:
    try:
        return int(json.loads(row)["step"])
    except (ValueError, KeyError, TypeError):  # cut off by a kill
        return None


def _tracker(name: str) -> Any:
    if name not in TRACKERS:
        raise ValueError(f"report_to: no tracker {name!r}; there are {', '.join(TRACKERS)}")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"report_to={name} needs a package: pip install '{name}'") from error
