"""Whether speech is what a description asked for: tags that are measured against tags wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.describe.tags import SCALES
from voice_hypernet.evaluate import Take, Wanted

if TYPE_CHECKING:
    from voice_data.describe import Measures

JUDGED = ("gender", "pitch", "rate", "range", "brightness", "loudness")


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


def adherence(spoken: Sequence[tuple[Take, Path]], wanted: Sequence[Wanted]) -> dict[str, Any]:
    """The share of what was asked for that is heard, and word errors, by way."""
    from voice_data.score import Row, score

    found: dict[str, Any] = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        mine = [(take, path) for take, path in spoken if take.way == way]
        rows = [Row(audio=path, text=take.text) for take, path in mine]
        heard = measured(mine)
        found[way] = counts(heard, wanted) | {
            "wer": score(rows, metrics=("wer",)).summary()["wer"].mean,
            "by_language": {
                language: counts(heard, wanted, language)["main"]
                for language in sorted({each.language for each in wanted})
            },
        }
    return found


def measured(spoken: Sequence[tuple[Take, Path]]) -> dict[int, Measures]:
    """What is heard of each description, by its position: the takes' subjects."""
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


def table(part: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    names = [name for name in JUDGED if name in part["description"]]
    lines = [f"| way | {' | '.join(names)} | gender, pitch, rate | WER |",
             "|---" * (len(names) + 3) + "|"]  # fmt: skip
    for way, row in part.items():
        cells = [f"{row[n]['right']:.1%} of {row[n]['of']}" if n in row else "" for n in names]
        lines.append(f"| {way} | {' | '.join(cells)} | {row['main']:.1%} | {row['wer']:.1%} |")
    return lines
