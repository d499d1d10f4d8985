"""Whether a blend of two voices lies between them: pitch and rate by weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_hypernet.evaluate import Clips, Take

if TYPE_CHECKING:
    from pathlib import Path

    from voice_hypernet.corpus import Speaker

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
MEASURED = ("f0", "rate")


def pairs(speakers: Sequence[Speaker], name: str, count: int) -> list[tuple[Speaker, Speaker]]:
    """The speakers whose measure ``name`` is least with those where it is most, in order."""
    known = sorted(
        (each for each in speakers if each.measures.get(name) is not None),
        key=lambda each: each.measures[name],
    )
    count = min(count, len(known) // 2)
    return list(zip(known[:count], known[::-1][:count], strict=True))


def blended_takes(clips: Clips, texts: Sequence[str], count: int) -> Iterator[Take]:
    """Blends of pairs that differ in pitch, and of pairs that differ in rate."""
    make, blend = clips.voicer.make, clips.voicer.hypernet.blend
    for name in MEASURED:
        for low, high in pairs(clips.speakers, name, count):
            first, second = make(clip=clips.own(low)), make(clip=clips.own(high))
            for weight in WEIGHTS:
                voice = blend([(first, 1.0 - weight), (second, weight)])
                for text in texts:
                    yield Take(f"{name} {weight}", f"{low.name} to {high.name}", text, voice, None)


def blending(spoken: Sequence[tuple[Take, Path]]) -> dict[str, Any]:
    """For F0 (Hz) and rate (syllables per second): means by weight, and how monotone they are.

    ``spearman`` is the mean over the pairs of the rank correlation with the weight, ``rising`` the
    share of the pairs in which every step goes up.
    """
    from voice_data.audio import read
    from voice_data.describe import measure
    from voice_data.describe.measures import combine

    parts: dict[tuple[str, str, float], list[Any]] = {}
    for take, path in spoken:
        name, weight = take.way.split()
        parts.setdefault((name, take.subject, float(weight)), []).append(
            measure(read(path), take.text)
        )
    found = {}
    for name in MEASURED:
        subjects = dict.fromkeys(subject for kind, subject, _ in parts if kind == name)
        rows = [
            [getattr(combine(parts[name, subject, weight]), name) for weight in WEIGHTS]
            for subject in subjects
        ]
        whole = np.asarray([row for row in rows if None not in row], float)
        found[name] = {
            "by_weight": [float(value) for value in whole.mean(0)],
            "spearman": float(np.mean([spearman(row) for row in whole])),
            "rising": float((np.diff(whole, axis=1) > 0).all(1).mean()),
            "pairs": len(whole),
        }
    return found


def spearman(values: Sequence[float]) -> float:
    """Rank correlation of values with their order; equal values share their ranks.

    >>> spearman([1.0, 2.0, 9.0]), spearman([3.0, 2.0, 1.0])
    (1.0, -1.0)
    """
    x = np.asarray(values)
    ranks = np.asarray([(x < value).sum() + ((x == value).sum() - 1) / 2 for value in x])
    order = np.arange(len(x))
    return float(np.corrcoef(ranks, order)[0, 1]) if ranks.std() > 0 else 0.0


def table(part: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    head = " | ".join(f"{weight:g}" for weight in WEIGHTS)
    lines = [f"| by weight | {head} | Spearman | rising at every step |",
             "|---" * (len(WEIGHTS) + 3) + "|"]  # fmt: skip
    for name, unit in (("f0", "F0, Hz"), ("rate", "rate, syllables/s")):
        row = part[name]
        cells = " | ".join(f"{value:.3g}" for value in row["by_weight"])
        lines.append(
            f"| {unit} | {cells} | {row['spearman']:.2f} | {row['rising']:.0%} of {row['pairs']} |"
        )
    return lines
