"""An evaluation from files into a table, and onto the disk as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_projector.evaluate import Scores, Task, evaluate, systems
from audio_projector.pronunciation import read_homographs
from voice_data.storage import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Scores of every system, in the order in which they were measured."""

    systems: tuple[Scores, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"systems": [each.to_dict() for each in self.systems]}

    def lines(self) -> list[str]:
        """A Markdown table, a row per system."""
        names = list(dict.fromkeys(name for each in self.systems for name in each.quality))
        head = ["system", "parameters", *names, "homographs"]
        rows = [head, ["---"] * len(head)]
        for each in self.systems:
            cells = [_interval(each.quality.get(name)) for name in names]
            share = "" if each.homographs is None else f"{each.homographs:.1%}"
            size = f"{each.parameters:,}" if each.parameters else ""
            rows.append([each.system, size, *cells, share])
        return ["| " + " | ".join(row) + " |" for row in rows]


def compare(
    projectors: Mapping[str, str],
    *,
    out: Path,
    sentences: Path | None = None,
    homographs: Path | None = None,
    limit: int | None = None,
    metrics: Sequence[str] = ("wer",),
    llm: str = "",
    target: str = "",
    voice: str | None = None,
    threads: int | None = None,
    seed: int = 0,
    on_system: Callable[[Scores], None] | None = None,
) -> Comparison:
    """Measure the projectors and the speech model's own text path; all is written to ``out``.

    Raises:
        EvaluateError: if there is nothing to say.
        ArtefactError: if a projector is damaged or stands between other models.
        PronunciationError: if the homographs cannot be read.
    """
    lines = [] if sentences is None else sentences.read_text("utf-8").splitlines()
    task = Task(
        sentences=[line.strip() for line in lines if line.strip()][:limit],
        homographs=[] if homographs is None else read_homographs(homographs),
        metrics=metrics,
        voice=voice or "",
        seed=seed,
        threads=threads or 1,
    )
    found: list[Scores] = []
    for scores in evaluate(systems(projectors, llm=llm, target=target), task, out):
        found.append(scores)
        done = Comparison(systems=tuple(found))
        write_text(out / "evaluation.json", json.dumps(done.to_dict(), indent=1) + "\n")
        if on_system is not None:
            on_system(scores)
    return Comparison(systems=tuple(found))


def _interval(statistic: Mapping[str, float] | None) -> str:
    if statistic is None:
        return ""
    return f"{statistic['mean']:.3f} ({statistic['low']:.3f} to {statistic['high']:.3f})"
