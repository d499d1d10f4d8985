"""A verdict on every clip of a data set, and the plan that would mend it. Nothing is modified."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from voice_data.checks import CODES, Action, CheckConfig, Finding
from voice_data.container import SUFFIXES
from voice_data.inspection import Inspection, inspect
from voice_data.manifest import Utterance

__all__ = [
    "CODES",
    "CheckConfig",
    "Finding",
    "Inspection",
    "Report",
    "Step",
    "Verdict",
    "conclude",
    "inspect",
    "judge",
]

Status = Literal["accept", "fix", "reject"]
_ORDER: tuple[Action, ...] = ("drop", "convert", "resample", "trim", "segment", "normalize_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one clip can be used as it is (``accept``), after the fixes, or not at all, and
    why."""

    inspection: Inspection

    @property
    def id(self) -> str:
        """The clip's id."""
        return self.inspection.utterance.id

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes, in the order in which they were found."""
        return tuple(finding.code for finding in self.inspection.findings)

    @property
    def status(self) -> Status:
        """The worst of the findings; notes do not count."""
        severities = {finding.severity for finding in self.inspection.findings}
        if "reject" in severities:
            return "reject"
        return "fix" if "fix" in severities else "accept"

    def to_dict(self) -> dict[str, Any]:
        """The verdict in plain values, for JSON."""
        item = self.inspection
        return {
            "id": self.id,
            "status": self.status,
            "findings": [
                {"code": finding.code, "severity": finding.severity, "detail": finding.detail}
                for finding in item.findings
            ],
            "duration": item.duration,
            "rate": item.rate,
            "rms_dbfs": item.rms_dbfs,
            "peak_dbfs": item.peak_dbfs,
            "sha256": item.sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do to one clip, on a copy, and the codes that ask for it."""

    id: str
    action: Action
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdicts in the order of the manifest, and audio files in the folder that no line
    names."""

    verdicts: tuple[Verdict, ...]
    orphans: tuple[str, ...]

    @property
    def codes(self) -> dict[str, int]:
        """How often each reason code occurs, the most frequent first."""
        counts = Counter(code for verdict in self.verdicts for code in verdict.codes)
        return dict(counts.most_common())

    @property
    def statuses(self) -> dict[Status, int]:
        """How many clips are accepted, can be fixed, and are rejected."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        return {"accept": counts["accept"], "fix": counts["fix"], "reject": counts["reject"]}

    def utterances(self, *statuses: Status) -> list[Utterance]:
        """The utterances with one of these verdicts, their duration, rate and hash filled in."""
        chosen = (verdict.inspection for verdict in self.verdicts if verdict.status in statuses)
        return [
            replace(item.utterance, duration=item.duration, rate=item.rate, sha256=item.sha256)
            for item in chosen
        ]

    def plan(self) -> list[Step]:
        """What would make the data set clean, clip by clip, in the order in which to do it.

        A clip that must be dropped needs no other step.
        """
        return [step for verdict in self.verdicts for step in _steps(verdict)]

    def to_dict(self) -> dict[str, Any]:
        """Counts, verdicts, plan and orphans in plain values, for JSON."""
        return {
            "statuses": self.statuses,
            "codes": self.codes,
            "orphans": list(self.orphans),
            "plan": [
                {"id": step.id, "action": step.action, "codes": list(step.codes)}
                for step in self.plan()
            ],
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }


def judge(
    utterances: Sequence[Utterance],
    folder: str | os.PathLike[str],
    config: CheckConfig | None = None,
    *,
    charset: Collection[str] | None = None,
    map_with: Callable[..., Iterable[Inspection]] = map,
) -> Report:
    """Check every clip of the data set in ``folder``; a bad clip is a verdict, never an exception.

    ``charset`` is what the tokenizer can write (see :func:`voice_data.charset.charset_of`).
    ``map_with`` does the inspections: ``map``, or that of an executor for several processes.

    >>> judge([], ".").statuses
    {'accept': 0, 'fix': 0, 'reject': 0}
    """
    config = config or CheckConfig()
    look = partial(inspect, folder=folder, config=config, charset=charset)
    inspections = conclude(map_with(look, utterances), config)
    return Report(
        verdicts=tuple(Verdict(inspection=item) for item in inspections),
        orphans=tuple(_orphans(utterances, Path(folder))),
    )


def conclude(inspections: Iterable[Inspection], config: CheckConfig) -> list[Inspection]:
    """Add what only the whole set shows: duplicates, and clips whose pace is far from the
    others'."""
    items = list(inspections)
    added: list[list[Finding]] = [[] for _ in items]
    for index, finding in (*_duplicates(items), *_pace(items, config)):
        added[index].append(finding)
    return [
        replace(item, findings=(*item.findings, *more)) if more else item
        for item, more in zip(items, added, strict=True)
    ]


def _duplicates(items: Sequence[Inspection]) -> Iterator[tuple[int, Finding]]:
    sounds: dict[str, str] = {}
    texts: dict[tuple[str, str], str] = {}
    for index, item in enumerate(items):
        name = item.utterance.id
        if item.sound_hash and (first := sounds.setdefault(item.sound_hash, name)) != name:
            detail = f"the same sound as {first!r}: keep one"
            yield index, Finding(code="duplicate_audio", detail=detail)
        words = "".join(filter(str.isalnum, item.utterance.text.casefold()))
        if words and (first := texts.setdefault((item.utterance.speaker, words), name)) != name:
            yield index, Finding(code="duplicate_text", detail=f"the same words as {first!r}")


def _pace(items: Sequence[Inspection], config: CheckConfig) -> Iterator[tuple[int, Finding]]:
    """Characters per second out of bounds, or far from the median in the same language."""
    paces: dict[str, dict[int, float]] = {}
    for index, item in enumerate(items):
        if item.characters and item.speech_seconds and "silent" not in _codes(item):
            language = item.utterance.language
            paces.setdefault(language, {})[index] = item.characters / item.speech_seconds
    fixed = (config.min_chars_per_second, config.max_chars_per_second)
    for group in paces.values():
        # "W" takes as long as a word and counts as one letter: such texts say nothing of the pace.
        usual = {i for i in group if items[i].characters >= config.pace_min_letters}
        bounds = _pace_bounds([group[index] for index in usual], config)
        for index, pace in group.items():
            low, high = bounds if index in usual else fixed
            if not low <= pace <= high:
                detail = (
                    f"{pace:.1f} letters per second, {low:.1f} to {high:.1f} expected: "
                    "the text may belong to another clip"
                )
                yield index, Finding(code="pace", detail=detail)


def _pace_bounds(paces: list[float], config: CheckConfig) -> tuple[float, float]:
    low, high = config.min_chars_per_second, config.max_chars_per_second
    if len(paces) < config.pace_min_clips:
        return low, high
    # Paces spread by factors, so the deviation is taken of their logarithms. 1.4826 makes the
    # median absolute deviation a standard deviation; the floor of 5 % spares very even readings.
    logs = np.log(paces)
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.05) * config.pace_deviations
    return max(low, float(np.exp(middle - spread))), min(high, float(np.exp(middle + spread)))


def _codes(item: Inspection) -> set[str]:
    return {finding.code for finding in item.findings}


def _steps(verdict: Verdict) -> Iterator[Step]:
    for action in _ORDER:
        codes = tuple(
            finding.code for finding in verdict.inspection.findings if finding.action == action
        )
        if codes:
            yield Step(id=verdict.id, action=action, codes=codes)
            if action == "drop":
                return


def _orphans(utterances: Iterable[Utterance], folder: Path) -> Iterator[str]:
    named = {utterance.audio for utterance in utterances}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.suffix.lower() in SUFFIXES and name not in named and path.is_file():
                yield name
