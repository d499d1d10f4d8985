"""What gradient descent reaches on a voice's own clips: the measure of what one pass gives up.

Every row of a batch has an adapter of its own, so one descent fits the adapters of several voices.
Letters: V voices, B rows of a batch, L layers of a group, R rank, I inputs, O outputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voice_data.schedule import Schedule, learning_rate
from voice_hypernet import trunk
from voice_hypernet.config import LoraShape
from voice_hypernet.functional import adapted
from voice_hypernet.hypernet import Factors
from voice_hypernet.voice import Origin, Voice

if TYPE_CHECKING:
    from voice_data.speech import Condition, Encoded, SpeechModel
    from voice_hypernet.targets import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How long and how fast; ``frames`` is the most network steps of the base in a batch."""

    steps: int = 150
    learning_rate: float = 2e-3
    frames: int = 900
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"Descent.{name} must be 1 or more, not {getattr(self, name)}")
        if not 0.0 < self.learning_rate < 1.0:
            raise ValueError(
                f"Descent.learning_rate must be between 0 and 1, not {self.learning_rate}"
            )


def fitted(
    model: SpeechModel,
    groups: Sequence[Group],
    lora: LoraShape,
    clips: Mapping[str, Sequence[Encoded]],
    origin: Origin,
    descent: Descent,
) -> dict[str, Voice]:
    """An ordinary LoRA for every voice of ``clips``, trained through the frozen base.

    What the base is told is its own condition of the clips. All voices start from equal numbers.

    Raises:
        ValueError: if there are no clips.
        TargetError: if the base lacks a layer of the groups.
    """
    if not clips or not all(clips.values()):
        raise ValueError("there is nothing to fit: give at least one clip of every voice")
    names = list(clips)
    model.network.requires_grad_(False)
    told = {name: model.condition(some) for name, some in clips.items()}
    made = _start(groups, lora.rank, len(names), descent.seed)
    optimizer = torch.optim.AdamW(
        [value for each in made.values() for value in each],
        lr=descent.learning_rate, weight_decay=0.0,
    )  # fmt: skip
    model.network.train()
    schedule = Schedule(learning_rate=descent.learning_rate, steps=descent.steps)
    for step in range(descent.steps):
        torch.manual_seed(hash((descent.seed, step)) % 2**31)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        rows = _rows(model, clips, descent, step)
        batch = model.collate([each for _, each in rows], [told[names[v]] for v, _ in rows])
        voices = torch.tensor([voice for voice, _ in rows])
        some = {kind: Factors(each.a[voices], each.b[voices]) for kind, each in made.items()}
        with adapted(model.network, groups, some, lora.scale):
            loss = model.loss(batch).total
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    model.network.eval()
    return {
        name: _voice(made, place, groups, told[name], lora, origin)
        for place, name in enumerate(names)
    }


@contextmanager
def fine_tuned(
    model: SpeechModel, clips: Sequence[Encoded], descent: Descent
) -> Iterator[tuple[Condition, float]]:
    """While it lasts, all of the base's weights are tuned to one voice.

    Yields what to tell it and the seconds that it took. Afterwards every weight is what it was.
    """
    network, told = model.network, model.condition(clips)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    begun = time.perf_counter()
    try:
        network.requires_grad_(True).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=descent.learning_rate)
        for step in range(descent.steps):
            torch.manual_seed(hash((descent.seed, step)) % 2**31)
            rows = _rows(model, {"": clips}, descent, step)
            loss = model.loss(model.collate([each for _, each in rows], [told] * len(rows))).total
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        yield told, time.perf_counter() - begun
    finally:
        network.load_state_dict(kept)
        for parameter, value in zip(network.parameters(), wanted, strict=True):
            parameter.grad = None
            parameter.requires_grad_(value)
        network.eval()


def _start(groups: Sequence[Group], rank: int, voices: int, seed: int) -> dict[str, Factors]:
    """As every LoRA starts: A drawn, the same for all voices, and B zero."""
    drawn = torch.Generator().manual_seed(seed)
    made = {}
    for group in groups:
        bound = 1.0 / math.sqrt(group.inputs)
        a = torch.rand(len(group.names), rank, group.inputs, generator=drawn)
        a = ((2 * a - 1) * bound).expand(voices, -1, -1, -1).clone()
        b = torch.zeros(voices, len(group.names), group.outputs, rank)
        made[group.kind] = Factors(a.requires_grad_(), b.requires_grad_())
    return made


def _rows(
    model: SpeechModel, clips: Mapping[str, Sequence[Encoded]], descent: Descent, step: int
) -> list[tuple[int, Encoded]]:
    """Clips for one step and whose they are: the voices in turn, as many as fit."""
    drawn = np.random.default_rng([descent.seed, step])
    rows: list[tuple[int, Encoded]] = []
    longest, pools = 0, [list(each) for each in clips.values()]
    for round_ in range(1 + 16 // len(pools)):
        for voice in drawn.permutation(len(pools)):
            if round_ >= len(pools[voice]):
                continue
            each = pools[voice][int(drawn.integers(len(pools[voice])))]
            longest = max(longest, model.length(each))
            if rows and longest * (len(rows) + 1) > descent.frames:
                return rows
            rows.append((int(voice), each))
    return rows


def _voice(
    made: Mapping[str, Factors],
    place: int,
    groups: Sequence[Group],
    told: Condition,
    lora: LoraShape,
    origin: Origin,
) -> Voice:
    def array(value: Tensor) -> np.ndarray:
        return value.detach()[place].numpy().copy()

    return Voice(
        groups=tuple(groups),
        adapters={kind: trunk.Factors(array(f.a), array(f.b)) for kind, f in made.items()},
        condition={name: value.cpu().numpy() for name, value in told.items()},
        alpha=lora.alpha,
        origin=origin,
    )
