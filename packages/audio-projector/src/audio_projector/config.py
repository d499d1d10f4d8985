"""What a projector is made of.

Letters: H width of the language model, D width of the speech model, L layers, W inner width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from voice_data.config import ConfigError, from_mapping

Kind = Literal["linear", "mlp", "resampler"]
Fusion = Literal["none", "gated"]
Source = Literal["hidden", "random"]
Activation = Literal["gelu", "silu", "relu"]

_POSITIVE = ("llm_width", "tts_width", "width", "feed_forward", "heads", "blocks")
_CHOICES = {"kind": Kind, "fusion": Fusion, "source": Source, "activation": Activation}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorConfig:
    """Both ends and what lies between them.

    ``layers`` of the language model are mixed by learned weights; one is taken as it is.
    ``linear`` is a linear layer, a LayerNorm and an activation; ``mlp`` has a second linear layer;
    ``resampler`` reads all positions of a piece with ``blocks`` of attention. ``spelling`` adds
    which byte each position is and where in its token it lies. ``gated`` mixes the result with the
    speech model's own text states by a learned gate. ``random`` replaces the states by noise: a
    control.

    >>> ProjectorConfig(llm_width=4096, tts_width=2048, kind="linear", spelling=False).kind
    'linear'

    Raises:
        ConfigError: naming the field, its value and what is allowed.
    """

    llm_width: int
    tts_width: int
    layers: tuple[int, ...] = (8, 16, 24)
    kind: Kind = "resampler"
    width: int = 256
    feed_forward: int = 512
    heads: int = 4
    blocks: int = 2
    fusion: Fusion = "none"
    spelling: bool = True
    source: Source = "hidden"
    activation: Activation = "gelu"

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in get_args(allowed):
                known = ", ".join(get_args(allowed))
                raise ConfigError(f"{name} must be one of {known}, not {getattr(self, name)!r}")
        if not self.layers or min(self.layers) < 0 or len(set(self.layers)) != len(self.layers):
            raise ConfigError(f"layers must be different numbers from 0, not {self.layers}")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"width ({self.width}) must be an even multiple of heads ({self.heads})"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file; :meth:`from_dict` reads them back."""
        return {**asdict(self), "layers": list(self.layers)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "") -> ProjectorConfig:
        """A configuration from plain values.

        Raises:
            ConfigError: for an unknown key or an impossible value.
        """
        return from_mapping(cls, values, where=where)
