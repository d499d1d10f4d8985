"""A finished training set on disk: its manifests, its report, and the record of how it was made."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voice_data.journal import is_intact
from voice_data.manifest import (
    ManifestError,
    Utterance,
    manifest_hash,
    read_manifest,
    write_manifest,
)
from voice_data.split import SplitError, split, write_split
from voice_data.storage import file_sha256, write_text
from voice_data.treatment import PrepareConfig, Treated
from voice_data.verdict import Report

MANIFEST, REPORT, RECORD = "manifest.jsonl", "report.json", "prepare.json"
_FORMAT = 1
_log = logging.getLogger(__name__)


class PrepareError(ValueError):
    """A data set that cannot be prepared as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A finished training set: how many clips and seconds, and why others are not in it, by id."""

    folder: Path
    clips: int
    seconds: float
    manifest_sha256: str
    skipped: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "folder": os.fspath(self.folder),
            "clips": self.clips,
            "seconds": self.seconds,
            "manifest_sha256": self.manifest_sha256,
            "skipped": dict(self.skipped),
        }


def settings_of(config: PrepareConfig, without: Collection[str] = ()) -> dict[str, Any]:
    """Every setting that decides the result; how many processes do the work does not."""
    values = asdict(config)
    values["charset"] = file_sha256(config.charset) if config.charset is not None else None
    left_out = {"processes", *without}
    kept = {name: value for name, value in values.items() if name not in left_out}
    return json.loads(json.dumps({"format": _FORMAT, **kept}))


def write_set(
    staging: Path,
    out: Path,
    treated: Sequence[Treated],
    report: Report,
    keys: Mapping[str, str],
    config: PrepareConfig,
) -> Prepared:
    """Write the manifests, the report and the record into ``staging``, and remove other files.

    Raises:
        PrepareError: if no clip is usable, two have the same id, or the set cannot be split.
        OSError: if the disk is full.
    """
    skipped = _skipped(treated, report)
    kept = [each for each in treated if each.inspection.utterance.id not in skipped]
    clips = _divided(staging, [clip for each in kept for clip in each.clips], report, config)
    try:
        write_manifest(staging / MANIFEST, clips)
    except ManifestError as error:
        raise PrepareError(str(error)) from error
    write_text(staging / REPORT, _json(report.to_dict()))
    prepared = Prepared(
        folder=out,
        clips=len(clips),
        seconds=round(sum(clip.duration or 0.0 for clip in clips), 3),
        manifest_sha256=manifest_hash(clips),
        skipped=skipped,
    )
    values = {name: value for name, value in prepared.to_dict().items() if name != "folder"}
    record = {"settings": settings_of(config), "source_sha256": _joined(keys), **values}
    write_text(staging / RECORD, _json(record))
    _remove_others(staging / "wavs", {staging / clip.audio for clip in clips})
    return prepared


def finished_set(out: Path, keys: Mapping[str, str], config: PrepareConfig) -> Prepared:
    """What an earlier call made, if it was made of the same clips in the same way and is intact.

    Raises:
        PrepareError: if ``out`` holds anything else; it is left alone.
    """
    remedy = "it is kept: choose another folder, or remove it to prepare anew"
    if not (out / RECORD).is_file():
        raise PrepareError(f"{out} exists and is no data set of `prepare`; {remedy}")
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    for name, value in settings_of(config).items():
        if record["settings"].get(name) != value:
            was = record["settings"].get(name)
            raise PrepareError(f"{out} was made with {name} {was!r}, not {value!r}; {remedy}")
    if record["source_sha256"] != _joined(keys):
        raise PrepareError(f"{out} was made from other clips or texts; {remedy}")
    clips = read_manifest(out / MANIFEST)
    damaged = [clip.id for clip in clips if not is_intact(clip, out)]
    if damaged or manifest_hash(clips) != record["manifest_sha256"]:
        raise PrepareError(f"{out} was changed ({(damaged or [MANIFEST])[0]!r}); {remedy}")
    _log.info("%s is finished already", out)
    names = ("clips", "seconds", "manifest_sha256", "skipped")
    return Prepared(folder=out, **{name: record[name] for name in names})


def _skipped(treated: Sequence[Treated], report: Report) -> dict[str, str]:
    """Why each clip that is left out is left out, by its id."""
    reasons = {each.inspection.utterance.id: each.skipped for each in treated}
    for verdict in report.verdicts:
        rejects = [f for f in verdict.inspection.findings if f.severity == "reject"]
        if rejects and not reasons[verdict.id]:  # seen only in the whole set, such as a duplicate
            reasons[verdict.id] = f"{rejects[0].code}: {rejects[0].detail}"
    return {name: reason for name, reason in reasons.items() if reason}


def _divided(
    staging: Path, clips: Sequence[Utterance], report: Report, config: PrepareConfig
) -> list[Utterance]:
    """The clips in their order, each on its side of the split; the two lists are written."""
    if not clips:
        codes = ", ".join(f"{code} ({count})" for code, count in report.codes.items())
        raise PrepareError(f"no clip can be used: {codes}; `voice-data validate` says more")
    if config.split is None:
        return list(clips)
    settings = config.split
    if settings.speakers == "apart" and len({clip.speaker for clip in clips}) == 1:
        _log.info("there is one speaker, who stands on both sides of the split")
        settings = replace(settings, speakers="shared")
    try:
        result = split(clips, settings)
    except SplitError as error:
        raise PrepareError(f"{error}; or make no split, with split=null") from error
    write_split(staging, result)
    sides = {clip.id: clip for clip in (*result.train, *result.validation)}
    return [sides[clip.id] for clip in clips]


def _joined(keys: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(keys.values()).encode()).hexdigest()


def _remove_others(folder: Path, wanted: Collection[Path]) -> None:
    """Remove what an interruption or a rejection left behind, then the folders that are empty."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
