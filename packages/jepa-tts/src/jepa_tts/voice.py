"""A voice as a file of its own, bound to the weights that heard it. Torch is not needed here.

Letters: D width, Z latent dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jepa_tts.config import STRIDE
from voice_data.storage import replacing

FORMAT = "jepa-tts-voice-1"
_KEYS = ("format", "name", "base_sha256", "licence", "consent")


class VoiceError(ValueError):
    """A voice that cannot be used; the message says why and what to do."""


class Timbre(NamedTuple):
    """How a voice sounds: ``vector`` [D], and maps of latents ``colour`` [2, Z + 1, Z], if any."""

    vector: np.ndarray
    colour: np.ndarray | None = None


def is_voiced(latents: np.ndarray) -> np.ndarray:
    """Which of the latents [T, Z] are voiced for the most part: [T] of bool. The first dimensions
    are the F0 and the voicing of each mel frame.
    """
    return latents[:, 1 : 2 * STRIDE : 2].mean(1) > 0


def coloured(latents: np.ndarray, colour: np.ndarray | None) -> np.ndarray:
    """Latents [T, Z], mapped: the first map is for unvoiced frames, its last row is added."""
    if colour is None:
        return latents
    unvoiced, voiced = (latents @ turn[:-1] + turn[-1] for turn in colour)
    return np.where(is_voiced(latents)[:, None], voiced, unvoiced)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voice:
    """A voice of one model: ``vector`` [D] float32, and the hash of the weights it belongs to; of a
    clip also its ``colour`` [2, Z + 1, Z] (:mod:`jepa_tts.colour`).

    >>> voice = Voice(name="mine", vector=np.zeros(4, np.float32), base_sha256="00" * 32)
    >>> voice.licence
    ''
    """

    name: str
    vector: np.ndarray
    base_sha256: str
    licence: str = ""
    consent: str = ""
    colour: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or self.vector.dtype != np.float32:
            raise VoiceError(f"vector must be float32 of shape [D], not {self.vector.dtype} of "
                             f"shape {self.vector.shape}")  # fmt: skip
        colour = np.zeros((2, 1, 0), np.float32) if self.colour is None else self.colour
        size = colour.shape[-1]
        if colour.dtype != np.float32 or colour.shape != (2, size + 1, size):
            raise VoiceError(f"colour must be float32 of shape [2, Z + 1, Z], not {colour.dtype} "
                             f"of shape {colour.shape}")  # fmt: skip
        if not (np.isfinite(self.vector).all() and np.isfinite(colour).all()):
            raise VoiceError(f"the voice {self.name!r} holds NaN or infinity: export it again")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, whole or not at all.

        Raises:
            OSError: if the disk is full or the folder cannot be written.
        """
        from safetensors.numpy import save

        described = {key: getattr(self, key) for key in _KEYS[1:]} | {"format": FORMAT}
        tensors = {"vector": self.vector}
        if self.colour is not None:
            tensors["colour"] = self.colour
        with replacing(path) as temporary:
            temporary.write_bytes(save(tensors, described))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Voice:
        """The voice in a file that :meth:`save` wrote.

        Raises:
            VoiceError: if there is no such file, or it is damaged or not a voice.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise VoiceError(f"{path} is not a file: make it with `jepa-tts export-voice`")
        try:
            with safe_open(path, framework="np") as file:
                described = dict(file.metadata() or {})
                vector = file.get_tensor("vector")
                names = set(file.keys())
                colour = file.get_tensor("colour") if "colour" in names else None
        except (SafetensorError, OSError) as error:
            raise VoiceError(f"{path} is not a voice file ({error}): export it again") from error
        if described.get("format") != FORMAT:
            raise VoiceError(
                f"{path} is not a voice of jepa-tts: format {described.get('format')!r}"
            )
        unknown = sorted(set(described) - set(_KEYS))
        if unknown:
            raise VoiceError(f"{path}: unknown key {unknown[0]!r}; valid: {', '.join(_KEYS)}")
        described.pop("format")
        try:
            return cls(vector=vector, colour=colour, **described)
        except TypeError as error:
            raise VoiceError(f"{path} lacks a field ({error}): export it again") from error

    def require(self, base_sha256: str, width: int, latent: int | None = None) -> None:
        """Refuse to speak with another model than the one that heard the voice.

        Raises:
            VoiceError: naming both models by their weights' hash, or if the colour is not for
                ``latent`` dimensions.
        """
        if self.base_sha256 != base_sha256 or len(self.vector) != width:
            raise VoiceError(
                f"the voice {self.name!r} belongs to the model with weights "
                f"{self.base_sha256[:16]} and this one has {base_sha256[:16]}: export it again "
                "with this model"
            )
        if self.colour is not None and latent not in (None, self.colour.shape[2]):
            raise VoiceError(
                f"the colour of the voice {self.name!r} is for {self.colour.shape[2]} latent "
                f"dimensions and this model has {latent}: export it again"
            )


def chosen(
    voice: str | Voice | None,
    names: Sequence[str],
    table: Callable[[int], np.ndarray],
    weights_sha256: str,
    sizes: tuple[int, int],
    files: Mapping[str, Path] = MappingProxyType({}),
) -> Timbre:
    """How a voice sounds: a name of the ``table`` or of ``files``, a file, an object; ``sizes`` are
    the model's D and Z.

    Raises:
        VoiceError: if the voice is unknown or of another model.
    """
    if isinstance(voice, str) and voice.endswith(".safetensors"):
        voice = Voice.load(voice)
    elif isinstance(voice, str) and voice in files:
        voice = Voice.load(files[voice])
    if isinstance(voice, Voice):
        voice.require(weights_sha256, *sizes)
        return Timbre(voice.vector, voice.colour)
    if not names:
        raise VoiceError("this model has no named voices: give a prompt or a voice file")
    if voice is not None and voice not in names:
        known = ", ".join((*names, *files))
        raise VoiceError(f"unknown voice {voice!r}; this model knows: {known}")
    return Timbre(table(names.index(voice or names[0])))
