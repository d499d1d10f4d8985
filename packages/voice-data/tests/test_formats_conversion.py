from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voice_data.formats import DIALECTS, LossError, convert, read_dataset, write_index
from voice_data.manifest import ManifestError, Utterance, write_manifest

MakeSet = Callable[..., Path]

PLAIN = [
    Utterance(id="84-121-0000", audio="x/84-121-0000.flac", text='He said: "Go, do you hear?"'),
    Utterance(id="84-121-0001", audio="x/84-121-0001.flac", text="नमस्ते; it's 5% — 안녕."),
]


@pytest.fixture
def make_set(tmp_path: Path, clip: Callable[..., Path]) -> MakeSet:
    """Write a data set in the manifest dialect."""

    def make(items: list[Utterance], name: str = "source") -> Path:
        folder = tmp_path / name
        for seed, item in enumerate(items):
            clip(folder / item.audio, 0.2, seed=seed)
        write_manifest(folder / "manifest.jsonl", items)
        return folder

    return make


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def content_of(folder: Path) -> list[tuple[str, str, bytes]]:
    items = read_dataset(folder)
    return [(item.id, item.text, (folder / item.audio).read_bytes()) for item in items]


PAIRS = [
    pair
    for pair in itertools.permutations(DIALECTS, 2)
    if set(pair) != {"ljspeech", "librispeech"}  # one holds wav only, the other flac only
]
NO_SPEAKER = ("ljspeech", "pipe", "tab")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_dialect_into_every_other_and_back(
    tmp_path: Path, make_set: MakeSet, first: str, second: str
) -> None:
    suffix = ".wav" if "ljspeech" in (first, second) else ".flac"
    items = [replace(item, audio=item.audio.replace(".flac", suffix)) for item in PLAIN]
    source, folders = make_set(items), [tmp_path / name for name in ("one", "two", "three")]
    for origin, folder, dialect in zip(
        [source, *folders], folders, [first, second, first], strict=False
    ):
        before = snapshot(origin)
        drop = ["speaker"] if dialect in NO_SPEAKER else []  # LibriSpeech adds it
        convert(origin, folder, dialect, drop=drop)
        assert snapshot(origin) == before
        assert content_of(folder) == content_of(source)


RICH = Utterance(
    id="a",
    audio="wavs/a.wav",
    text="Hi.",
    speaker="s",
    language="en",
    licence="CC0-1.0",
    consent="granted",
    source="book",
    split="train",
    extra={"age": "9"},
)


@pytest.mark.parametrize("dialect", ["csv", "json", "jsonl", "hf"])
def test_rich_dialects_hold_every_field(tmp_path: Path, make_set: MakeSet, dialect: str) -> None:
    convert(make_set([RICH]), tmp_path / "out", dialect)
    assert read_dataset(tmp_path / "out") == [RICH]


@pytest.mark.parametrize(
    ("dialect", "lost"),
    [
        *(
            (name, "speaker language licence consent source split extra.age")
            for name in ("pipe", "tab")
        ),
        ("ljspeech", "speaker language licence consent source split extra.age"),
        ("commonvoice", "licence consent source"),
    ],
)
def test_poor_dialects_refuse_and_name_what_would_be_lost(
    tmp_path: Path, make_set: MakeSet, dialect: str, lost: str
) -> None:
    source = make_set([RICH])
    with pytest.raises(LossError) as caught:
        convert(source, tmp_path / "out", dialect)
    for name in lost.split():
        assert f"{name} (1 clips, first 'a')" in str(caught.value)
    assert "accept the loss by naming the fields in drop" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    convert(source, tmp_path / "out", dialect, drop=lost.split())
    (back,) = read_dataset(tmp_path / "out")
    assert (back.id, back.text) == ("a", "Hi.")


@pytest.mark.parametrize(
    ("dialect", "changes", "message"),
    [
        ("csv", {"extra": {"age": 9}}, r"csv cannot hold extra\.age"),
        ("csv", {"text": "a|b"}, "csv cannot hold these clips .*3 columns"),
        ("csv", {"text": "a\nb"}, "csv cannot hold these clips"),
        ("pipe", {"text": "a|b"}, "pipe cannot hold these clips .*3 columns where 2"),
        ("tab", {"text": "a\tb"}, "tab cannot hold these clips"),
        ("ljspeech", {"text": "a\nb"}, "ljspeech cannot hold these clips"),
        ("commonvoice", {"split": "mine"}, r"commonvoice cannot hold split"),
        ("commonvoice", {"split": "dev"}, r"commonvoice cannot hold split"),
        ("librispeech", {}, "librispeech cannot hold 'a': the id 'a' is not of LibriSpeech's form"),
        ("hf", {"extra": {"text": "x"}}, "hf cannot hold these clips .*a key 'text'"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, make_set: MakeSet, dialect: str, changes: dict[str, Any], message: str
) -> None:
    source = make_set([Utterance(**{"id": "a", "audio": "wavs/a.wav", "text": "x", **changes})])
    with pytest.raises(LossError, match=message):
        convert(source, tmp_path / "out", dialect)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_audio_of_another_format_is_refused(tmp_path: Path, make_set: MakeSet) -> None:
    source = make_set(PLAIN)
    with pytest.raises(LossError, match=r"ljspeech holds \.wav files and '84-121-0000' is \.flac"):
        convert(source, tmp_path / "out", "ljspeech")


def test_two_clips_in_one_place_are_refused(tmp_path: Path, make_set: MakeSet) -> None:
    items = [Utterance(id=name, audio=f"{name}.wav", text="x") for name in ("a/b", "c")]
    out = tmp_path / "out"
    assert convert(make_set(items), out, "pipe").utterances == 2
    assert [item.id for item in read_dataset(out)] == ["a/b", "c"]


def test_measured_fields_are_not_a_loss(tmp_path: Path, make_set: MakeSet) -> None:
    item = Utterance(id="a", audio="a.wav", text="x", duration=0.2, rate=24_000, sha256="0" * 64)
    convert(make_set([item]), tmp_path / "out", "pipe")
    assert read_dataset(tmp_path / "out")[0].duration is None


def test_extra_can_be_dropped_whole(tmp_path: Path, make_set: MakeSet) -> None:
    item = Utterance(id="a", audio="a.wav", text="x", extra={"a": 1, "b": 2}, duration=1.0)
    convert(make_set([item]), tmp_path / "out", "csv", drop=["extra", "duration"])
    assert read_dataset(tmp_path / "out")[0].extra == {}


@pytest.mark.parametrize("name", ["text", "speakr", "speaker.x"])
def test_unknown_field_in_drop_is_refused(tmp_path: Path, make_set: MakeSet, name: str) -> None:
    with pytest.raises(LossError, match=f"drop names '{name}': use one of speaker, language"):
        convert(make_set([RICH]), tmp_path / "out", "pipe", drop=[name])


def test_unknown_dialect_is_refused(tmp_path: Path, make_set: MakeSet) -> None:
    with pytest.raises(ManifestError, match="unknown dialect 'kaldi': use one of ljspeech, pipe"):
        convert(make_set([RICH]), tmp_path / "out", "kaldi")


def test_existing_target_is_kept(tmp_path: Path, make_set: MakeSet) -> None:
    source = make_set([RICH])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(ManifestError, match="out exists and is kept: choose a new folder"):
        convert(source, tmp_path / "out", "json")
    assert snapshot(tmp_path / "out") == {"mine": b"x"}


def test_missing_audio_is_named(tmp_path: Path, make_set: MakeSet) -> None:
    source = make_set([RICH])
    (source / RICH.audio).unlink()
    with pytest.raises(ManifestError, match=r"the audio of 'a' is missing: .*wavs/a\.wav"):
        convert(source, tmp_path / "out", "json")


def test_link_out_of_the_folder_is_refused(tmp_path: Path, make_set: MakeSet) -> None:
    source = make_set([RICH])
    (source / RICH.audio).rename(tmp_path / "secret.wav")
    (source / RICH.audio).symlink_to(tmp_path / "secret.wav")
    with pytest.raises(ManifestError, match=r"a: the path .* leaves the data folder .*symbolic"):
        convert(source, tmp_path / "out", "json")


def test_full_disk_leaves_nothing_behind(
    tmp_path: Path, make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_set([RICH])
    before = snapshot(source)

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match=r"the disk is full: free some space.*out"):
        convert(source, tmp_path / "out", "json")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert snapshot(source) == before


def test_index_alone_is_written_where_the_audio_is_in_place(
    tmp_path: Path, clip: Callable[..., Path]
) -> None:
    clip(tmp_path / "wavs/a.wav")
    item = Utterance(id="a", audio="wavs/a.wav", text="x")
    write_index(tmp_path, [item], "ljspeech")
    assert (tmp_path / "metadata.csv").read_text() == "a|x|x\n"
    assert read_dataset(tmp_path) == [item]
    with pytest.raises(LossError, match=r"ljspeech wants 'b/a\.wav' at 'wavs/a\.wav': use convert"):
        write_index(tmp_path, [replace(item, audio="b/a.wav")], "ljspeech")
