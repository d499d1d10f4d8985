"""What a run leaves for its reader: ``log.jsonl``, TensorBoard, and accelerate's other trackers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from accelerate import Accelerator

    from voice_data.audio import Audio

LOG, EVENTS = "log.jsonl", "events"
_log = logging.getLogger(__name__)


class RunLog:
    """The log of one run, open for appending; use it in a ``with`` statement.

    Only the main process writes.
    """

    def __init__(
        self, accelerator: Accelerator, out: Path, step: int, settings: Mapping[str, Any]
    ) -> None:
        """Continue the log in ``out`` after ``step``; what was written beyond it is dropped.

        Raises:
            ImportError: if a tracker is not installed, naming what brings it.
        """
        self._accelerator, self._main = accelerator, accelerator.is_main_process
        self._file = _continued(out / LOG, step) if self._main else None
        accelerator.init_trackers(
            out.name,
            init_kwargs={
                "tensorboard": {"purge_step": step + 1},
                "wandb": {"config": dict(settings), "resume": "allow"},
            },
        )

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._main:
            for tracker in self._accelerator.trackers:
                tracker.finish()  # accelerate's own end_training would also end the process group

    def figures(self, step: int, part: str, figures: Mapping[str, float]) -> None:
        """Record named figures of a ``part`` of the run (``train`` or ``validation``)."""
        named = {f"{part}/{name}": value for name, value in figures.items()}
        self._accelerator.log(named, step=step)
        if self._file is not None:
            line = {"step": step, "part": part} | {k: float(v) for k, v in figures.items()}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def sounds(self, step: int, spoken: Sequence[tuple[str, Audio]]) -> None:
        """Record sentences as sound and as mel pictures, where TensorBoard is used."""
        writers = [
            each.tracker for each in self._accelerator.trackers if each.name == "tensorboard"
        ]
        for writer in writers:
            for number, (text, audio) in enumerate(spoken):
                writer.add_text(f"spoken/{number}", text, step)
                writer.add_audio(f"spoken/{number}", audio.samples[None], step, audio.rate)
                if (picture := _picture(audio)) is not None:
                    writer.add_image(f"mel/{number}", picture, step)
            writer.flush()


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that accelerate does not have or that is not installed.

    Raises:
        ValueError: listing those that there are.
        ImportError: naming what to install.
    """
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(str(name) for name in LOGGER_TYPE_TO_CLASS)
    there = [str(name) for name in get_available_trackers()]
    for name in names:
        if name not in known:
            raise ValueError(f"report_to: no tracker {name!r}; there are {', '.join(known)}")
        if name not in there:
            package = "tts-lora[train]" if name == "tensorboard" else name
            raise ImportError(f"report_to={name} needs a package: pip install '{package}'")


def _continued(path: Path, step: int) -> Any:
    from voice_data.storage import write_text

    kept: list[str] = []
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(f"{line}\n")
            except ValueError:  # cut off by a kill
                _log.info("a line of %s is cut off and dropped", path)
    write_text(path, "".join(kept))
    return path.open("a", encoding="utf-8")


def _picture(audio: Audio) -> Any:
    """A mel spectrogram [1, M, T] from 0 to 1, low bands at the bottom; None if it is too short."""
    import torch

    from voice_data.mel import MelConfig, log_mel

    config = MelConfig(sample_rate=audio.rate, n_mels=80)
    if len(audio.samples) <= config.n_fft:
        return None
    mel = log_mel(torch.from_numpy(audio.samples)[None], config)[0].flip(0)
    return ((mel - mel.min()) / (mel.max() - mel.min()).clamp_min(1e-5))[None]
