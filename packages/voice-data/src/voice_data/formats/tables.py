"""Lists with columns: LJSpeech, ``filename|text``, tab lists, and tables with a header."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from voice_data.formats.dialect import (
    Dialect,
    collect,
    extra_keys,
    field_of,
    find_audio,
    from_row,
    id_of,
    place_in_wavs,
    require_columns,
    set_fields,
)
from voice_data.manifest import ManifestError, Utterance, read_lines
from voice_data.storage import write_text

DELIMITERS = ("|", "\t", ",", ";")
_QUOTED = (",", ";")  # with | and tab, a quote is a character like any other
_COLUMN_NAMES = {"audio": "audio_file", "speaker": "speaker_name"}


def read_ljspeech(path: Path) -> list[Utterance]:
    """``id|text|normalised text``: the last is the utterance's text, the other
    ``extra["raw_text"]``."""
    return collect(_rows(path, "|"), _from_ljspeech)


def write_ljspeech(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.csv`` beside ``wavs``."""
    rows = ((item.id, item.extra.get("raw_text", item.text), item.text) for item in utterances)
    _write_rows(folder / "metadata.csv", rows, "|")


def read_pipe(path: Path) -> list[Utterance]:
    """``filename|text``, without a header."""
    return collect(_rows(path, "|"), _from_pair)


def write_pipe(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.csv`` beside ``wavs``; the names are those inside ``wavs``."""
    rows = ((item.audio.removeprefix("wavs/"), item.text) for item in utterances)
    _write_rows(folder / "metadata.csv", rows, "|")


def read_tab(path: Path) -> list[Utterance]:
    """``path<TAB>text``, without a header."""
    return collect(_rows(path, "\t"), _from_pair)


def write_tab(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.txt`` beside ``wavs``; the paths are relative to the list."""
    _write_rows(folder / "metadata.txt", ((item.audio, item.text) for item in utterances), "\t")


def read_csv(path: Path) -> list[Utterance]:
    """A table whose first row names the columns, separated by ``|``, tab, comma or semicolon."""
    return collect(table_rows(path), from_row)


def write_csv(folder: Path, utterances: Sequence[Utterance]) -> None:
    """``metadata.csv`` with a header and ``|`` between the columns, one for each field in use."""
    names = [
        name for name in set_fields(utterances) if name not in ("id", "extra", "audio", "text")
    ]
    keys = extra_keys(utterances)
    columns = ["audio", "text", *names]
    header = [*(_COLUMN_NAMES.get(name, name) for name in columns), *keys]
    rows = (
        [
            *(_cell(getattr(item, name)) for name in columns),
            *(_cell(item.extra.get(key)) for key in keys),
        ]
        for item in utterances
    )
    _write_rows(folder / "metadata.csv", [header, *rows], "|")


def table_rows(
    path: Path, delimiter: str | None = None
) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """The rows of a table with a header, as mappings from column to text.

    Raises:
        ManifestError: starting with ``FILE:LINE:``, for a missing column, a row of another
            length, a quote
            that is never closed, or bytes that are not UTF-8.
    """
    lines = read_lines(path)
    delimiter = delimiter or delimiter_of(lines[0] if lines else "")
    header: list[str] = []
    for number, cells in split_rows(path, lines, delimiter):
        if not header:
            header = [cell.strip() for cell in cells]
            _check_header(path, number, header)
        elif len(cells) != len(header):
            short = len(cells) < len(header)
            raise ManifestError(
                f"{os.fspath(path)}:{number}: {_columns(len(cells))} where the header has "
                f"{len(header)}: {'complete the row' if short else f'remove a {delimiter!r}'}"
            )
        else:
            yield path, number, dict(zip(header, cells, strict=True))


def split_rows(path: Path, lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row that is not blank, with the number of its first line.

    Raises:
        ManifestError: for a quote that is never closed or that text follows.
    """
    if delimiter not in _QUOTED:
        yield from (
            (n, line.split(delimiter)) for n, line in enumerate(lines, start=1) if line.strip()
        )
        return
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ManifestError(
                f"{os.fspath(path)}:{start}: wrong quotes ({error}): close the quote that opens "
                'here, and write a quote inside a quoted cell twice ("")'
            ) from None
        if cells:
            yield start, cells


def delimiter_of(header: str) -> str:
    """The delimiter that the header row uses most."""
    return max(DELIMITERS, key=header.count)


def _check_header(path: Path, number: int, header: list[str]) -> None:
    try:
        require_columns(filter(None, map(field_of, header)), header)
    except ManifestError as error:
        raise ManifestError(f"{os.fspath(path)}:{number}: {error}") from None
    if repeated := [name for name in header if header.count(name) > 1]:
        raise ManifestError(
            f"{os.fspath(path)}:{number}: the column {repeated[0]!r} stands twice: rename one"
        )


def _rows(path: Path, delimiter: str) -> Iterator[tuple[Path, int, list[str]]]:
    for number, cells in split_rows(path, read_lines(path), delimiter):
        yield path, number, cells


def _from_ljspeech(cells: list[str], folder: Path) -> Utterance:
    _check_width(cells, 3, "id|text|normalised text")
    name, raw, text = cells
    audio = find_audio(folder, name)
    extra = {"raw_text": raw} if raw != text and text else {}
    return Utterance(id=id_of(audio), audio=audio, text=text or raw, extra=extra)


def _from_pair(cells: list[str], folder: Path) -> Utterance:
    _check_width(cells, 2, "file and text")
    audio = find_audio(folder, cells[0])
    return Utterance(id=id_of(audio), audio=audio, text=cells[1])


def _check_width(cells: list[str], width: int, shape: str) -> None:
    if len(cells) != width:
        advice = "complete the line" if len(cells) < width else "take the delimiter out of the text"
        raise ManifestError(f"{_columns(len(cells))} where {width} are needed ({shape}): {advice}")


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _write_rows(path: Path, rows: Iterable[Sequence[object]], delimiter: str) -> None:
    write_text(path, "".join(delimiter.join(map(str, row)) + "\n" for row in rows))


def _place_wav(utterance: Utterance) -> str:
    return f"wavs/{utterance.id}.wav"


LJSPEECH = Dialect(
    name="ljspeech",
    summary="id|text|normalised text in metadata.csv, audio in wavs/ID.wav",
    index="metadata.csv",
    read=read_ljspeech,
    write=write_ljspeech,
    place=_place_wav,
)
PIPE = Dialect(
    name="pipe",
    summary="filename|text in metadata.csv, audio in wavs/",
    index="metadata.csv",
    read=read_pipe,
    write=write_pipe,
    place=place_in_wavs,
)
TAB = Dialect(
    name="tab",
    summary="path<TAB>text in metadata.txt",
    index="metadata.txt",
    read=read_tab,
    write=write_tab,
    place=place_in_wavs,
)
CSV = Dialect(
    name="csv",
    summary="a table with a header such as audio_file|text|speaker_name in metadata.csv",
    index="metadata.csv",
    read=read_csv,
    write=write_csv,
    place=place_in_wavs,
)
