"""The header of a GGUF file: enough to refuse one that is cut short before it is loaded."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"GGUF"
_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # type -> bytes
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""Elements and bytes of a block, of the common tensor types; others are not measured."""


class GgufError(ValueError):
    """A GGUF file that cannot be read; the message names the file and the fault."""


class Header(NamedTuple):
    """Format version, numbers of tensors and of metadata entries, and the bytes of a whole file."""

    version: int
    tensors: int
    entries: int
    size: int


def check_gguf(path: Path) -> Header:
    """Read a header and hold the file's size to it.

    Raises:
        GgufError: if it is no GGUF, or of another version, or shorter than it promises.
    """
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise GgufError(f"{path} is no GGUF file: it does not begin with 'GGUF'")
        try:
            header = _read(file)
        except (struct.error, EOFError, KeyError) as error:
            raise GgufError(
                f"{path} is cut short or damaged in its header: copy it again"
            ) from error
    size = path.stat().st_size
    if size < header.size:
        raise GgufError(
            f"{path} is cut short, {size} of {header.size} bytes are there: copy it again"
        )
    return header


def _read(file: BinaryIO) -> Header:
    version, tensors, entries = struct.unpack("<IQQ", file.read(20))
    if version not in (2, 3):
        raise GgufError(f"{file.name} has GGUF version {version}: versions 2 and 3 are read")
    alignment = 32
    for _ in range(entries):
        key = _string(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if key == b"general.alignment" and kind == _UINT32:
            (alignment,) = struct.unpack("<I", file.read(4))
        else:
            _skip(file, kind)
    end = max((_tensor_end(file) for _ in range(tensors)), default=0)
    start = math.ceil(file.tell() / alignment) * alignment
    return Header(version, tensors, entries, start + end)


def _tensor_end(file: BinaryIO) -> int:
    """The byte after a tensor, counted from the first tensor; 0 for a type we do not measure."""
    _string(file)
    (rank,) = struct.unpack("<I", file.read(4))
    shape = struct.unpack(f"<{rank}Q", file.read(8 * rank))
    kind, offset = struct.unpack("<IQ", file.read(12))
    elements, size = _BLOCKS.get(kind, (0, 0))
    return offset + math.prod(shape) // elements * size if elements else 0


def _string(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    text = file.read(length) if length < 1 << 31 else b""
    if len(text) != length:
        raise EOFError
    return text


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _string(file)
    elif kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _SCALARS:
            file.seek(_SCALARS[inner] * count, 1)
        else:
            for _ in range(count):
                _skip(file, inner)
    elif len(file.read(_SCALARS[kind])) != _SCALARS[kind]:
        raise EOFError
