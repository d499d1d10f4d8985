"""One step of descent: the gradient of a group of passes, counted once per position, and its use.

A pass's loss is a mean; passes of different size are weighted by the positions behind it, so that
a step does not depend on how its clips are divided among passes and processes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tts_lora.batches import Step, to_device
from voice_data.schedule import Schedule, learning_rate

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import Tensor, nn
    from torch.amp.grad_scaler import GradScaler

    from tts_lora.adapter import Attached
    from tts_lora.config import TrainConfig
    from voice_data.encoded import EncodedSet
    from voice_data.speech import Condition, SpeechModel

_SEED_LIMIT = 2**32


class NotFiniteError(FloatingPointError, RuntimeError):
    """A loss or gradient that is NaN or infinite; ``clips`` are those of the pass at fault.

    As a RuntimeError it is one line on a command line: nothing is wrong with the program.
    """

    def __init__(self, message: str, *, step: int, clips: Sequence[str]) -> None:
        self.step, self.clips = step, tuple(clips)
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """All that takes part in a step."""

    model: SpeechModel
    data: EncodedSet
    config: TrainConfig
    attached: Attached
    accelerator: Accelerator
    device: torch.device
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    conditions: Mapping[str, Condition]
    steps: int
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The mean loss of a step over its positions, the gradient's norm, and the rate that it had."""

    loss: float
    norm: float
    rate: float


def schedule(config: TrainConfig, steps: int) -> Schedule:
    """The learning rate over ``steps``; ``config.warm_up`` is a share of them."""
    return Schedule(
        learning_rate=config.learning_rate,
        steps=steps,
        warm_up=round(config.warm_up * steps),
        final_rate=config.final_rate,
    )


def make_optimizer(
    parameters: Mapping[str, nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    """AdamW; with LoRA+ (Hayou et al., 2024) the B matrices learn ``loraplus_ratio`` times faster.

    Biases and magnitudes are not decayed. Each group says by ``ratio`` what its rate is multiplied
    by.
    """
    import torch

    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        ratio = config.loraplus_ratio if "lora_B" in name or "lora_embedding_B" in name else 1.0
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((ratio, decay), []).append(parameter)
    described = [
        {
            "params": members,
            "lr": config.learning_rate * ratio,
            "weight_decay": decay,
            "ratio": ratio,
        }
        for (ratio, decay), members in groups.items()
    ]
    return torch.optim.AdamW(described)


def descend(run: Descent, step: Step) -> Outcome:
    """Take one step.

    Raises:
        NotFiniteError: if the loss or the gradient is not finite; no weight was changed.
    """
    rate = learning_rate(schedule(run.config, run.steps), step.number)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * group["ratio"]
    run.optimizer.zero_grad(set_to_none=True)
    found = _gradients(run, step)
    loss = _mean_loss(run, step, found)
    run.scaler.unscale_(run.optimizer)
    norm = _scaled_and_clipped(run, float(found[1].sum()))
    if not math.isfinite(norm) and not run.scaler.is_enabled():
        clips = [run.data.clips[i].id for each in step.passes for i in each]
        raise _not_finite("gradient's norm", norm, step, clips)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    if run.attached.schedule is not None:
        run.attached.schedule.update(step.number + 1)
    return Outcome(loss=loss, norm=norm, rate=rate)


def validate(run: Descent, passes: Sequence[Sequence[int]]) -> float:
    """The mean loss over all positions of held-out clips, without dropout."""
    import torch

    sums = torch.zeros(2, dtype=torch.float64)
    with evaluating(run.model.network), torch.no_grad():
        for index, clips in _mine(run, passes):
            seed_all(run.config.seed, -1, index)
            with autocast(run.config, run.device):
                loss = run.model.loss(_batch(run, clips))
            weight = _positions(run, loss, clips)
            sums += torch.tensor([float(loss.total) * weight, weight], dtype=torch.float64)
    total, weight = _summed(run, sums.to(run.device, torch.float32)).tolist()
    return total / weight


def seed_all(seed: int, step: int, index: int) -> None:
    """Seed torch, NumPy and Python for one pass.

    So nothing but its place in the run decides a pass's dropout and noise: not what was drawn
    before it, not the number of processes, and not whether the run was interrupted.
    """
    import numpy as np
    import torch

    drawn = np.random.SeedSequence([seed, step + 1, index]).generate_state(1, np.uint32)[0]
    torch.manual_seed(int(drawn))
    np.random.seed(int(drawn) % _SEED_LIMIT)
    random.seed(int(drawn))


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Give the caller's random generators back as they were."""
    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if devices:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; every module's own mode is put back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def autocast(config: TrainConfig, device: torch.device) -> Any:
    """Half precision where it is asked for."""
    import torch

    kind = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}[config.amp]
    return torch.autocast(device.type, kind, enabled=kind is not None)


def _gradients(run: Descent, step: Step) -> Tensor:
    """Sum the weighted gradients of all passes of all processes into ``grad``.

    Returns losses and weights [2, passes].
    """
    import torch

    found = torch.zeros(2, len(step.passes), device=run.device)
    for index, clips in _mine(run, step.passes):
        seed_all(run.config.seed, step.number, index)
        with autocast(run.config, run.device):
            loss = run.model.loss(_batch(run, clips))
            total = loss.total.float()
            if run.attached.schedule is not None:
                total = total + run.attached.schedule.penalty()
        weight = _positions(run, loss, clips)
        found[:, index] = torch.stack([total.detach(), total.new_tensor(weight)])
        # divided by the budget only to keep half-precision gradients in range
        run.scaler.scale(total * (weight / run.config.batch)).backward()
    if run.accelerator.num_processes == 1:
        return found
    parameters = list(run.parameters.values())
    parts = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([*(part.float().flatten() for part in parts), found.flatten()])
    flat = _summed(run, flat)
    sizes = [part.numel() for part in parts]
    *grads, found = flat.split([*sizes, 2 * len(step.passes)])
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad.view_as(parameter).to(parameter.dtype)
    return found.view(2, -1)


def _mean_loss(run: Descent, step: Step, found: Tensor) -> float:
    losses, weights = found.tolist()
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            clips = [run.data.clips[i].id for i in step.passes[index]]
            raise _not_finite("loss", loss, step, clips)
    pairs = zip(losses, weights, strict=True)
    return sum(loss * weight for loss, weight in pairs) / sum(weights)


def _not_finite(what: str, value: float, step: Step, clips: Sequence[str]) -> NotFiniteError:
    listed = ", ".join(clips[:8]) + (", ..." if len(clips) > 8 else "")
    message = f"the {what} is {value} at step {step.number + 1}, in the batch of {listed}"
    return NotFiniteError(message, step=step.number + 1, clips=clips)


def _scaled_and_clipped(run: Descent, weight: float) -> float:
    """Make the sum of the gradients their mean, and clip it; returns the norm before."""
    import torch

    parameters = list(run.parameters.values())
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(run.config.batch / weight)
    return float(torch.nn.utils.clip_grad_norm_(parameters, run.config.clip))


def _mine(run: Descent, passes: Sequence[Sequence[int]]) -> Iterator[tuple[int, Sequence[int]]]:
    """The passes of this process, with their places in the step."""
    first, every = run.accelerator.process_index, run.accelerator.num_processes
    return ((index, passes[index]) for index in range(first, len(passes), every))


def _batch(run: Descent, clips: Sequence[int]) -> Any:
    encoded = [run.data[index] for index in clips]
    voices = [run.conditions[run.data.clips[index].speaker] for index in clips if run.conditions]
    return to_device(run.model.collate(encoded, voices or None), run.device)


def _positions(run: Descent, loss: Any, clips: Sequence[int]) -> float:
    """How many positions a loss is the mean of; a family that does not say counts its steps."""
    positions = getattr(loss, "positions", 0)
    return float(positions or sum(run.data.clips[index].length for index in clips))


def _summed(run: Descent, values: Tensor) -> Tensor:
    if run.accelerator.num_processes == 1:
        return values
    return run.accelerator.reduce(values, reduction="sum")  # pyright: ignore
