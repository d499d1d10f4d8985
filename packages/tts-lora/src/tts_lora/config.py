"""What an adapter is and how it is trained, strict about names and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, get_args

from tts_lora.backends import BACKENDS, Backend

Method = Literal["lora", "dora", "rslora", "adalora"]
Amp = Literal["no", "bf16", "fp16"]
Voice = Literal["speaker", "clip"]
Size = Literal["small", "medium", "large"]

SMALL_CLIPS, LARGE_CLIPS = 100, 500
"""A set of fewer clips than the first is small, one of at least the second is large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """A low-rank adapter: ``alpha / rank`` scales what it adds (``alpha / sqrt(rank)`` in rsLoRA).

    ``targets`` is a preset of the speech model (``""``: its first) or suffixes of module names;
    the modules that ``train_also`` names are trained and stored whole.

    >>> LoraConfig(rank=4).alpha
    16.0

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.05
    method: Method = "lora"
    targets: tuple[str, ...] | str = ""
    train_also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("targets", "train_also"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            _refuse(self, "rank", "a whole number from 1 on")
        if not 0.0 < self.alpha < float("inf"):
            _refuse(self, "alpha", "above 0")
        if not 0.0 <= self.dropout < 1.0:
            _refuse(self, "dropout", "in [0, 1)")
        if self.method not in get_args(Method):
            _refuse(self, "method", f"one of {', '.join(get_args(Method))}")
        if isinstance(self.train_also, str):
            _refuse(self, "train_also", "a list of module names")
        if self.targets == () or "" in (*self.train_also, *self._suffixes()):
            _refuse(self, "targets", "a preset's name or a list of module names, none empty")

    def _suffixes(self) -> tuple[str, ...]:
        return self.targets if isinstance(self.targets, tuple) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A run of training: ``data`` is a folder of `prepare`, ``out`` gets the adapter.

    ``base`` is the reference of the speech model; empty, it is the one that ``data`` was made for.
    ``batch`` bounds the network steps of one pass with their padding, ``clips`` its rows; a step of
    descent takes ``accumulation`` passes of every process. ``at_once`` has a pass of more network
    steps run in parts, clips of like length together: less padding and memory, the same gradient
    per position (0: all of it at once). ``steps`` 0 means that ``epochs``
    decides. ``final_rate`` is the share of ``learning_rate`` at the end, ``warm_up`` the share of
    the steps at the start; ``loraplus_ratio`` multiplies the rate of the B matrices (LoRA+).
    ``backend`` is the fastest that fits (:mod:`tts_lora.backends`) or one by name.
    ``voice="speaker"`` tells the base model one fixed voice per speaker, as when it speaks;
    ``"clip"`` lets every clip be its own prompt. ``drop_long`` leaves out clips that do not fit
    instead of stopping. ``save_every`` and ``log_every`` count steps (0: at each epoch's end);
    ``keep`` checkpoints stay. ``sentences`` are spoken at each, and ``report_to`` names
    accelerate's trackers.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    data: str
    out: str
    base: str = ""
    lora: LoraConfig = field(default_factory=LoraConfig)
    epochs: int = 20
    steps: int = 0
    learning_rate: float = 3e-4
    final_rate: float = 0.05
    warm_up: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    batch: int = 4_096
    clips: int = 8
    accumulation: int = 1
    at_once: int = 0
    loraplus_ratio: float = 1.0
    amp: Amp = "no"
    checkpointing: bool = False
    backend: Backend | Literal["auto"] = "auto"
    voice: Voice = "speaker"
    drop_long: bool = False
    sentences: tuple[str, ...] = ()
    report_to: tuple[str, ...] = ("tensorboard",)
    log_every: int = 10
    save_every: int = 0
    keep: int = 3
    seed: int = 0
    device: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("data", "out"):
            if not getattr(self, name):
                _refuse(self, name, "a folder")
        for name in ("epochs", "batch", "clips", "accumulation", "log_every", "keep"):
            if getattr(self, name) < 1:
                _refuse(self, name, "at least 1")
        for name in ("steps", "at_once", "save_every", "seed", "threads", "weight_decay"):
            if not getattr(self, name) >= 0:
                _refuse(self, name, "at least 0")
        if not 0.0 < self.learning_rate < 1.0:
            _refuse(self, "learning_rate", "in (0, 1)")
        if not 0.0 <= self.final_rate <= 1.0:
            _refuse(self, "final_rate", "in [0, 1]")
        if not 0.0 <= self.warm_up < 1.0:
            _refuse(self, "warm_up", "in [0, 1)")
        if not self.clip > 0.0:
            _refuse(self, "clip", "positive")
        if not self.loraplus_ratio >= 1.0:
            _refuse(self, "loraplus_ratio", "at least 1")
        choices = {"amp": get_args(Amp), "voice": get_args(Voice), "backend": ("auto", *BACKENDS)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                _refuse(self, name, f"one of {', '.join(allowed)}")
        for name in ("sentences", "report_to"):
            if isinstance(getattr(self, name), str):
                _refuse(self, name, "a list")


PRESETS: Mapping[Size, Mapping[str, Any]] = {
    "small": {
        "lora": LoraConfig(rank=4, alpha=8.0, dropout=0.1),
        "epochs": 25,
    },
    "medium": {"lora": LoraConfig(), "epochs": 20},
    "large": {
        "lora": LoraConfig(rank=16, alpha=32.0),
        "epochs": 10,
    },
}
"""Few clips want few parameters, more dropout and more passes; many clips the opposite."""


def size_of(clips: int) -> Size:
    """Which preset suits a training set of so many clips.

    >>> size_of(99), size_of(100), size_of(500)
    ('small', 'medium', 'large')
    """
    if clips < SMALL_CLIPS:
        return "small"
    return "medium" if clips < LARGE_CLIPS else "large"


def preset(size: Size, **values: Any) -> TrainConfig:
    """The settings for a set of that size, with ``values`` over them.

    >>> preset("small", data="set", out="run").lora.rank
    4

    Raises:
        ValueError: if there is no such size, or a value is not allowed.
    """
    if size not in PRESETS:
        raise ValueError(f"no preset {size!r}: use one of {', '.join(PRESETS)}")
    return TrainConfig(**{**PRESETS[size], **values})


def _refuse(config: LoraConfig | TrainConfig, name: str, allowed: str) -> NoReturn:
    raise ValueError(
        f"{type(config).__name__}.{name} must be {allowed}, not {getattr(config, name)!r}"
    )
