"""The settings of one stage of training, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

from jepa_tts.config import SIZES
from jepa_tts.stages import StageName

Regulariser = Literal["kl", "sigreg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One stage of training.

    ``batch`` is a budget per step, with padding: bytes in ``pronounce``, latent frames in
    ``predict`` and ``decode``, mel frames in the others. ``start`` is the model folder to continue
    from (a new model of ``size`` if empty), ``vocoder`` the same for ``vocode`` and for ``shrink``
    the vocoder that one with fewer blocks, ``layers``, is made of.
    ``regulariser`` keeps the embeddings of ``autoencode`` spread out, with the weight ``kl`` or
    ``sigreg``. ``collapse_guard`` stops a run of ``autoencode`` or ``predict`` whose embeddings,
    after ``warm_up`` steps, have an effective rank under ``least_rank`` of their dimensions or a
    median variance under ``least_variance``. ``language`` (such as ``hi``) is added to the model of
    ``start``, which stays as it is: ``pronounce`` and ``predict`` then train a text encoder and
    durations of the language's own, and additions of ``rank`` to the predictor. ``device`` is a
    name of torch's, or ``auto``: a GPU where there is one. ``amp`` computes in bfloat16 what bears
    it. ``minutes``, if not 0, ends the run before that much time has passed, saved; the same
    configuration goes on from there. ``threads`` 0 leaves torch's own number.
    """

    stage: StageName
    cache: str
    out: str
    start: str = ""
    size: str = "small"
    lexicon: str = ""
    vocoder: str = ""
    layers: int = 3
    steps: int = 10_000
    batch: int = 1_800
    learning_rate: float = 1e-3
    final_rate: float = 0.05
    warm_up: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    regulariser: Regulariser = "kl"
    kl: float = 1e-3
    sigreg: float = 1.0
    spectral: float = 0.3
    history_noise: float = 0.8
    history_drop: float = 0.2
    feedback: float = 0.0
    freeze_text: bool = False
    language: str = ""
    rank: int = 32
    adversarial: bool = False
    collapse_guard: bool = False
    least_rank: float = 0.25
    least_variance: float = 0.01
    device: str = "auto"
    amp: bool = False
    minutes: float = 0.0
    seed: int = 0
    threads: int = 0
    log_every: int = 20
    save_every: int = 250
    validate_every: int = 250
    media_every: int = 1_000

    def __post_init__(self) -> None:
        choices = {
            "stage": get_args(StageName),
            "size": tuple(SIZES),
            "regulariser": get_args(Regulariser),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                self._refuse(name, f"one of {', '.join(allowed)}")
        if self.language and not self.start:
            self._refuse("start", "the model that the language is added to")
        for name in (
            "steps",
            "batch",
            "layers",
            "rank",
            "log_every",
            "save_every",
            "validate_every",
            "media_every",
        ):
            if getattr(self, name) < 1:
                self._refuse(name, "at least 1")
        for name in ("warm_up", "weight_decay", "kl", "sigreg", "spectral", "history_noise",
                     "least_variance", "minutes", "threads"):  # fmt: skip
            if not getattr(self, name) >= 0:
                self._refuse(name, "at least 0")
        for name in ("final_rate", "history_drop", "feedback", "least_rank"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                self._refuse(name, "in [0, 1]")
        if not 0.0 < self.learning_rate < 1.0:
            self._refuse("learning_rate", "in (0, 1)")
        if not self.clip > 0.0:
            self._refuse("clip", "positive")

    def _refuse(self, name: str, allowed: str) -> NoReturn:
        raise ValueError(f"TrainConfig.{name} must be {allowed}, not {getattr(self, name)!r}")
