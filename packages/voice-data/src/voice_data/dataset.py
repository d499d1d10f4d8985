"""Batches of clips of similar length, in an order that can be repeated and resumed.

Letters: B batch, S samples, T frames, N clips.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.manifest import Utterance, read_manifest

if TYPE_CHECKING:
    import torch

    from voice_data.audio import Audio


class DatasetError(ValueError):
    """Clips that cannot be batched as asked; the message names the clip or the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """``seconds`` is a batch's budget, padding included: its longest clip times its clips.

    Clips are dealt into ``buckets`` of similar length; ``max_clips`` bounds B whatever the budget.
    """

    seconds: float = 60.0
    max_clips: int = 64
    buckets: int = 16
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise DatasetError(f"BatchConfig.seconds must be positive, not {self.seconds!r}")
        for name in ("max_clips", "buckets"):
            if getattr(self, name) < 1:
                raise DatasetError(
                    f"BatchConfig.{name} must be 1 or more, not {getattr(self, name)!r}"
                )
        if self.seed < 0:
            raise DatasetError(f"BatchConfig.seed must be 0 or more, not {self.seed!r}")


class BatchSampler:
    """Lists of clip indices for ``torch.utils.data.DataLoader(batch_sampler=...)``.

    Each pass over it is one epoch, in which every clip comes once, and goes on where the last one
    stopped. The order depends on the durations, the settings and the epoch alone.

    >>> sampler = BatchSampler([1.0, 1.0, 9.0], BatchConfig(seconds=9.0, shuffle=False))
    >>> list(sampler)
    [[0, 1], [2]]
    """

    def __init__(self, durations: Sequence[float], config: BatchConfig | None = None) -> None:
        """Plan batches for clips of ``durations`` [N], in seconds.

        Raises:
            DatasetError: if there are no clips, or one has no length or exceeds the budget.
        """
        self.config = config or BatchConfig()
        self._durations = np.asarray(durations, dtype=np.float64)
        self._check()
        self.epoch = 0
        """Epochs that are complete."""
        self.position = 0
        """Batches of the current epoch that were handed out."""
        self._planned: tuple[int, list[list[int]]] | None = None

    def __iter__(self) -> Iterator[list[int]]:
        plan = self._plan()
        while self.position < len(plan):
            self.position += 1
            yield plan[self.position - 1]
        self.epoch, self.position = self.epoch + 1, 0

    def __len__(self) -> int:
        """Batches in the whole of the current epoch; the next one may have a few more or less."""
        return len(self._plan())

    def state_dict(self, position: int | None = None) -> dict[str, Any]:
        """Plain values from which :meth:`load_state_dict` goes on.

        A DataLoader with workers takes batches ahead of the training step: pass the number of
        batches of this epoch that were trained on as ``position``, or those in flight are lost.
        """
        return {
            "epoch": self.epoch,
            "position": self.position if position is None else position,
            "fingerprint": self._fingerprint(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the sampler that gave ``state`` stood.

        Raises:
            DatasetError: if that one had other clips or other settings, or the state is damaged.
        """
        if set(state) != {"epoch", "position", "fingerprint"}:
            raise DatasetError(
                f"a sampler's state has epoch, position and fingerprint, not {sorted(state)}"
            )
        if state["fingerprint"] != self._fingerprint():
            raise DatasetError(
                "the sampler's state is of other clips or other batch settings: resume with the "
                "manifest and the settings that the run began with, or start a new run"
            )
        if min(state["epoch"], state["position"]) < 0:
            raise DatasetError(f"a sampler's epoch and position are 0 or more, not {dict(state)}")
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _check(self) -> None:
        if self._durations.ndim != 1 or len(self._durations) == 0:
            raise DatasetError("there are no clips to batch: the durations must have shape [N]")
        wrong = np.flatnonzero(~(np.isfinite(self._durations) & (self._durations > 0)))
        if len(wrong):
            raise DatasetError(
                f"clip {wrong[0]} has a duration of {self._durations[wrong[0]]} s: measure the "
                "clips with `voice-data prepare` first"
            )
        longest = int(self._durations.argmax())
        if self._durations[longest] > self.config.seconds:
            raise DatasetError(
                f"clip {longest} lasts {self._durations[longest]:.2f} s and a batch "
                f"{self.config.seconds:.2f} s: raise BatchConfig.seconds or segment the clip"
            )

    def _fingerprint(self) -> str:
        settings = json.dumps(asdict(self.config), sort_keys=True).encode()
        return hashlib.sha256(settings + self._durations.tobytes()).hexdigest()

    def _plan(self) -> list[list[int]]:
        if self._planned is None or self._planned[0] != self.epoch:
            self._planned = (self.epoch, self._make_plan())
        return self._planned[1]

    def _make_plan(self) -> list[list[int]]:
        order = np.argsort(self._durations, kind="stable")
        if not self.config.shuffle:
            return list(self._pack(order))
        random = np.random.default_rng([self.config.seed, self.epoch])
        batches: list[list[int]] = []
        for bucket in np.array_split(order, min(self.config.buckets, len(order))):
            batches.extend(self._pack(random.permutation(bucket)))
        return [batches[index] for index in random.permutation(len(batches))]

    def _pack(self, order: np.ndarray) -> Iterator[list[int]]:
        batch: list[int] = []
        longest = 0.0
        for index in order.tolist():
            length = max(longest, float(self._durations[index]))
            full = length * (len(batch) + 1) > self.config.seconds
            if batch and (full or len(batch) == self.config.max_clips):
                yield batch
                batch, length = [], float(self._durations[index])
            batch.append(index)
            longest = length
        if batch:
            yield batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One clip, read: what is said and the sound."""

    utterance: Utterance
    audio: Audio


class ClipDataset:
    """The clips of a manifest as a map-style torch data set of :class:`Example`."""

    def __init__(
        self, manifest: str | os.PathLike[str], *, sample_rate: int, split: str | None = None
    ) -> None:
        """Read the manifest; the sound is read clip by clip. ``split`` keeps only the clips of one.

        Raises:
            ManifestError: if the manifest is broken.
            DatasetError: if it has no clip of that split, or a clip's duration is not recorded.
        """
        self.folder, self.sample_rate = Path(manifest).parent, sample_rate
        every = read_manifest(manifest)
        self.utterances = [each for each in every if split is None or each.split == split]
        if not self.utterances:
            splits = ", ".join(sorted({repr(each.split) for each in every})) or "no clips at all"
            raise DatasetError(f"{manifest} has no clips of split {split!r}; it has {splits}")
        for each in self.utterances:
            if each.duration is None:
                raise DatasetError(
                    f"{manifest}: clip {each.id!r} has no duration: run `voice-data prepare` first"
                )

    @property
    def durations(self) -> list[float]:
        """Seconds of each clip, for :class:`BatchSampler`."""
        return [each.duration or 0.0 for each in self.utterances]

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> Example:
        """Read one clip.

        Raises:
            AudioError: if the file is missing or damaged.
            DatasetError: if its rate is not the data set's; nothing is resampled in silence.
        """
        from voice_data.audio import read

        utterance = self.utterances[index]
        audio = read(utterance.path_in(self.folder))
        if audio.rate != self.sample_rate:
            raise DatasetError(
                f"clip {utterance.id!r} has {audio.rate} Hz and {self.sample_rate} Hz are wanted: "
                f"run `voice-data prepare --set rate={self.sample_rate}`"
            )
        return Example(utterance=utterance, audio=audio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Padded:
    """Rows side by side: ``values`` [B, T, ...], ``lengths`` [B] int64, ``mask`` [B, T] bool.

    ``mask`` is true where a value is real.
    """

    values: torch.Tensor
    lengths: torch.Tensor
    mask: torch.Tensor


def pad(rows: Sequence[torch.Tensor], value: float = 0.0) -> Padded:
    """Stack B tensors of shape [T_i, ...] that differ only in their first size.

    Raises:
        DatasetError: if there are none, or they differ in another size or in type.
    """
    import torch

    if not rows:
        raise DatasetError("there is nothing to pad: a batch needs at least one row")
    for index, row in enumerate(rows):
        if row.dim() < 1 or row.shape[1:] != rows[0].shape[1:] or row.dtype != rows[0].dtype:
            raise DatasetError(
                f"row {index} is {list(row.shape)} {row.dtype} and row 0 is "
                f"{list(rows[0].shape)} {rows[0].dtype}: only the first size may differ"
            )
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    values = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
    mask = torch.arange(values.shape[1]) < lengths[:, None]
    return Padded(values=values, lengths=lengths, mask=mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """B clips: ``samples.values`` is [B, S] float32 at ``sample_rate`` Hz, padded with silence."""

    utterances: tuple[Utterance, ...]
    samples: Padded
    sample_rate: int


def collate(examples: Sequence[Example]) -> Batch:
    """Make one batch of clips of any lengths.

    Raises:
        DatasetError: if there are none or their rates differ.
    """
    import torch

    rates = sorted({example.audio.rate for example in examples})
    if len(rates) != 1:
        raise DatasetError(f"a batch needs clips of one rate, not {rates or 'no clips'}")
    return Batch(
        utterances=tuple(example.utterance for example in examples),
        samples=pad([torch.from_numpy(example.audio.samples) for example in examples]),
        sample_rate=rates[0],
    )
