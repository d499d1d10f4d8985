"""Which clips are trained on when: a plan that depends on the data and the seed alone.

It is the same for any number of processes and can be entered at any step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

_MOST_BUCKETS, _BATCHES_PER_BUCKET = 16, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of descent: its ``number`` from 0, its epoch, and the clips of each of its passes,
    or of the parts of passes that run at once.

    ``ends_epoch`` is true for the last of an epoch.
    """

    number: int
    epoch: int
    passes: tuple[tuple[int, ...], ...]
    ends_epoch: bool


class StepPlan:
    """Epochs of batches of clips of similar length, grouped into steps of ``group`` passes."""

    def __init__(
        self,
        places: Sequence[int],
        lengths: Sequence[int],
        weights: Sequence[float],
        *,
        batch: int,
        clips: int,
        group: int,
        seed: int,
        at_once: int = 0,
    ) -> None:
        """Plan for the clips at ``places`` of a set, of so many network steps each.

        A clip comes ``weights`` times in an epoch. ``batch`` bounds a pass with its padding and
        must not be less than a clip; a pass of more than ``at_once`` comes in parts.
        """
        self._places = np.asarray(places, dtype=np.int64)
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._weights = np.asarray(weights, dtype=np.float64)
        self.batch, self.clips, self.group, self.seed = batch, clips, group, seed
        self.at_once = at_once

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the plan."""
        settings = f"{self.batch} {self.clips} {self.group} {self.seed}".encode()
        settings += f" {self.at_once}".encode() if self.at_once else b""
        content = self._places.tobytes() + self._lengths.tobytes() + self._weights.tobytes()
        return hashlib.sha256(settings + content).hexdigest()

    def epoch(self, number: int) -> list[list[int]]:
        """What runs at once in an epoch, as places of clips."""
        return [part for each in self._passes(number) for part in self._parts(each)]

    def total(self, epochs: int) -> int:
        """Steps in so many epochs."""
        return sum(-(-len(self._passes(number)) // self.group) for number in range(epochs))

    def _passes(self, number: int) -> list[list[int]]:
        from voice_data.dataset import BatchConfig, BatchSampler

        chosen = self._chosen(number)
        lengths = self._lengths[chosen]
        expected = max(lengths.sum() / self.batch, len(chosen) / self.clips)
        buckets = min(_MOST_BUCKETS, max(1, int(expected) // _BATCHES_PER_BUCKET))
        config = BatchConfig(
            seconds=float(self.batch), max_clips=self.clips, buckets=buckets, seed=self.seed
        )
        sampler = BatchSampler([float(length) for length in lengths], config)
        sampler.epoch = number
        return [[int(chosen[index]) for index in batch] for batch in sampler]

    def steps(self, start: int, end: int) -> Iterator[Step]:
        """The steps from number ``start`` to before ``end``."""
        number, epoch = 0, 0
        while number < end:
            passes = self._passes(epoch)
            groups = [passes[i : i + self.group] for i in range(0, len(passes), self.group)]
            for position, group in enumerate(groups):
                if start <= number < end:
                    yield Step(
                        number=number,
                        epoch=epoch,
                        passes=tuple(tuple(p) for each in group for p in self._parts(each)),
                        ends_epoch=position == len(groups) - 1,
                    )
                number += 1
            epoch += 1

    def largest(self) -> int:
        """Network steps of the most that runs at once in the first epoch, with its padding."""
        lengths = dict(zip(self._places.tolist(), self._lengths.tolist(), strict=True))
        return max(len(part) * max(lengths[i] for i in part) for part in self.epoch(0))

    def _parts(self, some: list[int]) -> list[list[int]]:
        """A pass as places, in parts of at most ``at_once`` network steps or of one clip."""
        if not self.at_once:
            return [self._places[some].tolist()]
        parts: list[list[int]] = [[]]
        for index in sorted(some, key=lambda index: (self._lengths[index], index)):
            if parts[-1] and (len(parts[-1]) + 1) * self._lengths[index] > self.at_once:
                parts.append([])
            parts[-1].append(index)
        return [self._places[part].tolist() for part in parts]

    def _chosen(self, epoch: int) -> np.ndarray:
        """Every clip as often as its weight says; fractions are drawn anew in each epoch."""
        if (self._weights == 1.0).all():
            return np.arange(len(self._lengths))
        random = np.random.default_rng([self.seed, epoch, 1])
        chosen: list[int] = []
        for weight in np.unique(self._weights):
            members = np.flatnonzero(self._weights == weight)
            whole, part = int(weight), weight - int(weight)
            chosen += [index for index in members.tolist() for _ in range(whole)]
            count = round(part * len(members))
            chosen += random.permutation(members)[:count].tolist()
        return np.asarray(sorted(chosen or [0]))


def to_device(batch: Any, device: torch.device | str) -> Any:
    """A batch with all its tensors on ``device``, in containers and dataclasses too."""
    import torch

    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if is_dataclass(batch) and not isinstance(batch, type):
        names = [each.name for each in fields(batch) if each.init]
        return replace(batch, **{name: to_device(getattr(batch, name), device) for name in names})
    if isinstance(batch, Mapping):
        moved = {name: to_device(value, device) for name, value in batch.items()}
        return moved if type(batch) is dict else type(batch)(moved)  # pyright: ignore
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
