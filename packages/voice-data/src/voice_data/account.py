"""Results as people read them: lines for a terminal, figures for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_data.describe.annotation import Described
    from voice_data.encoded import EncodedSet, Survey
    from voice_data.pipeline import Prepared
    from voice_data.verdict import Report


def verdict_lines(report: Report) -> list[str]:
    """One line per clip that is not simply accepted, then the counts."""
    lines = [
        f"{verdict.status:6}  {verdict.id}  {finding.code}: {finding.detail}"
        for verdict in report.verdicts
        for finding in verdict.inspection.findings
    ]
    lines += [f"orphan  {name}  no line of the index names this file" for name in report.orphans]
    return [*lines, ", ".join(f"{count} {status}" for status, count in report.statuses.items())]


def plan_lines(report: Report) -> list[str]:
    """The steps that `prepare` would take, then the counts."""
    lines = [f"{step.action:14}  {step.id}  ({', '.join(step.codes)})" for step in report.plan()]
    return [*lines, verdict_lines(report)[-1], "nothing was written (dry run)"]


def prepared_lines(done: Prepared) -> list[str]:
    """What is left out and why, then what there is."""
    lines = [f"left out  {name}  {reason}" for name, reason in done.skipped.items()]
    size = f"{done.clips} clips, {done.seconds / 3600:.2f} h"
    return [*lines, f"{size}, {len(done.skipped)} left out: {done.folder}"]


def described_lines(done: Described) -> list[str]:
    """Every voice with its tags and sentences, or with a manifest only the counts."""
    lines = [f"left out  {name}  {reason}" for name, reason in done.skipped.items()]
    if done.path is not None:
        return [*lines, f"{len(done.voices)} clips described, {len(done.skipped)} not: {done.path}"]
    for voice in done.voices:
        lines += [f"{voice.utterance.id}  {', '.join(voice.tags.to_list())}"]
        lines += [f"  {description.text}" for description in voice.descriptions]
    return lines


def survey_lines(found: Sequence[Survey]) -> list[str]:
    """What an encoded set would be made of, one data set after the other."""
    lines = []
    for each in found:
        lines.append(f"{each.name}: {each.usable} clips, {each.seconds / 60:.1f} minutes")
        lines += [f"  {code}: {count}" for code, count in each.codes.items()]
    return [*lines, "nothing was written (dry run)"]


def encoded_figures(done: EncodedSet) -> dict[str, Any]:
    """An encoded set in figures."""
    return {
        "folder": str(done.folder),
        "base": done.index.base,
        "clips": len(done),
        "train": len(done.of_split("train")),
        "validation": len(done.of_split("validation")),
        "seconds": round(sum(clip.duration for clip in done.clips), 3),
        "speakers": sorted(set(done.speakers)),
        "skipped": dict(done.index.skipped),
        "manifest_sha256": done.index.manifest_sha256,
    }


def encoded_lines(done: EncodedSet) -> list[str]:
    """What is left out and why, then what there is."""
    figures = encoded_figures(done)
    left = [f"left out  {name}  {reason}" for name, reason in figures["skipped"].items()]
    counts = f"{figures['train']} clips to train on, {figures['validation']} held out"
    return [*left, f"{counts}, {figures['seconds'] / 60:.1f} minutes: {done.folder}"]
