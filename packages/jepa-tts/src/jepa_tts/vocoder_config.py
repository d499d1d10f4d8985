"""The shape of a vocoder, strict about names and values. Torch is not needed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

HEADS = ("istft", "source-filter")
PITCH_CENTRE, PITCH_SPREAD = 5.1, 0.35
"""Of the logarithm of F0 in Hz, as the source-filter head gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VocoderConfig:
    """The shape of a vocoder; ``istft`` is the head of the Vocos paper, ``source-filter`` ours.

    Ours has two settings that need no training. ``phase`` is the share of the minimum phase that
    its pulses get: less of it spreads them less. ``contrast`` moves the envelopes of each frame
    away from the mean of this frame and its two neighbours, by so much of the difference.
    """

    head: Literal["istft", "source-filter"] = "source-filter"
    sample_rate: int = 24_000
    n_mels: int = 100
    width: int = 256
    inner: int = 768
    layers: int = 6
    n_fft: int = 1024
    hop_length: int = 256
    padding: Literal["center", "same"] = "center"
    phase: float = 1.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_mels", "width", "inner", "layers", "n_fft", "hop_length"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"VocoderConfig.{name} must be a positive integer, not {value!r}")
        if self.n_fft % 2 or self.hop_length > self.n_fft:
            raise ValueError(
                f"VocoderConfig.n_fft ({self.n_fft}) must be even and not below "
                f"hop_length ({self.hop_length})"
            )
        if self.head not in HEADS:
            raise ValueError(f"VocoderConfig.head must be one of {list(HEADS)}, not {self.head!r}")
        for name in ("phase", "contrast"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(
                    f"VocoderConfig.{name} must be in [0, 1], not {getattr(self, name)!r}"
                )
        if self.padding not in ("center", "same"):
            raise ValueError(f"VocoderConfig.padding must be center or same, not {self.padding!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a config file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VocoderConfig:
        """A configuration from plain values.

        Raises:
            ValueError: for an unknown key (the valid names are listed) or an impossible value.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r} in VocoderConfig; valid: {sorted(known)}")
        return cls(**values)
