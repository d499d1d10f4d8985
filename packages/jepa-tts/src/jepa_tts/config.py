"""The sizes of a model, strict about names and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from voice_data.mel import MelConfig

STRIDE = 4
"""Mel frames per latent frame: two convolutions of stride two, two transposed ones back."""
CROSS_EVERY = 2
"""Every second layer of the predictor attends to the text."""
LENGTH_SLACK = 6
"""Latent frames by which speech may outlast its plan before it is cut (J7)."""
LONGEST_BYTE = 60.0
"""Latent frames that one byte may last at speed one; with the number of bytes it bounds speech."""
SILENT_BYTE = 0.15
"""Bytes planned shorter than this many latent frames are taken as silent letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JepaConfig:
    """Everything that decides the shape of a :class:`jepa_tts.model.JepaTTS`.

    Widths must be divisible by ``heads``, and each head's share must be even (rotary positions).

    >>> JepaConfig().latent_rate
    23.4375
    """

    mel: MelConfig = field(default_factory=MelConfig)
    width: int = 256
    heads: int = 4
    feed_forward: int = 768
    text_layers: int = 4
    encoder_layers: int = 4
    predictor_layers: int = 6
    latent: int = 72
    decoder_channels: int = 256
    decoder_blocks: int = 3
    phonemes: str = ""
    speakers: tuple[str, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"JepaConfig.{name} must be a positive integer, not {value!r}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"JepaConfig.width ({self.width}) must be an even multiple of heads ({self.heads})"
            )
        if self.latent <= 2 * STRIDE:
            raise ValueError(
                f"JepaConfig.latent must exceed {2 * STRIDE} (the pitch dimensions), "
                f"not {self.latent}"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"JepaConfig.dropout must be in [0, 1), not {self.dropout!r}")
        if len(set(self.speakers)) != len(self.speakers):
            raise ValueError(f"JepaConfig.speakers holds a name twice: {list(self.speakers)}")

    @property
    def latent_rate(self) -> float:
        """Latent frames per second."""
        return self.mel.frame_rate / STRIDE

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a config file; :meth:`from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JepaConfig:
        """A configuration from plain values.

        Raises:
            ValueError: for an unknown key (the valid names are listed) or an impossible value.
        """
        _refuse_unknown(cls, values)
        values = dict(values)
        if isinstance(values.get("mel"), Mapping):
            _refuse_unknown(MelConfig, values["mel"])
            values["mel"] = MelConfig(**values["mel"])
        if "speakers" in values:
            if isinstance(values["speakers"], str):
                raise ValueError(
                    f"JepaConfig.speakers must be a list of names, not {values['speakers']!r}"
                )
            values["speakers"] = tuple(values["speakers"])
        return cls(**values)


def _refuse_unknown(cls: type[JepaConfig] | type[MelConfig], values: Mapping[str, Any]) -> None:
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} in {cls.__name__}; valid: {sorted(known)}")


_POSITIVE = (
    "width",
    "heads",
    "feed_forward",
    "text_layers",
    "encoder_layers",
    "predictor_layers",
    "latent",
    "decoder_channels",
    "decoder_blocks",
)

SIZES = {
    "tiny": JepaConfig(
        width=32,
        heads=2,
        feed_forward=64,
        text_layers=1,
        encoder_layers=1,
        predictor_layers=2,
        latent=24,
        decoder_channels=32,
        decoder_blocks=1,
    ),
    "small": JepaConfig(),
    "base": JepaConfig(feed_forward=1024, latent=96, decoder_channels=512, decoder_blocks=4),
}
"""``tiny`` for tests, ``small`` ships, ``base`` has the seed architecture's 24 M parameters."""
