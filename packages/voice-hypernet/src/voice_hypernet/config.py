"""The sizes of a hypernetwork and the shape of what it generates, strict about names and values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NoReturn

Head = Literal["joint", "by-rank"]
Fusion = Literal["concat", "add", "cross-attention"]
Objective = Literal["speech", "reconstruction"]

HEADS: tuple[Head, ...] = ("joint", "by-rank")
FUSIONS: tuple[Fusion, ...] = ("concat", "add", "cross-attention")
OBJECTIVES: tuple[Objective, ...] = ("speech", "reconstruction")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraShape:
    """The adapters that come out: ``alpha / rank`` scales them, ``targets`` name the modules.

    ``targets`` holds suffixes of module names; empty means the base model's default preset.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _positive(self, "rank")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"LoraShape.alpha must be positive, not {self.alpha!r}")
        if isinstance(self.targets, str):
            raise ValueError(f"LoraShape.targets must be a list of names, not {self.targets!r}")

    @property
    def scale(self) -> float:
        """The factor of ``B A`` in the adapted weight."""
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class HypernetConfig:
    """Everything that decides the shape of a :class:`voice_hypernet.hypernet.Hypernetwork`.

    ``head`` is ``joint`` (A and B of all ranks at once) or ``by-rank`` (the trunk is asked once per
    rank: far smaller heads).
    """

    lora: LoraShape = field(default_factory=LoraShape)
    condition: int = 256
    width: int = 256
    inner: int = 512
    blocks: int = 4
    head: Head = "by-rank"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("condition", "width", "inner", "blocks"):
            _positive(self, name)
        if self.head not in HEADS:
            raise ValueError(f"HypernetConfig.head must be one of {list(HEADS)}, not {self.head!r}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"HypernetConfig.dropout must be in [0, 1), not {self.dropout!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceConfig:
    """Everything that decides the shape of a :class:`voice_hypernet.network.VoiceNetwork`.

    ``text`` and ``clip`` are the sizes of an encoded description and of a clip's features. With
    ``tells`` the base's own voice input is generated beside the adapters, where it has one.
    """

    hypernet: HypernetConfig = field(default_factory=HypernetConfig)
    text: int = 256
    clip: int = 400
    fusion: Fusion = "concat"
    tells: bool = True

    def __post_init__(self) -> None:
        for name in ("text", "clip"):
            _positive(self, name)
        if self.fusion not in FUSIONS:
            allowed = list(FUSIONS)
            raise ValueError(f"VoiceConfig.fusion must be one of {allowed}, not {self.fusion!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often training knows a voice from words only, from both, or not at all.

    Else it hears clips. What is made of nothing is one adapter for all voices: the control that
    the others are compared with.
    """

    text: float = 0.4
    both: float = 0.15
    none: float = 0.05

    def __post_init__(self) -> None:
        shares = (self.text, self.both, self.none)
        if not (min(shares) >= 0 and sum(shares) <= 1):
            raise ValueError(f"shares must be 0 or more and 1 together at most, not {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One run of training.

    The ``objective`` is the base's loss, or the z-scored distance from trained ``adapters``: a
    folder of PEFT folders named as the voices. ``data`` is an encoded training set, ``voices`` what
    ``t2a-prepare`` measured of it, ``out`` the run's folder. ``batch`` is the most network steps of
    the base in a step, padding included. ``held_out`` is the share of the voices that are only
    validated on, ``average`` the decay of the averaged weights, which are the ones that are saved.
    ``encoder`` reads descriptions: ``""`` is the one that ships, else a folder or a transformers
    model. ``start`` names a trained hypernetwork to begin with. ``told`` weighs how far what the
    base is told is from what it would be told by a voice's own clips, 0 leaves that to the base's
    loss; with an ``evenness`` of 1 rare voices (by gender, pitch and rate) are drawn as often as
    common ones. ``phrases`` are the descriptions of a voice in each of the ``languages``, at most.
    ``sentence`` is spoken at every save in a voice that is held out (none: ""), and ``report_to``
    names trackers besides TensorBoard: wandb, trackio.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    data: str
    voices: str
    out: str
    base: str = "jepa-tts"
    encoder: str = ""
    start: str = ""
    model: VoiceConfig = field(default_factory=VoiceConfig)
    languages: tuple[str, ...] = ("en", "ko")
    shares: Shares = field(default_factory=Shares)
    objective: Objective = "speech"
    adapters: str = ""
    told: float = 0.0
    evenness: float = 0.0
    phrases: int = 120
    steps: int = 6_000
    batch: int = 1_000
    learning_rate: float = 1e-3
    final_rate: float = 0.05
    warm_up: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.998
    held_out: float = 0.1
    seed: int = 0
    threads: int = 0
    log_every: int = 20
    save_every: int = 250
    validate_every: int = 250
    validation_steps: int = 8
    sentence: str = "The harbour was quiet, and nobody spoke."
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("data", "voices", "out", "base"):
            if not getattr(self, name):
                raise ValueError(f"TrainConfig.{name} is empty: give it a value")
        for name in ("steps", "batch", "phrases", "log_every", "save_every", "validate_every",
                     "validation_steps"):  # fmt: skip
            _positive(self, name)
        if self.objective not in OBJECTIVES:
            _refuse(self, "objective", f"one of {list(OBJECTIVES)}")
        if bool(self.adapters) != (self.objective == "reconstruction"):
            _refuse(self, "adapters", "a folder for the objective 'reconstruction', and else empty")
        if not 0.0 <= self.evenness <= 1.0:
            _refuse(self, "evenness", "from 0 to 1")
        for name in ("final_rate", "average", "held_out"):
            if not 0.0 <= getattr(self, name) < 1.0:
                _refuse(self, name, "in [0, 1)")
        if not 0.0 < self.learning_rate < 1.0:
            _refuse(self, "learning_rate", "in (0, 1)")
        if not self.clip > 0.0:
            _refuse(self, "clip", "positive")
        for name in ("warm_up", "weight_decay", "threads", "told"):
            if not getattr(self, name) >= 0:
                _refuse(self, name, "at least 0")


def _refuse(config: object, name: str, allowed: str) -> NoReturn:
    kind = type(config).__name__
    raise ValueError(f"{kind}.{name} must be {allowed}, not {getattr(config, name)!r}")


def _positive(config: object, name: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, int) or value < 1:
        kind = type(config).__name__
        raise ValueError(f"{kind}.{name} must be a positive integer, not {value!r}")
