"""Training, told as a story: build the stage, loop over its batches, save so a kill loses little.

A run is a folder: ``train.json`` (the configuration), ``model/`` (the newest checkpoint),
``state.safetensors`` (weights, optimiser, random numbers: all of an exact resume), ``log.jsonl``
and TensorBoard events.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from jepa_tts.checkpoint import save_tensors
from jepa_tts.collapse import refuse_collapse
from jepa_tts.device import half
from jepa_tts.stages import make_stage
from jepa_tts.stages.stage import Loss, Media, Stage
from jepa_tts.train_config import TrainConfig
from voice_data.audio import Audio
from voice_data.run_log import RunLog
from voice_data.schedule import learning_rate

__all__ = ["TrainConfig", "batches", "optimise", "train", "validate"]

_log = logging.getLogger(__name__)


def train(config: TrainConfig, *, progress: bool | None = None) -> dict[str, float]:
    """Run a stage to its end (or continue it); returns the last validation figures.

    ``progress`` shows a bar: by default on a terminal only. A run that ``config.minutes`` ended may
    have no figures yet.

    Raises:
        FileNotFoundError: if the cache lacks what the stage reads.
        ValueError: if the cache has no validation rows, or too few training rows for one batch, or
            the device is not there.
        FloatingPointError: if the loss or its gradient is not finite.
        CollapseError: with ``collapse_guard``, if the embeddings collapse.
    """
    limit = Limit(config.minutes)
    if config.threads:
        torch.set_num_threads(config.threads)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    stage = make_stage(config)
    if not stage.held_out:
        raise ValueError(
            f"{config.cache} has no validation rows that {config.stage} can use: give some "
            'utterances of the manifest "split": "validation"'
        )
    parameters = stage.trained()
    optimizer = torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
        fused=True,
    )
    generator = torch.Generator().manual_seed(config.seed)
    step = resume(out, stage, optimizer, generator, config)
    if step >= config.steps:
        return validate(stage)
    (out / "train.json").write_text(json.dumps(asdict(config), indent=2), "utf-8")
    figures: dict[str, float] = {}
    hidden = None if progress is None else not progress
    shown = tqdm(total=config.steps, initial=step, disable=hidden)
    with RunLog(out, step, extra="jepa-tts[train]") as log, shown as bar:
        stage.network.train()
        for batch in batches(stage, config.seed, step):
            started = time.perf_counter()
            loss = optimise(stage, batch, optimizer, parameters, generator, config, step)
            step += 1
            bar.update()
            refuse_collapse(loss.parts, step, config)
            if step % config.log_every == 0 or step == config.steps:
                loss.parts["seconds"] = time.perf_counter() - started
                log.figures(step, "train", loss.parts)
                bar.set_postfix({k: f"{v:.3f}" for k, v in loss.parts.items()})
            if step % config.validate_every == 0 or step == config.steps:
                figures = validate(stage)
                log.figures(step, "validation", figures)
            if step % config.media_every == 0 or step == config.steps:
                _record(log, step, show(stage))
            late = limit.reached()
            if late or step % config.save_every == 0 or step == config.steps:
                save(out, stage, optimizer, generator, step)
            if late or step >= config.steps:
                break
    return figures


class Limit:
    """Time for a run of ``minutes`` (0 for ever), counted from when it is made."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60.0 * minutes or math.inf
        self.start = time.perf_counter()
        self.last = math.inf
        self.longest = 0.0

    def reached(self) -> bool:
        """Whether another turn might be one too many, should it and saving last as long as the
        longest so far; to be asked once a turn.
        """
        now = time.perf_counter()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        return now - self.start + 2 * self.longest > self.seconds


def batches(stage: Stage, seed: int, step: int) -> Iterator[Any]:
    """The batches from ``step`` on: epochs without end, each in its own seeded order.

    Raises:
        ValueError: if an epoch holds no batch.
    """
    epoch = 0
    while True:
        plan = stage.epoch(seed, epoch)
        if not plan:
            raise ValueError("too few training rows for one batch: add recordings or lower batch")
        if step < len(plan):
            yield from plan[step:]
            step = 0
        else:
            step -= len(plan)
        epoch += 1


def optimise(
    stage: Stage,
    batch: Any,
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    generator: torch.Generator,
    config: TrainConfig,
    step: int,
) -> Loss:
    """One step of descent, with clipped gradients.

    Raises:
        FloatingPointError: if the loss or its gradient is not finite (neither the weights nor the
            run's last checkpoint are touched).
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    with half(parameters[0].device, config.amp):
        loss = stage.loss(batch, step / config.steps, generator)
    _refuse_not_finite("loss", float(loss.total.detach()), step, config)
    optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    norm = float(nn.utils.clip_grad_norm_(parameters, config.clip))
    _refuse_not_finite("gradient's norm", norm, step, config)
    optimizer.step()
    loss.parts["gradient_norm"] = norm
    return loss


def _refuse_not_finite(what: str, value: float, step: int, config: TrainConfig) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the {what} is {value} at step {step}: lower learning_rate "
            f"({config.learning_rate}) and run again to continue from the last checkpoint"
        )


@torch.no_grad()
def validate(stage: Stage) -> dict[str, float]:
    """The stage's held-out figures, measured in evaluation mode."""
    stage.network.eval()
    figures = stage.validate()
    stage.network.train()
    return figures


@torch.no_grad()
def show(stage: Stage) -> Media:
    """The stage's pictures and sounds, made in evaluation mode."""
    stage.network.eval()
    media = stage.media()
    stage.network.train()
    return media


def _record(log: RunLog, step: int, media: Media) -> None:
    for name, picture in media.pictures.items():
        log.picture(step, name, picture)
    for name, samples in media.sounds.items():
        log.sound(step, name, Audio(samples, media.rate))


def save(
    out: Path, stage: Stage, optimizer: torch.optim.Optimizer, generator: torch.Generator, step: int
) -> None:
    """Write the model and all that an exact resume needs.

    Two model folders take turns and ``model`` points to the newer complete one.
    """
    newest = out / "model"
    older = "model-0"
    if newest.is_symlink() and newest.readlink().name == older:
        older = "model-1"
    stage.save(out / older)
    tensors = {
        "step": torch.tensor(step),
        "random": torch.get_rng_state(),
        "generator": generator.get_state(),
    }
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    for name, value in stage.network.state_dict().items():
        tensors[f"model.{name}"] = value.clone()
    save_tensors(out / "state.safetensors", tensors)
    link = out / "model.link"
    link.unlink(missing_ok=True)
    link.symlink_to(older)
    link.replace(newest)


def resume(
    out: Path,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    config: TrainConfig,
) -> int:
    """Load the run's state if there is one; returns the step to continue at."""
    from safetensors.torch import load_file

    path = out / "state.safetensors"
    if not path.is_file():
        return 0
    tensors = load_file(path)
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    stage.network.load_state_dict(weights)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    described = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": described["param_groups"]})
    torch.set_rng_state(tensors["random"])
    generator.set_state(tensors["generator"])
    step = int(tensors["step"])
    _log.info("resumed %s at step %d of %d", out, step, config.steps)
    return step
