"""Who speaks in a validation, what they said, and the scores of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tts_lora.validation import Kind, OtherVoice

if TYPE_CHECKING:
    from tts_lora.heldout import Sentence
    from voice_data.audio import Audio
    from voice_data.score import Report, Row, Statistic
    from voice_data.score.recognition import Transcriber
    from voice_data.speech import Condition, SpeechModel

NAME = "under-validation"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something that speaks: a base with or without the adapter in ``folder``, in a ``voice``."""

    name: str
    kind: Kind
    folder: Path | None = None
    voice: str | Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One sentence of one system; ``voice`` is "" or the name of another voice of the base."""

    system: str
    sentence: Sentence
    audio: Audio | Path
    voice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Which scores, and where their models run; see :func:`voice_data.score.score`."""

    metrics: tuple[str, ...]
    recogniser: str | Transcriber | None = None
    device: str = "cpu"
    threads: int | None = None

    def score(self, rows: Sequence[Row]) -> Report:
        """Score the rows.

        Raises:
            ImportError: if the ``[metrics]`` extra is not installed.
            ScoreError: if a metric is unknown, or a text has no words.
        """
        from voice_data.score import score

        metrics: Any = self.metrics
        return score(
            rows,
            metrics=metrics,
            recogniser=self.recogniser,
            device=self.device,
            threads=self.threads,
        )


class Scored(NamedTuple):
    """Each system's figures, and the table of clips that they come from."""

    figures: Mapping[str, Mapping[str, Statistic]]
    report: Report


@contextmanager
def wearing(model: SpeechModel, folder: Path | None) -> Iterator[None]:
    """Attach the adapter in ``folder`` inside the block."""
    from tts_lora import adapter

    if folder is None:
        yield
        return
    adapter.load(model, folder, name=NAME)
    try:
        yield
    finally:
        adapter.detach(model, NAME)


def say(
    model: SpeechModel, system: System, sentences: Sequence[Sentence], seed: int
) -> list[Spoken]:
    """Every sentence by one system; call it inside :func:`wearing`."""
    _log.info("%s speaks %d sentences", system.name, len(sentences))
    return [
        Spoken(
            system=system.name,
            sentence=sentence,
            audio=model.speak(sentence.text, voice=system.voice, seed=seed + index),
        )
        for index, sentence in enumerate(sentences)
    ]


def say_others(
    model: SpeechModel,
    system: System,
    sentences: Sequence[Sentence],
    voices: Sequence[str],
    seed: int,
) -> list[Spoken]:
    """The same by other voices of the base, whatever voice the system has."""
    return [
        replace(each, voice=voice)
        for voice in voices
        for each in say(model, replace(system, voice=voice), sentences, seed)
    ]


def score_spoken(spoken: Sequence[Spoken], measures: Measures) -> Scored:
    """The summary of every system by its name, and how it was measured."""
    report = measures.score([_row(each) for each in spoken])
    return Scored(figures=_summaries([each.system for each in spoken], report), report=report)


def score_others(spoken: Sequence[Spoken], base: str, measures: Measures) -> tuple[OtherVoice, ...]:
    """How far every other voice suffers under every system, against the system ``base``."""
    metrics = tuple(each for each in ("wer", "similarity") if each in measures.metrics)
    if not spoken or not metrics:
        return ()
    own = [each for each in spoken if each.system == base]
    rows = [_other_row(each, own) for each in spoken]
    report = replace(measures, metrics=metrics).score(rows)
    figures = _summaries([(each.system, each.voice) for each in spoken], report)
    return tuple(
        _other(system, voice, figures[base, voice], mine)
        for (system, voice), mine in figures.items()
        if system != base
    )


def _summaries(keys: Sequence[Any], report: Report) -> dict[Any, dict[str, Statistic]]:
    """One summary for the rows of each key."""
    figures = {}
    for key in dict.fromkeys(keys):
        rows = [row for mine, row in zip(keys, report.rows, strict=True) if mine == key]
        figures[key] = replace(report, rows=tuple(rows)).summary()
    return figures


def _other(
    system: str, voice: str, base: Mapping[str, Statistic], mine: Mapping[str, Statistic]
) -> OtherVoice:
    likeness = None
    if "similarity" in base and "similarity" in mine and base["similarity"].mean > 0:
        likeness = mine["similarity"].mean / base["similarity"].mean
    return OtherVoice(
        system=system,
        voice=voice,
        base_wer=base["wer"].mean if "wer" in base else None,
        wer=mine["wer"].mean if "wer" in mine else None,
        likeness=likeness,
    )


def _row(spoken: Spoken) -> Row:
    from voice_data.score import Row

    sentence = spoken.sentence
    return Row(
        audio=spoken.audio,
        text=sentence.text,
        id=f"{spoken.system}/{sentence.id}",
        # The speaker keeps the ceilings of several people apart.
        speaker=f"{spoken.system}/{sentence.speaker}",
        references=sentence.references,
    )


def _other_row(spoken: Spoken, own: Sequence[Spoken]) -> Row:
    """With the base's own clips of that voice, saying other sentences, as references."""
    from voice_data.score import Row

    references = [
        each.audio
        for each in own
        if each.voice == spoken.voice and each.sentence.id != spoken.sentence.id
    ]
    return Row(
        audio=spoken.audio,
        text=spoken.sentence.text,
        id=f"{spoken.system}/{spoken.voice}/{spoken.sentence.id}",
        speaker=f"{spoken.system}/{spoken.voice}",
        references=references,
    )
