"""What an audio file really is, whatever its name says, and whether its end is missing.

libsndfile reads a WAV or Ogg file that was cut short without a word; the checks here notice.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Literal

Container = Literal["wav", "flac", "mp3", "ogg", "aiff", "mp4", "unknown"]

SUFFIXES: dict[str, Container] = {
    ".wav": "wav",
    ".wave": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "ogg",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".m4a": "mp4",
    ".mp4": "mp4",
    ".aac": "mp4",
}
"""The container that each file ending promises."""

_UNKNOWN_SIZES = (
    0,
    0xFFFFFFFF,
    0x7FFFFFFF,
    0x7FFFF000,
)  # written by programs that stream to a pipe
_OGG_PAGE_MAX = 27 + 255 + 255 * 255


def sniff(path: Path) -> Container:
    """The container by the file's first bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return "mp3"
    return "unknown"


def missing_end(path: Path, container: Container) -> str:
    """Why the file's end is missing, in words, or ``""``. Only WAV and Ogg need the check.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        if container == "wav":
            return _wav_missing(file, path.stat().st_size)
        if container == "ogg":
            return _ogg_missing(file, path.stat().st_size)
    return ""


def _wav_missing(file: BinaryIO, size: int) -> str:
    if file.read(4) == b"RF64":
        return ""  # its sizes are 64 bits wide and elsewhere
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        start = file.tell()
        if name == b"data":
            if length not in _UNKNOWN_SIZES and start + length > size:
                return f"its header promises {length} bytes of sound and {size - start} are there"
            return ""
        file.seek(start + length + (length & 1))
    return "it has no 'data' chunk"


def _ogg_missing(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - 2 * _OGG_PAGE_MAX))
    tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:] if start >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return "its last Ogg page is cut"
    if len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return "its last Ogg page is cut"
    return "" if page[5] & 4 else "the page that ends an Ogg stream is not there"
