"""What a dialect is, and what the readers share: rows become utterances, errors get file and
line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from voice_data.container import SUFFIXES
from voice_data.manifest import ManifestError, Utterance

ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("id", "utt_id", "utterance_id"),
    "audio": (
        *("audio", "audio_file", "file_name", "filename", "path", "file", "audio_path"),
        *("audio_filepath", "wav", "wav_path", "wav_filename"),
    ),
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "speaker": ("speaker", "speaker_name", "speaker_id", "client_id"),
    "language": ("language", "lang", "locale"),
    "duration": ("duration",),
    "rate": ("rate", "sample_rate", "sampling_rate"),
    "licence": ("licence", "license"),
    **{name: (name,) for name in ("sha256", "consent", "source", "split")},
}
"""The names under which data sets keep each field of an utterance, the preferred ones first."""

_FIELD_OF = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_AUDIO_FOLDERS = ("wavs", "audio", "clips", "wav")
_NUMBERS: dict[str, type] = {"duration": float, "rate": int}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to lay out a data set: an index of clips and the places of their audio files.

    ``read`` takes the index file (or the folder, for layouts without one) and ``write`` a folder;
    ``place`` says where an utterance's audio file belongs in that folder.
    """

    name: str
    summary: str
    index: str
    read: Callable[[Path], list[Utterance]]
    write: Callable[[Path, Sequence[Utterance]], None]
    place: Callable[[Utterance], str]


def collect(
    rows: Iterable[tuple[Path, int, Row]], build: Callable[[Row, Path], Utterance]
) -> list[Utterance]:
    """``build(row, folder)`` for rows given with their file and line (from 1); ids must be unique.

    Raises:
        ManifestError: starting with ``FILE:LINE:``.
    """
    utterances: list[Utterance] = []
    seen: dict[str, int] = {}
    for path, line, row in rows:
        try:
            utterance = build(row, path.parent)
            if utterance.id in seen:
                raise ManifestError(
                    f"the clip {utterance.id!r} was on line {seen[utterance.id]} already: keep one"
                )
        except ManifestError as error:
            raise ManifestError(f"{os.fspath(path)}:{line}: {error}") from None
        seen[utterance.id] = line
        utterances.append(utterance)
    return utterances


def from_row(row: Mapping[str, Any], folder: Path) -> Utterance:
    """An utterance from a row with names of :data:`ALIASES`, its audio looked for in ``folder``.

    Raises:
        ManifestError: if audio or text is missing or a value cannot be used.
    """
    return _utterance(row, lambda name: find_audio(folder, name))


def from_exact_row(row: Mapping[str, Any], folder: Path) -> Utterance:  # noqa: ARG001
    """As :func:`from_row`, for formats whose paths are complete and relative to their file.

    Raises:
        ManifestError: if audio or text is missing or a value cannot be used.
    """
    return _utterance(row, lambda name: name.removeprefix("./"))


def require_columns(found: Iterable[str], names: Iterable[str]) -> None:
    """Check that there is a column for the audio and one for the text.

    Raises:
        ManifestError: naming the columns that are there and the names that would do.
    """
    found = set(found)
    for name in ("audio", "text"):
        if name not in found:
            raise ManifestError(
                f"there is no column for the {name}: found {', '.join(map(str, names)) or 'none'}; "
                f"call one of them {' or '.join(ALIASES[name][:4])}"
            )


def field_of(column: str) -> str | None:
    """The field of an utterance that a column holds, or None."""
    return _FIELD_OF.get(column)


def find_audio(folder: Path, name: str) -> str:
    """The path of a clip that a list calls ``name``, with or without ending and sub-folder.

    A clip that is not there keeps its most likely path; the checks report it as missing.

    Raises:
        ManifestError: if ``name`` is empty.
    """
    if not name.strip():
        raise ManifestError("the name of the audio file is empty: fill it in or remove the line")
    name = name.removeprefix("./")
    has_suffix = PurePosixPath(name).suffix.lower() in SUFFIXES
    names = [name] if has_suffix else [name + suffix for suffix in SUFFIXES]
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name:
        return name  # an Utterance refuses it, with the reason
    places = ["", *(f"{place}/" for place in _AUDIO_FOLDERS)]
    for path in (place + candidate for candidate in names for place in places):
        if (folder / path).is_file():
            return path
    return names[0] if "/" in name else f"wavs/{names[0]}"


def id_of(audio: str) -> str:
    """The id that a path implies: without its ending and the usual audio folder.

    >>> id_of("wavs/a/b.wav")
    'a/b'
    """
    path = PurePosixPath(audio)
    stem = audio[: -len(path.suffix)] if path.suffix.lower() in SUFFIXES else audio
    head, _, tail = stem.partition("/")
    return tail if tail and head in _AUDIO_FOLDERS else stem


def place_in_wavs(utterance: Utterance) -> str:
    """``wavs/ID`` with the audio file's own ending."""
    return f"wavs/{utterance.id}{PurePosixPath(utterance.audio).suffix.lower()}"


def set_fields(utterances: Iterable[Utterance]) -> list[str]:
    """The names of the fields that at least one utterance uses, in the order of the dataclass."""
    utterances = list(utterances)
    names = [item.name for item in fields(Utterance)]
    return [
        name
        for name in names
        if any(getattr(item, name) not in ("", None, {}) for item in utterances)
    ]


def extra_keys(utterances: Iterable[Utterance]) -> list[str]:
    """The keys of ``extra`` that occur, in order of appearance."""
    return list(dict.fromkeys(key for utterance in utterances for key in utterance.extra))


def _utterance(row: Mapping[str, Any], locate: Callable[[str], str]) -> Utterance:
    values: dict[str, Any] = {}
    extra = row.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise ManifestError(f"extra must be an object, not {extra!r}")
    extra = {key: value for key, value in extra.items() if value is not None}
    for key, value in row.items():
        name = _FIELD_OF.get(key)
        if key == "extra" or value is None or (value == "" and name not in ("audio", "text")):
            continue
        if name is None or name in values:
            extra[key] = value
        else:
            values[name] = _number(name, value) if name in _NUMBERS else value
    require_columns(values, row)
    if not isinstance(values["audio"], str):
        kind = type(values["audio"]).__name__
        raise ManifestError(f"the audio must be given by a path, not by {kind}")
    values["audio"] = locate(values["audio"])
    values.setdefault("id", id_of(values["audio"]))
    return Utterance(**values, extra=extra)


def _number(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return _NUMBERS[name](value)
    except ValueError:
        raise ManifestError(f"{name} must be a number, not {value!r}") from None
