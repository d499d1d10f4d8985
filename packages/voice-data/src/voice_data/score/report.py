"""The outcome of scoring: a table of clips, a summary with intervals, and files of both."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voice_data.score.naturalness import DistillMosScore, DnsmosScore
from voice_data.score.prosody import Pace, Pitch
from voice_data.score.recognition import Recognition
from voice_data.score.row import ScoreError
from voice_data.score.similarity import Similarity
from voice_data.storage import replacing, write_text

_PARTS: dict[str, type] = {
    "recognition": Recognition,
    "similarity": Similarity,
    "distillmos": DistillMosScore,
    "dnsmos": DnsmosScore,
    "pitch": Pitch,
    "pace": Pace,
}
# Error rates of a corpus are errors over words, not the mean of each sentence's rate.
_POOLED = {"wer": ("word_errors", "words"), "cer": ("character_errors", "characters")}
_COUNTS = frozenset(name for pair in _POOLED.values() for name in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The scores of one clip; what was not asked for is None. ``duration`` is in seconds."""

    id: str
    speaker: str
    text: str
    duration: float
    recognition: Recognition | None = None
    similarity: Similarity | None = None
    distillmos: DistillMosScore | None = None
    dnsmos: DnsmosScore | None = None
    pitch: Pitch | None = None
    pace: Pace | None = None

    def to_dict(self) -> dict[str, Any]:
        """One flat table row: id, speaker, text, duration, then every measured column."""
        flat: dict[str, Any] = {
            "id": self.id,
            "speaker": self.speaker,
            "text": self.text,
            "duration": self.duration,
        }
        for part in _PARTS:
            measured = getattr(self, part)
            if measured is not None:
                flat.update(measured._asdict())
        return flat

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> Result:
        """The result that `to_dict` made ``flat`` of.

        Raises:
            ScoreError: if a column is unknown, or one of its group is missing.
        """
        rest = dict(flat)
        parts: dict[str, Any] = {}
        for part, kind in _PARTS.items():
            columns = [name for name in kind._fields if name in rest]  # type: ignore[attr-defined]
            if columns:
                parts[part] = _built(kind, {name: rest.pop(name) for name in columns})
        return _built(cls, {**rest, **parts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One column over many clips; ``low`` and ``high`` bound the mean's 95 % bootstrap interval."""

    count: int
    mean: float
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every clip's scores and how they were measured (``settings``)."""

    rows: tuple[Result, ...]
    settings: Mapping[str, Any]

    def summary(
        self, speaker: str | None = None, *, seed: int = 0, resamples: int = 1000
    ) -> dict[str, Statistic]:
        """Mean, median and 95 % bootstrap interval of every column, for all or one speaker.

        The mean of ``wer`` and ``cer`` is that of the corpus: all errors over all words. Clips for
        which a column is None do not count in it. The same ``seed`` gives the same interval.

        Raises:
            ScoreError: if nobody called ``speaker`` was scored, or ``resamples`` is below 1.
        """
        if resamples < 1:
            raise ScoreError(f"resamples must be at least 1, not {resamples}")
        rows = [row.to_dict() for row in self.rows if speaker is None or row.speaker == speaker]
        if not rows:
            known = sorted({row.speaker for row in self.rows})
            raise ScoreError(f"no clip of speaker {speaker!r} was scored; speakers: {known}")
        columns = [name for name in _columns(rows) if name not in _COUNTS]
        found = {name: _statistic(rows, name, seed, resamples) for name in columns}
        return {name: statistic for name, statistic in found.items() if statistic is not None}

    def table(self) -> str:
        """The summary as aligned text."""
        lines = [f"{'':20} {'clips':>5} {'mean':>9} {'median':>9}   95 % of the mean"]
        for name, value in self.summary().items():
            lines.append(
                f"{name:20} {value.count:5d} {value.mean:9.3f} {value.median:9.3f}   "
                f"{value.low:.3f} to {value.high:.3f}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Settings, summary (in all and by speaker) and rows as plain values for JSON."""
        speakers = sorted({row.speaker for row in self.rows} - {""})
        return {
            "settings": dict(self.settings),
            "summary": _plain(self.summary()),
            "speakers": {speaker: _plain(self.summary(speaker)) for speaker in speakers},
            "rows": [row.to_dict() for row in self.rows],
        }

    def save(self, folder: str | Path, *, plot: bool = True) -> Path:
        """Write ``scores.csv``, ``scores.json`` and, if ``plot``, ``scores.png`` into ``folder``.

        Each file appears whole or not at all; the folder is made if needed.

        Raises:
            OSError: if the folder cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "scores.csv", self.to_csv())
        write_text(folder / "scores.json", json.dumps(self.to_dict(), indent=1, ensure_ascii=False))
        if plot:
            from voice_data.score.plot import draw

            with replacing(folder / "scores.png") as temporary:
                temporary.write_bytes(draw(self))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Report:
        """The report that `save` wrote into ``folder``.

        Raises:
            ScoreError: if ``scores.json`` there is not a saved report.
            OSError: if it cannot be read.
        """
        path = Path(folder) / "scores.json"
        try:
            saved = json.loads(path.read_text("utf-8"))
            rows = tuple(Result.from_dict(row) for row in saved["rows"])
            return cls(rows=rows, settings=saved["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise ScoreError(f"{path} is not a saved report ({error}): score again") from error

    def to_csv(self) -> str:
        """The per-clip table; an empty cell is a value that could not be measured."""
        rows = [row.to_dict() for row in self.rows]
        columns = dict.fromkeys(name for row in rows for name in row)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()


def _built(kind: type, values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        raise ScoreError(f"not a row of scores: {error}") from error


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if any(isinstance(row.get(name), (int, float)) for row in rows)]


def _statistic(
    rows: Iterable[Mapping[str, Any]], name: str, seed: int, resamples: int
) -> Statistic | None:
    measured = [row for row in rows if row.get(name) is not None]
    if not measured:
        return None
    values = np.array([row[name] for row in measured], np.float64)
    over, under = _POOLED.get(name, (name, None))
    top = np.array([row[over] for row in measured], np.float64)
    bottom = np.array([row[under] if under else 1.0 for row in measured], np.float64)
    # The percentile bootstrap over clips (Efron, 1979), on the ratio of sums so that it also holds
    # for WER.
    draws = np.random.default_rng(seed).integers(len(measured), size=(resamples, len(measured)))
    means = top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Statistic(
        count=len(measured),
        mean=float(top.sum() / bottom.sum()),
        median=float(np.median(values)),
        low=float(low),
        high=float(high),
    )


def _plain(summary: Mapping[str, Statistic]) -> dict[str, dict[str, float]]:
    fields = ("count", "mean", "median", "low", "high")
    return {
        name: {field: getattr(value, field) for field in fields} for name, value in summary.items()
    }
