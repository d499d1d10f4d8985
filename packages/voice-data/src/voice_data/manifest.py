"""Utterances and the JSONL manifests that list them: the source of truth for every other module."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from voice_data.storage import PathError, check_relative, inside, write_text

Extra = str | int | float | bool | list
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^\s\x00-\x1f]+( [^\s\x00-\x1f]+)*")
_BYTE_ORDER_MARK = "\ufeff"


class ManifestError(ValueError):
    """A manifest that cannot be used; if a file is at fault the message starts ``FILE:LINE:``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One clip and what is said in it.

    ``audio`` is relative to the manifest's folder, with forward slashes; ``duration`` is in
    seconds, ``rate`` in Hz, ``sha256`` that of the audio file's bytes. What a data set knows
    beyond these goes into ``extra``.

    >>> Utterance(id="a", audio="wavs/a.wav", text="Hello.").split
    ''

    Raises:
        ManifestError: if a field has the wrong type or value; the message names both.
    """

    id: str
    audio: str
    text: str
    speaker: str = ""
    language: str = ""
    duration: float | None = None
    rate: int | None = None
    sha256: str = ""
    licence: str = ""
    consent: str = ""
    source: str = ""
    split: str = ""
    extra: Mapping[str, Extra] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _TEXT_FIELDS:
            _check_text(name, getattr(self, name))
        if not _NAME.fullmatch(self.id):
            raise ManifestError(
                f"id {self.id!r} is empty or holds white space at an end: give each clip a name"
            )
        try:
            check_relative(self.audio)
        except PathError as error:
            raise ManifestError(f"audio: {error}") from None
        if self.duration is not None and not _is_number(self.duration, minimum=0.0):
            raise ManifestError(f"duration must be seconds (0 or more), not {self.duration!r}")
        if self.duration is not None:
            object.__setattr__(self, "duration", float(self.duration))  # 1 and 1.0 hash alike
        if self.rate is not None and (type(self.rate) is not int or self.rate < 1):
            raise ManifestError(f"rate must be a positive int in Hz, not {self.rate!r}")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ManifestError(
                f"sha256 must be 64 lower-case hexadecimal digits, not {self.sha256!r}"
            )
        object.__setattr__(self, "extra", _checked_extra(self.extra))

    def path_in(self, folder: str | os.PathLike[str]) -> Path:
        """The clip's file, ``folder`` being the manifest's.

        Raises:
            ManifestError: if a symbolic link leads out of ``folder``.
        """
        try:
            return inside(folder, self.audio)
        except PathError as error:
            raise ManifestError(f"{self.id}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, in order, ready for JSON."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        kept = {
            name: value
            for name, value in values
            if name in _REQUIRED or value not in ("", None, {})
        }
        return {name: dict(value) if name == "extra" else value for name, value in kept.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Utterance:
        """Build from JSON's values.

        Raises:
            ManifestError: if a key is missing or unknown, or a value is wrong.
        """
        known = [item.name for item in fields(cls)]
        if missing := [name for name in _REQUIRED if name not in values]:
            raise ManifestError(f"the key {missing[0]!r} is missing: add it")
        if unknown := sorted(set(values) - set(known)):
            raise ManifestError(
                f"unknown key {unknown[0]!r}: use one of {', '.join(known)}, or put it into 'extra'"
            )
        return cls(**values)


_REQUIRED = ("id", "audio", "text")
_TEXT_FIELDS = tuple(item.name for item in fields(Utterance) if item.type == "str")


def read_manifest(path: str | os.PathLike[str]) -> list[Utterance]:
    """Read a JSONL manifest: one object per line, blank lines allowed, ids unique.

    Raises:
        ManifestError: naming file and line, if it is not UTF-8 or JSON, or a value is wrong.
        OSError: if the file cannot be read.
    """
    utterances: dict[str, Utterance] = {}
    lines_of: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            utterance = Utterance.from_dict(parse_object(line))
            if utterance.id in utterances:
                raise ManifestError(
                    f"the id {utterance.id!r} was used on line {lines_of[utterance.id]}: "
                    "make ids unique"
                )
        except ManifestError as error:
            raise ManifestError(f"{os.fspath(path)}:{number}: {error}") from None
        utterances[utterance.id] = utterance
        lines_of[utterance.id] = number
    return list(utterances.values())


def write_manifest(path: str | os.PathLike[str], utterances: Iterable[Utterance]) -> None:
    """Write a JSONL manifest, whole or not at all. The same utterances give the same bytes.

    Raises:
        ManifestError: if two utterances have the same id.
        OSError: if the disk is full or the folder cannot be written.
    """
    utterances = list(utterances)
    _check_unique(utterances)
    write_text(path, "".join(_line(utterance.to_dict()) for utterance in utterances))


def manifest_hash(source: str | os.PathLike[str] | Iterable[Utterance]) -> str:
    """SHA-256 of the utterances as canonical JSON lines, sorted by id.

    So neither the order of the lines nor their spacing counts.

    Raises:
        ManifestError: as :func:`read_manifest`, or if two utterances have the same id.
    """
    utterances = read_manifest(source) if isinstance(source, (str, os.PathLike)) else list(source)
    _check_unique(utterances)
    digest = hashlib.sha256()
    for utterance in sorted(utterances, key=lambda item: item.id):
        digest.update(_line(utterance.to_dict(), sort_keys=True).encode("utf-8"))
    return digest.hexdigest()


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 file (a byte-order mark is dropped), split at ``\\n`` or ``\\r\\n``.

    Raises:
        ManifestError: naming file and line, if a line is not UTF-8.
        OSError: if the file cannot be read.
    """
    lines = []
    for number, raw in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise ManifestError(
                f"{os.fspath(path)}:{number}: byte 0x{raw[error.start]:02x} at position "
                f"{error.start + 1} is not UTF-8: save the file as UTF-8 "
                "(it may be Latin-1 or Windows-1252)"
            ) from None
        lines.append(line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line)
    if lines[-1] == "":
        lines.pop()
    return lines


def _line(values: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys) + "\n"


def parse_object(line: str) -> dict[str, Any]:
    """The JSON object on a line; repeated keys and NaN are refused.

    Raises:
        ManifestError: if it is not one.
    """
    try:
        values = json.loads(
            line, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant
        )
    except (json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deep")
        column = getattr(error, "colno", 1)
        raise ManifestError(
            f"not JSON ({reason} at column {column}): one JSON object per line"
        ) from None
    if not isinstance(values, dict):
        raise ManifestError(
            f"a JSON object is needed, not {type(values).__name__}: one object per line"
        )
    return values


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ManifestError(f"the key {repeated!r} stands twice: keep one")
    return values


def _refuse_constant(name: str) -> None:
    raise ManifestError(f"{name} is not a JSON number: leave the field out")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ManifestError(f"{name} must be text, not {value!r}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ManifestError(f"{name} {value!r} holds a lone surrogate: remove it") from None


def _is_number(value: object, *, minimum: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value >= minimum


def _checked_extra(extra: object) -> dict[str, Extra]:
    if not isinstance(extra, Mapping):
        raise ManifestError(f"extra must be an object, not {extra!r}")
    for name, value in extra.items():
        _check_text("a key of extra", name)
        if not isinstance(value, (str, int, float, bool, list)):
            raise ManifestError(
                f"extra[{name!r}] must be text, a number, true, false or a list, not {value!r}"
            )
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError) as error:
            raise ManifestError(
                f"extra[{name!r}] cannot be written as JSON ({error}): remove it"
            ) from None
    return dict(extra)


def _check_unique(utterances: Iterable[Utterance]) -> None:
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise ManifestError(f"the id {utterance.id!r} is used twice: make ids unique")
        seen.add(utterance.id)
