"""Training, told as a story: set up, take up where the last run stopped, step, save, say.

A run is a folder: the adapter itself, ``train.json`` (the settings), ``checkpoints/`` (each an
adapter folder with all of an exact resume), ``log.jsonl`` and ``events/``. The same call goes on
after a kill, and ends with the same bits as without it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tts_lora.batches import Step
from tts_lora.checkpoint import Checkpoints
from tts_lora.config import TrainConfig
from tts_lora.descent import (
    NotFiniteError,
    descend,
    evaluating,
    kept_randomness,
    learning_rate,
    validate,
)
from tts_lora.preflight import Preflight
from tts_lora.resume import Progress, TrainError, restored, state_of
from tts_lora.setting_up import Run, set_up

if TYPE_CHECKING:
    from tts_lora.run_log import RunLog
    from voice_data.audio import Audio
    from voice_data.speech import SpeechModel

__all__ = ["Event", "TrainConfig", "TrainError", "Trained", "learning_rate", "plan", "train"]

SETTINGS = "train.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened after ``step`` of ``steps``: a line of the log, or a checkpoint.

    ``figures`` are ``loss``, ``norm`` and ``rate``, or ``validation``; ``folder`` is the
    checkpoint's.
    """

    kind: Literal["log", "checkpoint"]
    step: int
    steps: int
    figures: Mapping[str, float]
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished run: its folder, which is the adapter, the mean loss over the last lines of the
    log, the loss on held-out clips, the checkpoints that are kept, the oldest first, and what
    trained it and why.
    """

    folder: Path
    steps: int
    loss: float
    validation: float
    checkpoints: tuple[Path, ...]
    backend: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return json.loads(json.dumps(asdict(self), default=str))


def train(
    config: TrainConfig,
    *,
    resume: bool = True,
    model: SpeechModel | None = None,
    on_event: Callable[[Event], None] | None = None,
    progress: bool | None = None,
) -> Trained:
    """Train an adapter, or go on with it; ``config.out`` becomes its folder.

    ``model`` saves loading the base; it comes back without the adapter. What ``on_event`` raises
    ends the run. ``progress`` shows a bar: by default on a terminal only. The caller's random
    numbers are not touched.

    Raises:
        TrainError: if ``out`` holds a run of other settings, or any run without ``resume``.
        NotFiniteError: if a loss or gradient is not finite; the last good state is kept.
        PreflightError, EncodedSetError, AdapterError, SpeechModelError: if it cannot begin.
        OSError: if the disk is full; what was saved is kept.
    """
    import torch

    checkpoints = Checkpoints(Path(config.out), config.keep)
    if not resume and checkpoints.all():
        raise TrainError(f"{config.out} holds a run: choose another folder, or resume it")
    threads = torch.get_num_threads()
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        with kept_randomness(), set_up(config, model) as run:
            done = restored(run, checkpoints)
            if done.step < run.descent.steps:
                _run(run, checkpoints, done, on_event, progress)
            _write_adapter(run, Path(config.out), done)
    finally:
        torch.set_num_threads(threads)
    return Trained(
        folder=Path(config.out),
        steps=done.step,
        loss=done.loss,
        validation=done.validation,
        checkpoints=tuple(checkpoints.all()),
        backend=run.preflight.backend,
    )


def plan(config: TrainConfig, *, model: SpeechModel | None = None) -> Preflight:
    """What :func:`train` would do; nothing is written.

    Raises:
        PreflightError, EncodedSetError, AdapterError, SpeechModelError: as :func:`train`.
    """
    with kept_randomness(), set_up(config, model) as run:
        return run.preflight


def _run(
    run: Run,
    checkpoints: Checkpoints,
    done: Progress,
    on_event: Callable[[Event], None] | None,
    progress: bool | None,
) -> None:
    from tqdm import tqdm

    from tts_lora.run_log import RunLog

    config, main = run.config, run.descent.accelerator.is_main_process
    out, steps = Path(config.out), run.descent.steps
    if main:
        from voice_data.storage import write_text

        out.mkdir(parents=True, exist_ok=True)
        write_text(out / SETTINGS, json.dumps(asdict(config), indent=2) + "\n")
    _say(run.preflight)
    shown = tqdm(
        total=steps, initial=done.step, disable=(not progress) if progress is not None else None
    ) if main else tqdm(disable=True)  # fmt: skip
    with RunLog(run.descent.accelerator, out, done.step, asdict(config)) as log, shown as bar:
        for step in run.plan.steps(done.step, steps):
            _one_step(run, step, checkpoints, done, log, on_event)
            bar.update()
            bar.set_postfix(loss=f"{done.loss:.3f}", refresh=False)


def _one_step(
    run: Run,
    step: Step,
    checkpoints: Checkpoints,
    done: Progress,
    log: RunLog,
    on_event: Callable[[Event], None] | None,
) -> None:
    config, steps = run.config, run.descent.steps
    tell = on_event or (lambda _: None)
    try:
        found = descend(run.descent, step)
    except NotFiniteError as error:
        kept = _checkpoint(run, checkpoints, done)
        raise NotFiniteError(
            f"{error}; the last good state is kept in {kept}: lower learning_rate "
            f"({config.learning_rate}) and run again to go on from there, or leave the clips out",
            step=error.step,
            clips=error.clips,
        ) from None
    done.step += 1
    done.window.append(found.loss)
    last = done.step == steps
    if done.step % config.log_every == 0 or last:
        done.loss = sum(done.window) / len(done.window)
        done.window.clear()
        figures = {"loss": done.loss, "norm": found.norm, "rate": found.rate}
        log.figures(done.step, "train", figures)
        tell(Event(kind="log", step=done.step, steps=steps, figures=figures))
    due = done.step % config.save_every == 0 if config.save_every else step.ends_epoch
    if due or last:
        done.validation = validate(run.descent, run.held_out)
        figures = {"validation": done.validation}
        log.figures(done.step, "validation", {"loss": done.validation})
        folder = _checkpoint(run, checkpoints, done)
        log.sounds(done.step, _spoken(run))
        tell(Event(kind="checkpoint", step=done.step, steps=steps, figures=figures, folder=folder))


def _spoken(run: Run) -> list[tuple[str, Audio]]:
    """The sentences of the settings as the model speaks them now."""
    import torch

    if not run.descent.accelerator.is_main_process:
        return []
    spoken: list[tuple[str, Audio]] = []
    with evaluating(run.descent.model.network), torch.no_grad():
        for text in run.config.sentences:
            try:
                audio = run.descent.model.speak(text, voice=run.voice, seed=run.config.seed)
            except Exception as error:  # a preview must not end a run of many hours
                _log.warning("%r cannot be spoken now: %s", text, error)
                continue
            spoken.append((text, audio))
    return spoken


def _checkpoint(run: Run, checkpoints: Checkpoints, done: Progress) -> Path:
    """Write a checkpoint on the main process; the others wait."""
    accelerator = run.descent.accelerator
    if accelerator.is_main_process:
        checkpoints.write(done.step, state_of(run, done), lambda to: _write_adapter(run, to, done))
    accelerator.wait_for_everyone()
    latest = checkpoints.latest()
    return latest if latest is not None else checkpoints.folder


def _write_adapter(run: Run, folder: Path, done: Progress) -> None:
    from tts_lora.adapter import save

    if not run.descent.accelerator.is_main_process:
        return
    figures = {"step": done.step, "loss": done.loss, "validation_loss": done.validation}
    metrics = {name: value for name, value in figures.items() if value == value}  # no NaN in JSON
    folder.mkdir(parents=True, exist_ok=True)
    save(run.descent.model, folder, card=run.card(metrics), condition=run.voice)


def _say(preflight: Preflight) -> None:
    for line in preflight.lines():
        _log.info(line)
