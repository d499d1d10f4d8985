from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from voice_data.container import SUFFIXES, missing_end, sniff

MakeClip = Callable[..., Path]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
def test_whole_files_are_known_and_whole(tmp_path: Path, clip: MakeClip, suffix: str) -> None:
    path = clip(tmp_path / f"a{suffix}")
    assert sniff(path) == SUFFIXES[suffix]
    assert missing_end(path, sniff(path)) == ""


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"ID3\x04\x00", "mp3"),
        (b"FORM\x00\x00\x00\x00AIFF", "aiff"),
        (b"\x00\x00\x00\x20ftypM4A ", "mp4"),
        (b"RF64\xff\xff\xff\xffWAVE", "wav"),
        (b"hello", "unknown"),
        (b"", "unknown"),
    ],
)
def test_containers_are_known_by_their_head(tmp_path: Path, head: bytes, container: str) -> None:
    (tmp_path / "a").write_bytes(head)
    assert sniff(tmp_path / "a") == container


def test_wav_without_its_end_says_how_much_is_missing(tmp_path: Path, clip: MakeClip) -> None:
    path = clip(tmp_path / "a.wav", 1.0)
    path.write_bytes(path.read_bytes()[:-10])
    assert missing_end(path, "wav") == (
        "its header promises 48000 bytes of sound and 47990 are there"
    )


def test_wav_with_other_chunks_is_whole(tmp_path: Path, clip: MakeClip) -> None:
    path = clip(tmp_path / "a.wav", 1.0)
    content = path.read_bytes()
    path.write_bytes(content[:36] + b"LIST\x03\x00\x00\x00abc\x00" + content[36:])
    assert missing_end(path, "wav") == ""


def test_wav_without_sound_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\x04\x00\x00\x00WAVE")
    assert missing_end(tmp_path / "a.wav", "wav") == "it has no 'data' chunk"


def test_ogg_cut_between_pages_is_noticed(tmp_path: Path, clip: MakeClip) -> None:
    path = clip(tmp_path / "a.ogg", 5.0)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    assert missing_end(path, "ogg") == "the page that ends an Ogg stream is not there"
