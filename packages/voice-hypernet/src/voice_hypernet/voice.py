"""A generated voice: low-rank changes of a base model's layers, and what the base is told.

Letters: L layers of a group, R rank, I inputs, O outputs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_hypernet.targets import Group, TargetError
from voice_hypernet.trunk import Factors

if TYPE_CHECKING:
    from torch import nn

    from voice_data.speech import Condition, SpeechModel

LARGEST_RANK = 1_024


class VoiceError(ValueError):
    """A voice that cannot be made, saved or used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a voice was made with and for: the base that it fits, and on what terms."""

    base: str
    base_sha256: str
    sample_rate: int
    licence: str = "unknown"
    consent: str = ""
    data_sha256: str = ""
    hypernet_sha256: str = ""
    clip_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voice:
    """One voice. ``adapters`` hold ``a`` [L, R, I] and ``b`` [L, O, R] by kind of layer.

    A layer's weight changes by ``alpha / rank * b @ a``. ``condition`` is the base's own voice
    input (:data:`voice_data.speech.Condition`) without a batch. ``understood`` are the attributes
    that the description names, ``warnings`` what was odd about description or clip.
    """

    groups: tuple[Group, ...]
    adapters: Mapping[str, Factors]
    condition: Mapping[str, np.ndarray]
    alpha: float
    origin: Origin
    description: str = ""
    strength: float = 1.0
    understood: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """R."""
        return next(iter(self.adapters.values())).a.shape[1]

    @property
    def scale(self) -> float:
        """The factor of ``b @ a``."""
        return self.alpha / self.rank

    def deltas(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name of a layer and the change of its weight, as the layer stores it ([O, I] mostly)."""
        for group in self.groups:
            factors = self.adapters[group.kind]
            for name, a, b in zip(group.names, factors.a, factors.b, strict=True):
                change = np.float32(self.scale) * (b @ a)
                yield name, change.T if group.transposed else change

    def resized(self, rank: int | None = None, alpha: float | None = None) -> Voice:
        """The same voice at another rank: the nearest one below, padded with zeros above.

        Without ``alpha`` the change keeps its size; with one, ``alpha / rank`` scales it.

        Raises:
            VoiceError: if rank or alpha is not positive, or the rank is above 1,024.
        """
        size = self.rank if rank is None else rank
        if not 1 <= size <= LARGEST_RANK:
            raise VoiceError(f"the rank must be from 1 to {LARGEST_RANK}, not {rank}")
        if alpha is not None and not (math.isfinite(alpha) and alpha > 0):
            raise VoiceError(f"alpha must be a positive number, not {alpha}")
        kept = self.scale * size
        found = {kind: _resized(factors, size) for kind, factors in self.adapters.items()}
        told = self.warnings
        if size > self.rank:
            told = (*told, f"rank {size} is above the {self.rank} that was made: the rest is zeros")
        return replace(self, adapters=found, alpha=kept if alpha is None else alpha, warnings=told)

    def require(self, model: SpeechModel) -> None:
        """Check that the voice fits a loaded base.

        Raises:
            VoiceError: naming what differs.
        """
        made = self.origin
        if made.base_sha256 != model.weights_sha256:
            raise VoiceError(
                f"the voice was made for {made.base!r} with weights {made.base_sha256[:12]}… and "
                f"this model's are {model.weights_sha256[:12]}…: load that base, or make the voice "
                "with a hypernetwork of this one"
            )
        if made.sample_rate != model.sample_rate:
            raise VoiceError(
                f"the voice speaks {made.sample_rate} Hz and the model {model.sample_rate} Hz"
            )

    @contextmanager
    def worn(self, model: SpeechModel) -> Iterator[Condition]:
        """While it lasts, ``model`` has the voice in its weights; yields what to tell it.

        >>> with voice.worn(model) as told:                   # doctest: +SKIP
        ...     model.speak("Good morning.", voice=told)

        Afterwards every weight is what it was, bit for bit.

        Raises:
            VoiceError: if the voice was made for another base.
            TargetError: if the network lacks a layer.
        """
        self.require(model)
        kept: list[tuple[Any, Any]] = []
        try:
            for name, change in self.deltas():
                weight = _weight(model.network, name, change.shape)
                kept.append((weight, weight.clone()))
                _add(weight, change)
            yield self.told()
        finally:
            for weight, before in kept:
                weight.copy_(before)

    def merge(self, network: nn.Module) -> None:
        """Add the voice to a network's weights for good.

        Raises:
            TargetError: if the network lacks a layer, before anything is changed.
        """
        changes = [(_weight(network, name, change.shape), change) for name, change in self.deltas()]
        for weight, change in changes:
            _add(weight, change)

    def told(self) -> Condition:
        """The condition as the port wants it, in tensors."""
        import torch

        return {name: torch.from_numpy(value.copy()) for name, value in self.condition.items()}

    def save(self, folder: str | os.PathLike[str], *, half: bool = False) -> str:
        """Write a PEFT folder, whole or not at all; returns the SHA-256 of its weights.

        Raises:
            VoiceError: if a number is not finite; nothing is written.
            OSError: if the disk is full or the folder cannot be written.
        """
        from voice_hypernet.adapter import write_voice

        return write_voice(folder, self, half=half)

    @staticmethod
    def load(folder: str | os.PathLike[str]) -> Voice:
        """Read what :meth:`save` wrote, after checking every byte of it.

        Raises:
            VoiceError: if a file is missing, damaged, changed or not a voice.
        """
        from voice_hypernet.adapter import read_voice

        return read_voice(folder)


def _resized(factors: Factors, rank: int) -> Factors:
    """The product's nearest of a lower rank (Eckart and Young, 1936), or the same with zeros."""
    a, b = factors
    have = a.shape[1]
    if rank == have:
        return factors
    if rank > have:
        more = (0, rank - have)
        return Factors(np.pad(a, ((0, 0), more, (0, 0))), np.pad(b, ((0, 0), (0, 0), more)))
    left, inner = np.linalg.qr(b.astype(np.float64))
    right, outer = np.linalg.qr(a.astype(np.float64).swapaxes(1, 2))
    u, values, v = np.linalg.svd(inner @ outer.swapaxes(1, 2), full_matrices=False)
    root = np.sqrt(values[:, :rank])
    u, v = u[..., :rank], v[:, :rank]
    made_a = root[..., None] * (v @ right.swapaxes(1, 2))
    made_b = (left @ u) * root[:, None]
    made = Factors(made_a.astype(np.float32), made_b.astype(np.float32))
    return _resized(made, rank)  # a narrow layer has no more ranks than inputs or outputs


def _weight(network: nn.Module, name: str, shape: tuple[int, ...]) -> Any:
    try:
        weight = network.get_submodule(name).weight.data
    except AttributeError as error:
        raise TargetError(
            f"the network has no layer {name!r}: the voice was made for another base model"
        ) from error
    if tuple(weight.shape) != shape:
        raise TargetError(
            f"the layer {name!r} is {list(weight.shape)} and the voice changes {list(shape)}: "
            "it was made for another base model"
        )
    return weight


def _add(weight: Any, change: np.ndarray) -> None:
    import torch

    weight.add_(torch.from_numpy(np.ascontiguousarray(change)).to(weight))
