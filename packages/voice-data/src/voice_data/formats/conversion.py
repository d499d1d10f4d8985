"""From one dialect to another without losing anything, or a refusal that names what would be
lost."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from voice_data.formats.dialect import Dialect
from voice_data.formats.documents import HF, JSON, JSONL
from voice_data.formats.layouts import COMMONVOICE, LIBRISPEECH
from voice_data.formats.sniffing import find_index, sniff
from voice_data.formats.tables import CSV, LJSPEECH, PIPE, TAB
from voice_data.manifest import ManifestError, Utterance
from voice_data.storage import write_failure

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (LJSPEECH, PIPE, CSV, TAB, JSON, JSONL, HF, LIBRISPEECH, COMMONVOICE)
}
"""Every dialect by its name."""

_MEASURED = ("audio", "duration", "rate", "sha256")  # placed anew, or measured from the file again


class LossError(ManifestError):
    """A dialect cannot hold what the utterances say; the message names the fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What :func:`convert` did: from which dialect to which, how many clips, into which folder."""

    source_dialect: str
    target_dialect: str
    utterances: int
    folder: Path


def read_dataset(path: str | os.PathLike[str], dialect: str | None = None) -> list[Utterance]:
    """Read a data set, finding out its dialect unless it is named. Audio files are not opened.

    Raises:
        ManifestError: starting with ``FILE:LINE:``, for anything wrong in the index.
        OSError: if a file cannot be read.
    """
    path = Path(path)
    chosen = dialect_named(dialect or sniff(path))
    return chosen.read(find_index(path) if chosen.index else path)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    dialect: str,
    *,
    source_dialect: str | None = None,
    drop: Collection[str] = (),
) -> Conversion:
    """Copy a data set into the new folder ``target`` in another dialect, audio included.

    Audio bytes are copied as they are; duration, rate and hash need no place in an index, because
    they are measured again. ``drop`` names fields whose loss is accepted, such as ``speaker``,
    ``extra`` or ``extra.age``. The source is never touched, and the folder appears whole or not at
    all.

    Raises:
        LossError: if the dialect cannot hold a field; the message names it.
        ManifestError: if the source cannot be read, an audio file is missing or leaves the
            folder, or
            ``target`` exists.
        OSError: if the disk is full or the folder cannot be written.
    """
    chosen = dialect_named(dialect)
    origin = source_dialect or sniff(source)
    root = Path(source) if Path(source).is_dir() else Path(source).parent
    utterances = read_dataset(source, origin)
    kept = [_without(item, drop) for item in utterances]
    placed = place(kept, chosen)
    refuse_loss(kept, chosen)
    sources = [_existing(item, root) for item in kept]
    with _new_folder(Path(target)) as folder:
        for item, file in zip(placed, sources, strict=True):
            (folder / item.audio).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / item.audio)
        chosen.write(folder, placed)
    return Conversion(
        source_dialect=origin,
        target_dialect=dialect,
        utterances=len(placed),
        folder=Path(target),
    )


def write_index(
    folder: str | os.PathLike[str], utterances: Sequence[Utterance], dialect: str
) -> None:
    """Write only the index of a data set whose audio is in place already.

    Raises:
        LossError: if the dialect cannot hold a field, or wants the audio in another place.
        OSError: if the disk is full or the folder cannot be written.
    """
    chosen = dialect_named(dialect)
    for before, after in zip(utterances, place(utterances, chosen), strict=True):
        if before.audio != after.audio:
            raise LossError(f"{dialect} wants {before.audio!r} at {after.audio!r}: use convert")
    refuse_loss(utterances, chosen)
    chosen.write(Path(folder), utterances)


def lost_fields(utterances: Sequence[Utterance], dialect: Dialect) -> dict[str, list[str]]:
    """The fields that do not survive being written and read back, each with the ids of its clips.

    Raises:
        LossError: if what is written cannot even be read back.
    """
    placed = place(utterances, dialect)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for item in placed:  # readers look where the files are; empty ones will do
            (folder / item.audio).parent.mkdir(parents=True, exist_ok=True)
            (folder / item.audio).touch()
        try:
            dialect.write(folder, placed)
            back = {item.audio: item for item in dialect.read(folder / dialect.index)}
        except ManifestError as error:
            reason = str(error).replace(f"{folder}{os.sep}", "")
            raise LossError(f"{dialect.name} cannot hold these clips ({reason})") from None
    lost: dict[str, list[str]] = {}
    for item in placed:
        for field in _differences(item, back.get(item.audio)):
            lost.setdefault(field, []).append(item.id)
    return lost


def refuse_loss(utterances: Sequence[Utterance], dialect: Dialect) -> None:
    """Raise if anything would be lost.

    Raises:
        LossError: naming the fields, how many clips they concern, and the remedy.
    """
    lost = lost_fields(utterances, dialect)
    if lost:
        what = ", ".join(
            f"{name} ({len(ids)} clips, first {ids[0]!r})" for name, ids in lost.items()
        )
        raise LossError(
            f"{dialect.name} cannot hold {what}: choose another dialect (jsonl holds every field) "
            "or accept the loss by naming the fields in drop"
        )


def place(utterances: Sequence[Utterance], dialect: Dialect) -> list[Utterance]:
    """The utterances with their audio where the dialect wants it.

    Raises:
        LossError: if an audio format or an id does not fit the dialect, or two clips share a place.
    """
    placed: list[Utterance] = []
    taken: dict[str, str] = {}
    for item in utterances:
        try:
            audio = dialect.place(item)
            moved = replace(item, audio=audio)
        except ManifestError as error:
            raise LossError(f"{dialect.name} cannot hold {item.id!r}: {error}") from None
        wanted = PurePosixPath(audio).suffix
        found = PurePosixPath(item.audio).suffix.lower() or "a file without ending"
        if wanted != found:
            raise LossError(
                f"{dialect.name} holds {wanted} files and {item.id!r} is {found}: "
                "convert the audio first (prepare does it)"
            )
        if audio in taken:
            raise LossError(
                f"{dialect.name}: {item.id!r} and {taken[audio]!r} share {audio!r}: rename one"
            )
        taken[audio] = item.id
        placed.append(moved)
    return placed


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        ManifestError: listing the known ones.
    """
    if name not in DIALECTS:
        raise ManifestError(f"unknown dialect {name!r}: use one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def _differences(before: Utterance, after: Utterance | None) -> list[str]:
    """The fields whose value is gone or changed; one that a layout adds is no loss."""
    if after is None:
        return ["the clip itself"]
    names = [item.name for item in fields(Utterance) if item.name not in (*_MEASURED, "extra")]
    used = [name for name in names if name == "text" or getattr(before, name)]
    changed = [name for name in used if getattr(before, name) != getattr(after, name)]
    return changed + [
        f"extra.{key}"
        for key, value in before.extra.items()
        if (type(value), value) != (type(after.extra.get(key)), after.extra.get(key))
    ]


def _without(utterance: Utterance, drop: Collection[str]) -> Utterance:
    allowed = [item.name for item in fields(Utterance) if item.name not in ("id", "audio", "text")]
    changes: dict[str, Any] = {}
    extra = dict(utterance.extra)
    for name in drop:
        field, _, key = name.partition(".")
        if field not in allowed or (key and field != "extra"):
            raise LossError(f"drop names {name!r}: use one of {', '.join(allowed)}, or extra.KEY")
        if field == "extra":
            extra = {k: v for k, v in extra.items() if key and k != key}
        else:
            changes[field] = None if field in ("duration", "rate") else ""
    return replace(utterance, extra=extra, **changes)


def _existing(utterance: Utterance, root: Path) -> Path:
    file = utterance.path_in(root)
    if not file.is_file():
        raise ManifestError(
            f"the audio of {utterance.id!r} is missing: {os.fspath(file)} is not a file"
        )
    return file


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that becomes it when the block ends well."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ManifestError(f"{os.fspath(target)} exists and is kept: choose a new folder")
    staging = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.replace(target)
    except OSError as error:
        raise write_failure(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
