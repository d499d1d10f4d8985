"""Which dialect a file or folder speaks, by its content."""

from __future__ import annotations

import os
from pathlib import Path

from voice_data.formats.dialect import field_of
from voice_data.formats.tables import DELIMITERS, delimiter_of
from voice_data.manifest import ManifestError, parse_object, read_lines

_INDEXES = (
    *("manifest.jsonl", "metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.txt"),
    *("metadata.json", "transcripts.txt", "metadata"),
)
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".lst", ".list")


def sniff(path: str | os.PathLike[str]) -> str:
    """The name of the dialect of a data set's folder or index file.

    Raises:
        ManifestError: if it is none of them; the message says what was found.
        OSError: if the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        if any((path / name).is_file() for name in ("train.tsv", "validated.tsv")):
            return "commonvoice"
        if next(path.rglob("*.trans.txt"), None):
            return "librispeech"
    index = find_index(path)
    if index.name.endswith(".trans.txt"):
        return "librispeech"
    lines = [line for line in read_lines(index) if line.strip()]
    if not lines:
        raise ManifestError(f"{os.fspath(index)}:1: the file is empty: add one line per clip")
    try:
        return _by_line(lines[0])
    except ManifestError as error:
        raise ManifestError(f"{os.fspath(index)}:1: {error}") from None


def find_index(path: Path) -> Path:
    """The file that lists the clips: ``path`` itself, a usual name, or the only list in the folder.

    Raises:
        ManifestError: if there is none, or more than one.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise ManifestError(f"{os.fspath(path)}:1: no such file or folder: check the path")
    for name in _INDEXES:
        if (path / name).is_file():
            return path / name
    found = sorted(item for item in path.iterdir() if item.suffix in _SUFFIXES and item.is_file())
    if len(found) == 1:
        return found[0]
    names = ", ".join(item.name for item in found) or "no list at all"
    raise ManifestError(
        f"{os.fspath(path)}:1: which file lists the clips? There is {names}: "
        f"name the file, or call it {_INDEXES[2]}"
    )


def _by_line(line: str) -> str:
    if line.lstrip().startswith("["):
        return "json"
    if line.lstrip().startswith("{"):
        return "hf" if "file_name" in parse_object(line) else "jsonl"
    cells = [cell.strip().strip('"') for cell in line.split(delimiter_of(line))]
    fields = {field_of(cell) for cell in cells}
    if "\t" in line and {"client_id", "path", "sentence"} <= set(cells):
        return "commonvoice"
    if {"audio", "text"} <= fields:
        return "hf" if "file_name" in cells and "," in line else "csv"
    if "\t" in line:
        return "tab"
    if "|" in line:
        return "ljspeech" if line.count("|") >= 2 else "pipe"
    if fields - {None}:
        return "csv"  # a header that lacks a column: its reader says which
    names = " ".join(repr(delimiter) for delimiter in DELIMITERS)
    raise ManifestError(
        f"cannot tell the dialect from {line[:60]!r}: JSON, a header, or columns separated by one "
        f"of {names} are known; name the dialect if this is one"
    )
