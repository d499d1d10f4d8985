"""JSON lists, JSON lines, and the folder layout and rows of Hugging Face data sets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from voice_data.container import SUFFIXES
from voice_data.formats.dialect import (
    Dialect,
    collect,
    from_exact_row,
    place_in_wavs,
)
from voice_data.formats.tables import table_rows
from voice_data.manifest import ManifestError, Utterance, parse_object, read_lines, write_manifest
from voice_data.storage import PathError, inside, replacing, write_text

_SPACE = re.compile(r"\s*")


def read_json(path: Path) -> list[Utterance]:
    """A JSON list of objects such as ``{"audio": "wavs/a.wav", "text": "Hello."}``."""
    return collect(_list_rows(path), from_exact_row)


def write_json(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.json``; every field is kept."""
    lines = ",\n".join(f"  {json.dumps(item.to_dict(), ensure_ascii=False)}" for item in utterances)
    write_text(folder / "metadata.json", f"[\n{lines}\n]\n")


def read_jsonl(path: Path) -> list[Utterance]:
    """JSON lines: the manifests of this package, and others that name audio and text in their own
    way."""
    return collect(_line_rows(path), from_exact_row)


def write_jsonl(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``manifest.jsonl``; every field is kept."""
    write_manifest(folder / "manifest.jsonl", utterances)


def read_hf(path: Path) -> list[Utterance]:
    """``metadata.jsonl`` or ``metadata.csv`` with a column ``file_name``, as ``datasets`` reads
    folders."""
    rows = table_rows(path, ",") if path.suffix == ".csv" else _line_rows(path)
    return collect(rows, from_exact_row)


def write_hf(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.jsonl``; the keys of ``extra`` become columns."""
    rows = (_flat(item, {"file_name": item.audio}) for item in utterances)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / "metadata.jsonl", text)


def from_rows(rows: Iterable[Mapping[str, Any]], folder: str | os.PathLike[str]) -> list[Utterance]:
    """Utterances from the rows of a Hugging Face data set whose audio column is not decoded.

    Load it with ``dataset.cast_column("audio", Audio(decode=False))``; no torchcodec is needed.
    Audio that comes as bytes is written into ``folder/wavs``; audio that comes as a path must lie
    in ``folder``.

    Raises:
        ManifestError: naming the row (from 1), if audio or text is missing or a path leaves
            ``folder``. OSError: if the disk is full or the folder cannot be written.
    """
    root = Path(folder)
    numbered = (
        (Path("rows"), number, {"number": number, **row}) for number, row in enumerate(rows, 1)
    )
    return collect(numbered, lambda row, _: _stored(row, root))


def to_rows(
    utterances: Iterable[Utterance], folder: str | os.PathLike[str]
) -> Iterator[dict[str, Any]]:
    """Rows for ``datasets.Dataset.from_generator``: audio as path and bytes, beside the fields.

    Raises:
        ManifestError: if a symbolic link leads out of ``folder``.
        OSError: if an audio file cannot be read.
    """
    for item in utterances:
        audio = {"path": item.audio, "bytes": item.path_in(folder).read_bytes()}
        yield _flat(item, {"audio": audio})


def _flat(utterance: Utterance, audio: Mapping[str, Any]) -> dict[str, Any]:
    values = utterance.to_dict()
    extra = values.pop("extra", {})
    del values["audio"]
    if shared := sorted(set(extra) & {*values, *audio}):
        raise ManifestError(
            f"{utterance.id}: extra has a key {shared[0]!r} like a column's: rename it"
        )
    return {**audio, **values, **extra}


def _stored(row: dict[str, Any], folder: Path) -> Utterance:
    number, audio = row.pop("number"), row.get("audio")
    if not isinstance(audio, Mapping):
        return from_exact_row(row, folder)
    content = audio.get("bytes")
    path = audio.get("path") or f"{row.get('id') or f'{number:06}'}.wav"
    if content is not None:
        path = path if PurePosixPath(path).suffix.lower() in SUFFIXES else f"{path}.wav"
        path = path if path.startswith("wavs/") else f"wavs/{PurePosixPath(path).name}"
        _store(folder, path, content)
    return from_exact_row({**row, "audio": path}, folder)


def _store(folder: Path, path: str, content: bytes) -> None:
    try:
        target = inside(folder, path)
    except PathError as error:
        raise ManifestError(str(error)) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, overwrite=False) as temporary:
        temporary.write_bytes(content)


def _line_rows(path: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                yield path, number, parse_object(line)
            except ManifestError as error:
                raise ManifestError(f"{os.fspath(path)}:{number}: {error}") from None


def _list_rows(path: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Walk the list item by item, so that every item's line is known."""
    text = "\n".join(read_lines(path))
    decoder = json.JSONDecoder()
    position = _after(text, 0, "[", path)
    while text[position : position + 1] != "]":
        try:
            row, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise ManifestError(
                f"{os.fspath(path)}:{error.lineno}: not JSON ({error.msg})"
            ) from None
        line = text.count("\n", 0, position) + 1
        if not isinstance(row, dict):
            raise ManifestError(f"{os.fspath(path)}:{line}: an object is needed, not {row!r}")
        yield path, line, row
        position = _skipped(text, end)
        if text[position : position + 1] != "]":
            position = _after(text, position, ",", path)


def _after(text: str, position: int, expected: str, path: Path) -> int:
    position = _skipped(text, position)
    if text[position : position + 1] != expected:
        line = text.count("\n", 0, position) + 1
        found = text[position : position + 1] or "the end of the file"
        raise ManifestError(f"{os.fspath(path)}:{line}: {expected!r} is needed here, not {found!r}")
    return _skipped(text, position + 1)


def _skipped(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


JSON = Dialect(
    name="json",
    summary='a list of {"audio": ..., "text": ...} in metadata.json',
    index="metadata.json",
    read=read_json,
    write=write_json,
    place=place_in_wavs,
)
JSONL = Dialect(
    name="jsonl",
    summary="one object per line in manifest.jsonl; holds every field",
    index="manifest.jsonl",
    read=read_jsonl,
    write=write_jsonl,
    place=place_in_wavs,
)
HF = Dialect(
    name="hf",
    summary="metadata.jsonl with a column file_name, as Hugging Face datasets reads folders",
    index="metadata.jsonl",
    read=read_hf,
    write=write_hf,
    place=place_in_wavs,
)
