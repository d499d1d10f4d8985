"""The settings of a run of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from audio_projector.config import Activation, Fusion, Kind, Source
from voice_data.config import ConfigError

_POSITIVE = ("batch", "learning_rate", "save_every", "log_every", "keep", "clip")
_CHOICES = {"kind": Kind, "fusion": Fusion, "source": Source, "activation": Activation}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides a run, but the device.

    ``states`` is a folder of `audio-projector cache`; ``clips`` an encoded set of `voice-data
    encode` whose texts are in it, for the last ``clip_steps`` of ``steps``, which learn from sound;
    the others learn from the speech model's own text states. ``start`` is a projector whose weights
    are taken where they fit. ``batch`` counts positions (or
    frames). ``layers``, ``kind`` and what follows describe the projector; see
    :class:`audio_projector.config.ProjectorConfig`.

    Raises:
        ConfigError: naming the field, its value and what is allowed.
    """

    states: str
    out: str
    target: str = "jepa-tts"
    clips: str = ""
    start: str = ""
    steps: int = 4000
    clip_steps: int = 0
    batch: int = 1600
    clip_batch: int = 600
    distance_weight: float = 0.3
    learning_rate: float = 2e-3
    final_rate: float = 0.02
    warm_up: int = 50
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    threads: int = 0
    save_every: int = 100
    log_every: int = 20
    keep: int = 2
    sentences: tuple[str, ...] = ("The kettle is on, and the bread is still warm.",)
    voice: str = ""
    llm: str = ""
    layers: tuple[int, ...] = (8, 16, 24)
    kind: str = "resampler"
    width: int = 256
    feed_forward: int = 512
    heads: int = 4
    blocks: int = 2
    fusion: str = "none"
    spelling: bool = True
    source: str = "hidden"
    activation: str = "gelu"
    licence: str = "Apache-2.0"
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("steps", "clip_steps", "warm_up", "threads", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, but is {getattr(self, name)}")
        if self.clip_steps > self.steps:
            raise ConfigError(
                f"clip_steps ({self.clip_steps}) are the last of steps ({self.steps}): give fewer"
            )
        if bool(self.clip_steps) != bool(self.clips):
            raise ConfigError("clips and clip_steps go together: give both or neither")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in get_args(allowed):
                known = ", ".join(get_args(allowed))
                raise ConfigError(f"{name} must be one of {known}, not {getattr(self, name)!r}")

    def shape(self, llm_width: int, tts_width: int) -> dict[str, Any]:
        """The projector's part of the settings, for ProjectorConfig."""
        names = (
            "layers", "kind", "width", "feed_forward", "heads", "blocks", "fusion", "spelling",
            "source", "activation",
        )  # fmt: skip
        chosen = {name: getattr(self, name) for name in names}
        return {"llm_width": llm_width, "tts_width": tts_width, **chosen}
