"""What a run leaves for its reader: ``log.jsonl``, TensorBoard, and accelerate's other trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.run_log import LOG, continue_lines, mel_image, write_line

if TYPE_CHECKING:
    from types import TracebackType

    from accelerate import Accelerator

    from voice_data.audio import Audio


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
        self._file = continue_lines(out / LOG, step) if self._main else None
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
            write_line(self._file, step, part, figures)

    def sounds(self, step: int, spoken: Sequence[tuple[str, Audio]]) -> None:
        """Record sentences as sound and as mel pictures, where TensorBoard is used."""
        writers = [
            each.tracker for each in self._accelerator.trackers if each.name == "tensorboard"
        ]
        for writer in writers:
            for number, (text, audio) in enumerate(spoken):
                writer.add_text(f"spoken/{number}", text, step)
                samples = audio.samples[None].clip(-1.0, 1.0)
                writer.add_audio(f"spoken/{number}", samples, step, audio.rate)
                if (picture := mel_image(audio)) is not None:
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
