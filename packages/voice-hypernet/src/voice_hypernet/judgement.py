"""The verdict on an evaluation's takes: spoken once, kept as files, and scored together."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.describe.tags import SCALES
from voice_hypernet.evaluate import (
    Clips,
    EvaluateConfig,
    Take,
    Voicer,
    Wanted,
    described_takes,
    load_voicer,
    read_descriptions,
)

if TYPE_CHECKING:
    from voice_data.describe import Measures
    from voice_data.score import Report

JUDGED = ("gender", "pitch", "rate", "range", "brightness", "loudness")


def evaluate(config: EvaluateConfig, *, voicer: Voicer | None = None, bar: Any = None) -> dict:
    """Speak, score and write ``report.json`` and ``report.md``; returns the report.

    A second call speaks only what is missing. ``bar`` wraps the takes, to show progress.

    Raises:
        CorpusError, EncodedSetError, ArtefactError: if something cannot be read.
        ValueError: if there are too few held-out voices or no texts.
    """
    from voice_data.encoded import EncodedSet
    from voice_data.storage import write_text
    from voice_hypernet.corpus import VoiceCorpus

    voicer = voicer or load_voicer(config)
    texts = _texts(config)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"config": {"sentences": texts, "seed": config.seed}}
    clips = Clips(voicer, VoiceCorpus(EncodedSet(config.data), config.voices), config)
    spoken = speak_takes(clips.takes(texts), voicer, out / "clips", config.seed, bar)
    report["clips"] = _likeness(spoken, clips)
    if config.descriptions:
        wanted = _drawn(read_descriptions(config.descriptions), config)
        takes = described_takes(voicer, wanted, texts, config.seed)
        spoken = speak_takes(takes, voicer, out / "descriptions", config.seed, bar)
        report["descriptions"] = _adherence(spoken, wanted)
    write_text(out / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    write_text(out / "report.md", markdown(report))
    return report


def markdown(report: Mapping[str, Any]) -> str:
    """The tables of a report."""
    lines = ["| way | similarity | of the ceiling | WER | DistillMOS | sentences |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for way, row in report["clips"].items():
        lines.append(
            f"| {way} | {row['similarity']:.3f} | {row['of_ceiling']:.3f} | {row['wer']:.1%} | "
            f"{row['distillmos']:.2f} | {row['sentences']} |"
        )
    if "descriptions" in report:
        names = [name for name in JUDGED if name in report["descriptions"]["description"]]
        lines += ["", f"| way | {' | '.join(names)} | gender, pitch, rate | WER |",
                  "|---" * (len(names) + 3) + "|"]  # fmt: skip
        for way, row in report["descriptions"].items():
            cells = [f"{row[n]['right']:.1%} of {row[n]['of']}" if n in row else "" for n in names]
            lines.append(f"| {way} | {' | '.join(cells)} | {row['main']:.1%} | {row['wer']:.1%} |")
    return "\n".join(lines) + "\n"


def right(name: str, wanted: str, found: str) -> bool:
    """Whether a measured tag is what was asked for.

    Gender must be equal. On a scale the measured bin must lie on the side of the middle that was
    asked for; where the middle was asked for, the middle or next to it.

    >>> right("pitch", "low", "very low"), right("pitch", "low", "medium")
    (True, False)
    """
    if name not in SCALES:
        return wanted == found
    if not found:
        return False
    values = SCALES[name].values
    middle = values.index("neutral" if "neutral" in values else "medium")
    asked, got = values.index(wanted) - middle, values.index(found) - middle
    return abs(got) <= 1 if asked == 0 else asked * got > 0


def speak_takes(
    takes: Iterable[Take], voicer: Voicer, folder: Path, seed: int, bar: Any = None
) -> list[tuple[Take, Path]]:
    """Speak into ``folder`` what is not there yet."""
    from voice_data.audio import write

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for take in bar(takes) if bar is not None else takes:
        named = f"{voicer.fingerprint}/{take.way}/{take.subject}/{take.text}/{seed}"
        path = folder / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.flac"
        if not path.is_file():
            write(path, voicer.speak(take, seed))
        found.append((take, path))
    return found


def _likeness(spoken: Sequence[tuple[Take, Path]], clips: Clips) -> dict[str, Any]:
    from voice_data.score import Row, score

    references = {each.name: clips.references(each) for each in clips.speakers}
    found = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        rows = [
            Row(
                audio=path,
                text=take.text,
                speaker=take.subject,
                references=references[take.subject],
            )
            for take, path in spoken
            if take.way == way
        ]
        found[way] = _scored(score(rows, metrics=("wer", "similarity", "distillmos")))
    return found


def _scored(report: Report) -> dict[str, Any]:
    summary = report.summary()
    ceiling = summary["similarity_ceiling"].mean
    return {
        "similarity": summary["similarity"].mean,
        "ceiling": ceiling,
        "of_ceiling": summary["similarity"].mean / ceiling,
        "wer": summary["wer"].mean,
        "distillmos": summary["distillmos"].mean,
        "sentences": len(report.rows),
    }


def _adherence(spoken: Sequence[tuple[Take, Path]], wanted: Sequence[Wanted]) -> dict[str, Any]:
    from voice_data.score import Row, score

    found: dict[str, Any] = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        mine = [(take, path) for take, path in spoken if take.way == way]
        rows = [Row(audio=path, text=take.text) for take, path in mine]
        heard = _measured(mine)
        found[way] = counts(heard, wanted) | {
            "wer": score(rows, metrics=("wer",)).summary()["wer"].mean,
            "by_language": {
                language: counts(heard, wanted, language)["main"]
                for language in sorted({each.language for each in wanted})
            },
        }
    return found


def _measured(spoken: Sequence[tuple[Take, Path]]) -> dict[int, Measures]:
    from voice_data.audio import read
    from voice_data.describe import measure
    from voice_data.describe.measures import combine

    parts: dict[int, list[Measures]] = {}
    for take, path in spoken:
        parts.setdefault(int(take.subject), []).append(measure(read(path), take.text))
    return {index: combine(each) for index, each in parts.items()}


def counts(
    heard: Mapping[int, Measures], wanted: Sequence[Wanted], language: str = ""
) -> dict[str, Any]:
    """The share of what was asked for that is heard, by tag and over gender, pitch and rate.

    ``heard`` are the measures by position in ``wanted``; ``language`` counts only its descriptions.
    """
    hits: dict[str, list[bool]] = {name: [] for name in JUDGED}
    for index, measures in heard.items():
        each = wanted[index]
        if language and each.language != language:
            continue
        for name, value in each.tags.items():
            said = "pitch" if name == "relative_pitch" else name
            if said in hits:
                hits[said].append(right(name, value, _found(name, measures, each)))
    main = [hit for name in ("gender", "pitch", "rate") for hit in hits[name]]
    rows = {n: {"right": float(np.mean(h)), "of": len(h)} for n, h in hits.items() if h}
    return {**rows, "main": float(np.mean(main)) if main else 0.0}


def _found(name: str, measures: Measures, wanted: Wanted) -> str:
    """The measured tag; gender is the likelier one, relative pitch that within the one wanted."""
    from voice_data.describe import tag

    if name == "gender":
        return measures.gender or ""
    gender = wanted.tags.get("gender", "")
    if name == "relative_pitch" and gender:
        measures = replace(measures, gender=gender, gender_confidence=1.0)
    return getattr(tag(measures), name)


def _drawn(wanted: list[Wanted], config: EvaluateConfig) -> list[Wanted]:
    if not 0 < config.drawn < len(wanted):
        return wanted
    return random.Random(config.seed).sample(wanted, config.drawn)


def _texts(config: EvaluateConfig) -> list[str]:
    lines = Path(config.texts).read_text("utf-8").splitlines()
    texts = [line.strip() for line in lines if line.strip()][: config.sentences]
    if not texts:
        raise ValueError(f"{config.texts} holds no sentences")
    return texts
