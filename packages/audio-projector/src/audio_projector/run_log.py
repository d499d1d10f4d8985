"""What a training run leaves for its reader: ``log.jsonl`` and TensorBoard events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.storage import write_text

if TYPE_CHECKING:
    from types import TracebackType

    from voice_data.audio import Audio

LOG, EVENTS = "log.jsonl", "events"


class RunLog:
    """The log of one run, open for appending; use it in a ``with`` statement."""

    def __init__(self, folder: Path, step: int) -> None:
        """Continue the log in ``folder`` after ``step``; what was written beyond it is dropped.

        Raises:
            ImportError: if TensorBoard is missing, naming the extra that brings it.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "training needs TensorBoard: pip install 'audio-projector[train]'"
            ) from error
        self._events = SummaryWriter(folder / EVENTS, purge_step=step + 1)
        path = folder / LOG
        rows = path.read_text("utf-8").splitlines() if path.is_file() else []
        kept = [row for row in rows if _step(row) <= step]
        write_text(path, "".join(f"{row}\n" for row in kept))
        self._lines = path.open("a", encoding="utf-8")

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
        rounded = {name: round(value, 6) for name, value in figures.items()}
        line = {"step": step, "part": part, "time": round(time.time())} | rounded
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()

    def sound(self, step: int, name: str, text: str, audio: Audio) -> None:
        """Record a sentence as sound and as a mel picture."""
        self._events.add_text(f"spoken/{name}", text, step)
        self._events.add_audio(f"spoken/{name}", audio.samples[None], step, audio.rate)
        picture = _picture(audio)
        if picture is not None:
            self._events.add_image(f"mel/{name}", picture, step)


def _step(row: str) -> int:
    try:
        return int(json.loads(row)["step"])
    except (ValueError, KeyError, TypeError):  # cut off by a kill
        return 1 << 62


def _picture(audio: Audio) -> Any:
    """A mel spectrogram [1, M, F] from 0 to 1, low bands at the bottom; None if it is too short."""
    import torch

    from voice_data.mel import MelConfig, log_mel

    config = MelConfig(sample_rate=audio.rate, n_mels=80)
    if len(audio.samples) <= config.n_fft:
        return None
    mel = log_mel(torch.from_numpy(audio.samples)[None], config)[0].flip(0)
    return ((mel - mel.min()) / (mel.max() - mel.min()).clamp_min(1e-5))[None]
