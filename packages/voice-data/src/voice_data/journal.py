"""What an interrupted `prepare` has finished, so that the next one goes on from there."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from voice_data.checks import Finding
from voice_data.inspection import Inspection
from voice_data.manifest import ManifestError, Utterance
from voice_data.storage import file_sha256, write_failure
from voice_data.treatment import Treated

NAME = "journal.jsonl"
_log = logging.getLogger(__name__)


class Journal:
    """A file with one line per finished clip; a line that was cut off counts as not written.

    It belongs to one set of settings: with others, what it holds is forgotten.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open the journal of ``folder`` and read what it holds.

        Raises:
            OSError: if the disk is full or the folder cannot be written.
        """
        self._path = folder / NAME
        self._folder = folder
        self._finished: dict[str, Treated] = {}
        header = {"settings": hashlib.sha256(_json(settings).encode()).hexdigest()}
        lines = self._whole_lines()
        if lines and json.loads(lines[0]) == header:
            for line in lines[1:]:
                entry = json.loads(line)
                self._finished[entry["key"]] = _treated(entry)
            _log.info("%d clips are done already", len(self._finished))
        else:
            lines = [_json(header)]
        try:
            self._file = self._path.open("w", encoding="utf-8")
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
        except OSError as error:
            raise write_failure(self._path, error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def recall(self, key: str) -> Treated | None:
        """What was made of the clip ``key``, if every file of it is still there unchanged."""
        treated = self._finished.get(key)
        if treated is None:
            return None
        intact = all(is_intact(clip, self._folder) for clip in treated.clips)
        return treated if intact else None

    def record(self, key: str, treated: Treated) -> None:
        """Write down that a clip is finished.

        Raises:
            OSError: if the disk is full.
        """
        entry = {
            "key": key,
            "inspection": _inspection_values(treated.inspection),
            "clips": [clip.to_dict() for clip in treated.clips],
            "skipped": treated.skipped,
        }
        try:
            self._file.write(f"{_json(entry)}\n")
            self._file.flush()
        except OSError as error:
            raise write_failure(self._path, error) from error

    def _whole_lines(self) -> list[str]:
        if not self._path.is_file():
            return []
        lines = self._path.read_bytes().split(b"\n")[:-1]  # after the last line end: cut off
        whole: list[str] = []
        for line in lines:
            try:
                json.loads(line)
            except ValueError:
                break
            whole.append(line.decode())
        return whole


def key_of(utterance: Utterance, folder: str | os.PathLike[str]) -> str:
    """A hash of everything that decides what becomes of a clip: its row and its file's bytes."""
    try:
        path = utterance.path_in(folder)
        content = file_sha256(path) if path.is_file() else ""
    except (ManifestError, OSError):
        content = ""
    return hashlib.sha256(f"{_json(utterance.to_dict())}\n{content}".encode()).hexdigest()


def is_intact(clip: Utterance, folder: Path) -> bool:
    """Whether the clip's file is in the data set ``folder`` with the bytes that were hashed."""
    path = clip.path_in(folder)
    return path.is_file() and file_sha256(path) == clip.sha256


def _inspection_values(inspection: Inspection) -> dict[str, Any]:
    values = asdict(inspection)
    return {**values, "utterance": inspection.utterance.to_dict()}


def _treated(entry: Mapping[str, Any]) -> Treated:
    values = dict(entry["inspection"])
    values["utterance"] = Utterance.from_dict(values["utterance"])
    values["findings"] = tuple(Finding(**finding) for finding in values["findings"])
    return Treated(
        inspection=Inspection(**values),
        clips=tuple(Utterance.from_dict(clip) for clip in entry["clips"]),
        skipped=entry["skipped"],
    )


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, ensure_ascii=False, default=os.fspath)
