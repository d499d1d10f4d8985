"""Corpora with a layout of their own: LibriSpeech and Common Voice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from voice_data.formats.dialect import Dialect, collect, extra_keys, from_row, place_in_wavs
from voice_data.formats.tables import table_rows
from voice_data.manifest import ManifestError, Utterance, read_lines
from voice_data.storage import write_text

_LIBRI_ID = re.compile(r"(?P<speaker>[^-/\s]+)-(?P<chapter>[^-/\s]+)-[^/\s]+")
_LIBRI_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus")
_CV_SPLITS = {"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "test"}
_CV_FILES = {split: name for name, split in _CV_SPLITS.items()}
_CV_ALL = "validated.tsv"


def read_librispeech(path: Path) -> list[Utterance]:
    """``SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`` with lines ``ID TEXT``; the subset is
    the split."""
    root = path if path.is_dir() else path.parent
    indexes = sorted(root.rglob("*.trans.txt")) if path.is_dir() else [path]
    if not indexes:
        raise ManifestError(f"{os.fspath(path)}:1: no *.trans.txt in this folder: check the path")
    rows = (row for index in indexes for row in _libri_rows(index))
    return collect(rows, lambda row, folder: _from_libri(*row, folder, root))


def write_librispeech(folder: Path, utterances: Sequence[Utterance]) -> None:
    """One ``.trans.txt`` per chapter."""
    ordered = sorted(utterances, key=_libri_index)
    for index, items in groupby(ordered, key=_libri_index):
        target = folder / index
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, "".join(f"{item.id} {item.text}\n" for item in items))


def read_commonvoice(path: Path) -> list[Utterance]:
    """``train.tsv``, ``dev.tsv`` and ``test.tsv``, else ``validated.tsv``, with the audio in
    ``clips``."""
    if not path.is_dir():
        return collect(_cv_rows(path), from_row)
    indexes = [path / name for name in _CV_SPLITS if (path / name).is_file()] or [path / _CV_ALL]
    if not indexes[0].is_file():
        names = ", ".join([*_CV_SPLITS, _CV_ALL])
        raise ManifestError(
            f"{os.fspath(path)}:1: none of {names} is in this folder: check the path"
        )
    return collect((row for index in indexes for row in _cv_rows(index)), from_row)


def write_commonvoice(folder: Path, utterances: Sequence[Utterance]) -> None:
    """One table per split; the columns are Common Voice's, then the keys of ``extra``."""
    keys = extra_keys(utterances)
    header = "\t".join(["client_id", "path", "sentence", "locale", *keys])
    tables: dict[str, list[str]] = {}
    for item in utterances:
        cells = [item.speaker, item.audio.removeprefix("clips/"), item.text, item.language]
        cells += [str(item.extra.get(key, "")) for key in keys]
        tables.setdefault(_CV_FILES.get(item.split, _CV_ALL), [header]).append("\t".join(cells))
    for name, lines in tables.items():
        write_text(folder / name, "".join(f"{line}\n" for line in lines))


def _libri_rows(index: Path) -> Iterator[tuple[Path, int, tuple[str, str]]]:
    for number, line in enumerate(read_lines(index), start=1):
        if line.strip():
            name, _, text = line.partition(" ")
            yield index, number, (name, text)


def _from_libri(name: str, text: str, folder: Path, root: Path) -> Utterance:
    subset = folder.parent.parent
    split = subset.relative_to(root).as_posix() if subset.is_relative_to(root) else "."
    return Utterance(
        id=name,
        audio=(folder / f"{name}{_libri_suffix(folder, name)}").relative_to(root).as_posix(),
        text=text,
        speaker=_libri_match(name)["speaker"],
        split="" if split == "." else split,
    )


def _libri_match(name: str) -> re.Match[str]:
    match = _LIBRI_ID.fullmatch(name)
    if match is None:
        raise ManifestError(
            f"the id {name!r} is not of LibriSpeech's form SPEAKER-CHAPTER-NUMBER: rename the clip"
        )
    return match


def _libri_suffix(folder: Path, name: str) -> str:
    found = (suffix for suffix in _LIBRI_SUFFIXES if (folder / f"{name}{suffix}").is_file())
    return next(found, ".flac")


def _libri_folder(utterance: Utterance) -> PurePosixPath:
    match = _libri_match(utterance.id)
    return PurePosixPath(utterance.split, match["speaker"], match["chapter"])


def _libri_index(utterance: Utterance) -> str:
    match = _libri_match(utterance.id)
    return str(_libri_folder(utterance) / f"{match['speaker']}-{match['chapter']}.trans.txt")


def _libri_place(utterance: Utterance) -> str:
    return str(_libri_folder(utterance) / f"{utterance.id}.flac")


def _cv_rows(index: Path) -> Iterator[tuple[Path, int, dict[str, str]]]:
    split = _CV_SPLITS.get(index.name, "" if index.name == _CV_ALL else index.stem)
    for path, number, row in table_rows(index, "\t"):
        yield path, number, {**row, "path": f"clips/{row['path']}", "split": split}


def _cv_place(utterance: Utterance) -> str:
    return f"clips/{place_in_wavs(utterance).removeprefix('wavs/')}"


LIBRISPEECH = Dialect(
    name="librispeech",
    summary="SUBSET/SPEAKER/CHAPTER with .trans.txt files and FLAC",
    index="",
    read=read_librispeech,
    write=write_librispeech,
    place=_libri_place,
)
COMMONVOICE = Dialect(
    name="commonvoice",
    summary="train.tsv, dev.tsv, test.tsv or validated.tsv, audio in clips/",
    index="",
    read=read_commonvoice,
    write=write_commonvoice,
    place=_cv_place,
)
