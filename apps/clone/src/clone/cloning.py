"""One voice from a folder of recordings: tts-lora's steps one after the other, in one folder.

``data/`` is the training set, ``adapter/`` the voice, ``report/`` what validation found, and
``sample.wav`` how it sounds. What is finished is not made again, so a killed call goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tts_lora.config import TrainConfig
    from tts_lora.validation import Validation
    from voice_data.encoded import EncodedSet, PrepareConfig, SourceConfig, Survey

SAMPLE = "Hello. You have never heard me say this sentence before."
METRICS = ("wer", "similarity", "distillmos")
SMALL_MODEL = {"learning_rate": 1.5e-3, "loraplus_ratio": 4.0}
"""For jepa-tts, which is small: it learns a voice better at a higher rate than the large language
models for which tts-lora's default is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneConfig:
    """``source`` are the recordings, ``out`` the folder of the voice, ``base`` who learns it.

    ``size`` is a preset of tts-lora (empty: by the number of clips), ``train`` are settings of
    training over it. Without ``metrics`` nothing is validated.

    Raises:
        ValueError: naming the field and what to give.
    """

    source: SourceConfig
    out: Path
    base: str = "jepa-tts"
    text: str = SAMPLE
    size: str = ""
    train: tuple[str, ...] = ()
    metrics: tuple[str, ...] = METRICS
    sentences: int = 12
    seed: int = 0
    device: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("CloneConfig.text is empty: give a sentence to speak")
        if self.sentences < 1:
            raise ValueError(f"CloneConfig.sentences must be at least 1, not {self.sentences}")

    @property
    def data(self) -> Path:
        """The training set."""
        return self.out / "data"

    @property
    def adapter(self) -> Path:
        """The voice."""
        return self.out / "adapter"

    def prepare_config(self) -> PrepareConfig:
        """The settings of the first step."""
        from voice_data.encoded import PrepareConfig

        return PrepareConfig(
            sources=(self.source,), base=self.base, out=str(self.data), seed=self.seed
        )

    def train_config(self, *, unseen: bool = False) -> TrainConfig:
        """The settings of the second, once the first is done; ``unseen`` if it is not yet.

        Raises:
            ConfigError: naming a setting in ``train`` that does not exist, or its value.
        """
        from tts_lora.recipe import load_train_config

        usual = SMALL_MODEL if self.base.partition(":")[0] == "jepa-tts" else {}
        given = {"data": self.data, "out": self.adapter, "seed": self.seed, "device": self.device}
        settings = {name: value for name, value in given.items() if value not in ("", None)}
        words = [f"{name}={value}" for name, value in {**usual, **settings}.items()]
        size: Any = self.size or ("small" if unseen else None)
        return load_train_config(overrides=[*words, *self.train], size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloned:
    """A finished voice: its folder, what it was made of, how it was judged, how it sounds."""

    adapter: Path
    sample: Path
    clips: int
    seconds: float
    licence: str
    consent: str
    steps: int
    loss: float
    validation: Validation | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the adapter, as far as that was examined."""
        probe = self.validation.probe if self.validation else None
        return probe is None or probe.ok

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("clips", "seconds", "licence", "consent", "steps", "loss", "ok")
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        found = self.validation
        return {
            "adapter": str(self.adapter),
            "sample": str(self.sample),
            **values,
            "validation": None if found is None else found.to_dict(),
        }


def plan(config: CloneConfig) -> Survey:
    """What :func:`clone` would take from the recordings; nothing is written.

    Raises:
        ManifestError: starting with ``FILE:LINE:``, if the index cannot be read.
    """
    from voice_data.encoded import survey

    (found,) = survey(config.prepare_config())
    return found


def clone(
    config: CloneConfig,
    *,
    on_step: Callable[[str], None] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Cloned:
    """Prepare, train, validate, speak; ``on_step`` is told what begins.

    Raises:
        PrepareError: if too few recordings can be used, or the speaker refused.
        TrainError, PreflightError: if training cannot begin or go on.
        OSError: if the disk is full; what is done is kept.
    """
    from tts_lora.narration import narrate
    from tts_lora.train import train
    from voice_data.audio import write
    from voice_data.encoded import prepare
    from voice_data.speech import load_speech_model

    tell = on_step or (lambda _: None)
    model = load_speech_model(config.base)
    tell("preparing the recordings")
    data = prepare(config.prepare_config(), model=model, on_clip=on_clip)
    settings = config.train_config()
    tell(f"training on {len(data.of_split('train'))} clips")
    done = train(settings, model=model)
    tell("listening to held-out sentences" if config.metrics else "not validated")
    validation = _judged(config, model) if config.metrics else None
    tell("speaking")
    sample = config.out / "sample.wav"
    write(sample, narrate(config.text, {config.adapter: 1.0}, model=model, seed=config.seed))
    return Cloned(
        adapter=config.adapter,
        sample=sample,
        clips=len(data),
        seconds=_seconds(data),
        licence=data.index.licence,
        consent=data.index.consent,
        steps=done.steps,
        loss=done.validation,
        validation=validation,
    )


def _judged(config: CloneConfig, model: Any) -> Validation:
    from tts_lora.assessment import assess
    from tts_lora.validate import ValidateConfig

    settings = ValidateConfig(metrics=config.metrics, limit=config.sentences, seed=config.seed)
    if config.device.startswith("cuda"):
        settings = replace(settings, device="cuda")
    report = config.out / "report"
    return assess(config.adapter, settings, data=config.data, out=report, model=model)


def _seconds(data: EncodedSet) -> float:
    return round(sum(clip.duration for clip in data.clips), 3)
