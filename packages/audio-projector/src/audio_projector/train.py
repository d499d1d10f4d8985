"""Training, told as a story: set up, take up where the last run stopped, step, save, say.

A run is a folder: the projector itself, ``train.json`` (the settings), ``checkpoints/``,
``log.jsonl`` and ``events/``. The same call goes on after a kill and ends with the same bits. Both
ends stay as they are: the language model is only there as cached states, and the speech model's
weights are compared when all is done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from audio_projector.examples import batches, collate
from audio_projector.resume import Checkpoints, Progress
from audio_projector.run import Run, TrainError, set_up, write_run
from audio_projector.train_config import TrainConfig
from voice_data.schedule import learning_rate

if TYPE_CHECKING:
    from voice_data.run_log import RunLog
    from voice_data.speech import Loss, StatesModel

SETTINGS = "train.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished run: its folder, the parameters that were trained, the losses at the end, and
    whether the speech model is bit for bit what it was.
    """

    folder: str
    parameters: int
    steps: int
    loss: float
    validation: float
    speech_model_unchanged: bool


def train(
    config: TrainConfig,
    *,
    model: StatesModel | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> Trained:
    """Train a projector, or go on with it; ``config.out`` becomes its folder.

    ``model`` saves loading the target. What ``on_step`` raises ends the run; it is given the step
    and its loss. The caller's random numbers are not touched.

    Raises:
        TrainError: if ``out`` holds a run of other settings, states do not suffice, or a loss is
            not finite.
        CacheError, SpeechModelError: if states or target cannot be used.
        OSError: if the disk is full; what was saved is kept.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    with torch.random.fork_rng(devices=[]):
        run = set_up(config, model)
        before = _fingerprint(run.model.network)
        checkpoints = Checkpoints(Path(config.out), config.keep)
        done = checkpoints.restore(run.projector, run.optimizer)
        if done.step < config.steps:
            _go(run, checkpoints, done, on_step)
        unchanged = torch.equal(before, _fingerprint(run.model.network))
        if not unchanged:
            raise TrainError("the speech model's weights changed: this projector is of no use")
        write_run(run, Path(config.out))
    return Trained(
        folder=config.out,
        parameters=run.projector.size(),
        steps=done.step,
        loss=done.loss,
        validation=done.validation,
        speech_model_unchanged=unchanged,
    )


def _go(
    run: Run,
    checkpoints: Checkpoints,
    done: Progress,
    on_step: Callable[[int, float], None] | None,
) -> None:
    from voice_data.run_log import RunLog
    from voice_data.storage import write_text

    config, out = run.config, Path(run.config.out)
    settings = json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n"
    _claim(out, settings)
    write_text(out / SETTINGS, settings)
    with RunLog(out, done.step, extra="audio-projector[train]") as log:
        for batch in _plan(run, done.step):
            loss = step(run, done.step, batch)
            done.step += 1
            done.window.append(float(loss.total.detach()))
            if done.step % config.log_every == 0 or done.step == config.steps:
                done.loss = sum(done.window) / len(done.window)
                done.window.clear()
                rate = learning_rate(config, done.step - 1)
                log.figures(done.step, "train", {"loss": done.loss, "rate": rate, **loss.parts})
            if done.step % config.save_every == 0 or done.step == config.steps:
                _save(run, checkpoints, done, log)
            if on_step is not None:
                on_step(done.step, done.loss)


def _claim(out: Path, settings: str) -> None:
    """Refuse to go on with a run of other settings.

    Raises:
        TrainError: naming the first that differs.
    """
    path = out / SETTINGS
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        return
    was, now = json.loads(path.read_text("utf-8")), json.loads(settings)
    for name, value in now.items():
        if was.get(name) != value:
            raise TrainError(
                f"{out} holds a run with {name}={was.get(name)!r}, not {value!r}: choose another "
                "folder, or set it as it was"
            )


def _plan(run: Run, done: int) -> Iterator[list[int]]:
    """The batches of all steps from ``done`` on: texts first, then clips."""
    config = run.config
    texts = config.steps - config.clip_steps
    sizes = [run.examples.size(i) for i in range(len(run.examples.cache))]
    step, epoch = 0, 0
    while step < config.steps:
        if step < texts or run.clips is None:
            found = batches(sizes, run.training, config.batch, config.seed, epoch)
            found = found[: texts - step]
        else:
            clips = run.clips
            found = batches(clips.sizes, clips.training, config.clip_batch, config.seed, epoch)
            found = found[: config.steps - step]
        epoch += 1
        for batch in found:
            if step >= done:
                yield batch
            step += 1


def step(run: Run, number: int, batch: list[int]) -> Loss:
    """One step of descent on some lines, or clips; ``number`` counts from 0.

    Raises:
        TrainError: if the loss is not finite; no weight was changed.
    """
    config = run.config
    torch.manual_seed(config.seed * 1_000_003 + number)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, number)
    run.projector.train()
    heard = run.clips is not None and number >= config.steps - config.clip_steps
    loss = _loss_of_clips(run, batch) if heard else _loss_of_texts(run, batch)
    if not math.isfinite(float(loss.total.detach())):
        raise TrainError(
            f"the loss is {float(loss.total.detach())} at step {number + 1}: lower learning_rate "
            f"({config.learning_rate}) and run again to go on from the last checkpoint"
        )
    run.optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    torch.nn.utils.clip_grad_norm_(run.projector.parameters(), config.clip)
    run.optimizer.step()
    return loss


def _projected(run: Run, lines: list[int]) -> torch.Tensor:
    pieces = [run.examples[i] for i in lines]
    gated = run.projector.config.fusion == "gated"
    text = run.model.text_states([each.text for each in pieces]) if gated else None
    return run.projector(collate(pieces), text)


def _loss_of_texts(run: Run, lines: list[int]) -> Loss:
    """Distance from the speech model's own states of how the texts are to sound."""
    return run.model.distance(_projected(run, lines), run.examples.sounds(lines))


def _loss_of_clips(run: Run, clips: list[int]) -> Loss:
    """The speech model's own loss on recordings, and the distance as well."""
    from voice_data.speech import Loss

    if run.clips is None:
        raise TrainError("there are no clips")
    lines = run.clips.lines_of(clips)
    states = _projected(run, lines)
    run.model.network.train()  # its noise on the history, as it was trained
    try:
        heard = run.model.loss_of_states(run.clips.batch(clips), states)
    finally:
        run.model.network.eval()
    near = run.model.distance(states, run.examples.sounds(lines))
    total = heard.total + run.config.distance_weight * near.total
    return Loss(total=total, parts={**heard.parts, **near.parts}, positions=heard.positions)


def _save(run: Run, checkpoints: Checkpoints, done: Progress, log: RunLog) -> None:
    figures = _validate(run)
    done.validation = figures.get("loss", math.nan)
    if figures:
        log.figures(done.step, "validation", figures)
    checkpoints.write(done, run.projector, run.optimizer, lambda to: write_run(run, to))
    _say(run, done, log)


@torch.no_grad()
def _validate(run: Run) -> Mapping[str, float]:
    """Mean loss and parts over held-out texts, weighted by their positions."""
    if not run.held_out:
        return {}
    run.projector.eval()
    sizes = [run.examples.size(i) for i in range(len(run.examples.cache))]
    sums: dict[str, float] = {}
    count = 0
    for batch in batches(sizes, run.held_out, run.config.batch, 0, 0):
        loss = _loss_of_texts(run, batch)
        weight = loss.positions or len(batch)
        for name, value in {"loss": float(loss.total), **loss.parts}.items():
            sums[name] = sums.get(name, 0.0) + value * weight
        count += weight
    return {name: value / count for name, value in sums.items()}


@torch.no_grad()
def _say(run: Run, done: Progress, log: RunLog) -> None:
    """Let the first held-out text be heard, as projected and as the speech model's own."""
    if not run.held_out:
        return
    run.projector.eval()
    line = run.held_out[0]
    text = run.examples.cache.lines[line].text
    voice = run.config.voice or None
    own = run.model.text_states([text])[0]
    for name, states in (("projected", _projected(run, [line])[0]), ("own", own)):
        if name == "projected" or done.step <= run.config.save_every:
            audio = run.model.speak_states(states, voice=voice, seed=run.config.seed)
            log.sound(done.step, name, audio, text)


def _fingerprint(network: torch.nn.Module) -> torch.Tensor:
    """Sums and sums of squares of every parameter, in double precision."""
    values = [p.detach().double() for p in network.parameters()]
    return torch.stack([torch.stack((v.sum(), v.square().sum())) for v in values])
