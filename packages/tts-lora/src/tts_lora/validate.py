"""Did it work? The base, the adapter and every kept checkpoint on text that was held out."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.selection import Candidate, Selection, SelectionConfig, select
from tts_lora.speaking import (
    NAME,
    Measures,
    Spoken,
    System,
    say,
    say_others,
    score_others,
    score_spoken,
    wearing,
)
from tts_lora.validation import OtherVoice, Standing, Validation

if TYPE_CHECKING:
    from tts_lora.heldout import Sentence
    from tts_lora.probe import Probe
    from voice_data.encoded import EncodedSet
    from voice_data.score import Statistic
    from voice_data.score.recognition import Transcriber
    from voice_data.speech import Condition, SpeechModel

BASE, PROMPT, ADAPTER, RECORDING = "base", "base + prompt", "adapter", "recording"
_PROBED, _PROMPTED = 2, 4  # clips for the alignment contract, clips that tell the base a voice


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateConfig:
    """``limit`` held-out sentences, ``references`` recordings of the person for the similarity,
    ``voices`` other voices of the base with ``voice_sentences`` each, ``players`` sentences to hear
    in the page. ``texts`` are spoken in place of the held-out ones: for a person whose recordings
    are in a language that the base does not speak. ``speaker`` chooses one of a set of several;
    ``recogniser`` is a Whisper checkpoint's name or folder, empty for the one that comes with the
    extra.

    Raises:
        ValueError: naming the field and its value.
    """

    metrics: tuple[str, ...] = ("wer", "similarity", "distillmos", "dnsmos", "f0", "rate")
    limit: int = 20
    references: int = 10
    voices: int = 2
    voice_sentences: int = 4
    players: int = 3
    checkpoints: bool = True
    probe: bool = True
    texts: tuple[str, ...] = ()
    speaker: str = ""
    recogniser: str = ""
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    selection: SelectionConfig = field(default_factory=SelectionConfig)

    def __post_init__(self) -> None:
        if isinstance(self.texts, str) or not all(map(str.strip, self.texts)):
            raise ValueError(f"ValidateConfig.texts must be a list of texts, not {self.texts!r}")
        for name in ("limit", "references", "voice_sentences", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"ValidateConfig.{name} must be at least 1, not {getattr(self, name)}"
                )
        for name in ("voices", "players", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"ValidateConfig.{name} must be at least 0, not {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A validation, and every clip that it was made from."""

    validation: Validation
    spoken: tuple[Spoken, ...]


def validate(
    model: SpeechModel,
    adapter: str | Path,
    data: EncodedSet,
    config: ValidateConfig | None = None,
    *,
    checkpoints: Mapping[str, Path] | None = None,
    condition: Condition | None = None,
    recogniser: Transcriber | None = None,
) -> Heard:
    """Judge the adapter in a folder, and ``checkpoints`` by name, on the held-out part of ``data``.

    ``condition`` is the voice that the base is told, ``None`` for what it makes of some training
    clips. The model is as before afterwards.

    Raises:
        HeldOutError: if nothing is held out.
        EncodedSetError: if ``data`` was prepared with other base weights.
        ScoreError: if a metric is unknown.
    """
    from tts_lora.heldout import held_out

    config = config or ValidateConfig()
    data.require_base(model.weights_sha256)
    sentences = held_out(
        data,
        limit=config.limit,
        references=config.references,
        seed=config.seed,
        speaker=config.speaker,
    )
    said = sentences
    if config.texts:
        said = tuple(
            replace(each, text=text) for each, text in zip(sentences, config.texts, strict=False)
        )
        sentences = sentences[: len(said)]
    if condition is None:
        condition = _prompt(model, data, sentences[0].speaker)
    systems = _systems(Path(adapter), checkpoints or {}, condition)
    voices = _other_voices(model, config)
    spoken = [Spoken(system=RECORDING, sentence=each, audio=each.recording) for each in sentences]
    others: list[Spoken] = []
    probed: Probe | None = None
    few = said[: config.voice_sentences]
    for system in systems:
        with wearing(model, system.folder):
            spoken += say(model, system, said, config.seed)
            if system.kind != "prompt":
                others += say_others(model, system, few, voices, config.seed)
            if system.kind == "adapter" and config.probe:
                probed = _probe(model, system, data, said)
    measures = Measures(
        metrics=config.metrics,
        recogniser=recogniser or config.recogniser or None,
        device=config.device,
        threads=config.threads,
    )
    scored = score_spoken(spoken, measures)
    suffered = score_others(others, BASE, measures)
    recording = System(name=RECORDING, kind="recording")
    standings = tuple(
        _standing(each, scored.figures[each.name], suffered) for each in (recording, *systems)
    )
    validation = Validation(
        adapter=str(adapter),
        standings=standings,
        others=suffered,
        probe=probed,
        selection=choose(standings, config.selection),
        settings={**asdict(config), **scored.report.settings, "sentences": len(sentences)},
    )
    return Heard(validation=validation, spoken=tuple(spoken))


def choose(standings: Sequence[Standing], config: SelectionConfig) -> Selection | None:
    """The best of the adapter and its checkpoints, ``None`` if nothing was measured."""
    base = next((each for each in standings if each.kind == "base"), None)
    rivals = [each for each in standings if each.kind in ("adapter", "checkpoint")]
    candidates = [
        Candidate(
            name=each.name,
            wer=each.mean("wer"),
            similarity=each.mean("similarity"),
            mos=each.mean("distillmos") or each.mean("dnsmos"),
            degradation=each.degradation,
        )
        for each in rivals
    ]
    if not any(c.wer is not None or c.similarity is not None or c.mos for c in candidates):
        return None
    return select(candidates, base_wer=base.mean("wer") if base else None, config=config)


def _systems(
    adapter: Path, checkpoints: Mapping[str, Path], condition: Condition
) -> tuple[System, ...]:
    return (
        System(name=BASE, kind="base"),
        System(name=PROMPT, kind="prompt", voice=condition),
        System(name=ADAPTER, kind="adapter", folder=adapter, voice=condition),
        *(
            System(name=name, kind="checkpoint", folder=folder, voice=condition)
            for name, folder in checkpoints.items()
        ),
    )


def _prompt(model: SpeechModel, data: EncodedSet, speaker: str) -> Condition:
    """What the base can be told of the speaker, from clips that training saw."""
    mine = [i for i, name in enumerate(data.speakers) if name == speaker]
    seen = [i for i in mine if data.splits[i] == "train"] or mine
    return model.condition([data[i] for i in seen[:_PROMPTED]])


def _other_voices(model: SpeechModel, config: ValidateConfig) -> tuple[str, ...]:
    names = [str(name) for name in getattr(model, "voices", ())]
    return tuple(random.Random(config.seed).sample(names, min(config.voices, len(names))))


def _probe(
    model: SpeechModel, system: System, data: EncodedSet, sentences: Sequence[Sentence]
) -> Probe:
    from tts_lora.probe import probe

    first = sentences[0].speaker
    mine = [each for each in sentences if each.speaker == first][:_PROBED]
    return probe(
        model,
        [data[each.position] for each in mine],
        name=NAME,
        folder=system.folder,
        sentences=[each.text for each in mine],
        voice=system.voice,
    )


def _standing(
    system: System, figures: Mapping[str, Statistic], others: Sequence[OtherVoice]
) -> Standing:
    changes: list[Any] = [
        each.wer - each.base_wer
        for each in others
        if each.system == system.name and each.wer is not None and each.base_wer is not None
    ]
    return Standing(
        name=system.name,
        kind=system.kind,
        folder=str(system.folder or ""),
        figures=figures,
        degradation=sum(changes) / len(changes) if changes else None,
    )
