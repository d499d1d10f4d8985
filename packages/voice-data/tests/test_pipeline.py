"""`prepare` end to end: what comes out, what is left out, and what a crash leaves behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from voice_data import storage
from voice_data.audio import Audio, read, write
from voice_data.config import load_config
from voice_data.manifest import ManifestError, manifest_hash, read_manifest
from voice_data.pipeline import PrepareConfig, PrepareError, check, prepare
from voice_data.split import leaks
from voice_data.storage import file_sha256

TEXTS = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "The hogs were fed chopped corn and garbage.",
)


def voice(seconds: float, rate: int = 24_000, seed: int = 0) -> np.ndarray:
    """Something that the checks take for speech: modulated noise, [S] float32."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(len(noise)) / rate)
    return (0.1 * noise * swell).clip(-0.9, 0.9).astype(np.float32)


def corpus(folder: Path, rate: int = 24_000, seconds: float = 2.5) -> Path:
    """Eight clips in the two-column dialect, of two speakers by a third column's absence: one."""
    (folder / "wavs").mkdir(parents=True)
    lines = []
    for index, text in enumerate(TEXTS):
        sound = Audio(voice(seconds, rate, index), rate)
        write(folder / "wavs" / f"c{index}.wav", sound)
        lines.append(f"c{index}.wav|{text}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return corpus(tmp_path / "source")


def test_a_clean_corpus_is_copied_and_recorded(source: Path, tmp_path: Path) -> None:
    before = contents(source)
    config = PrepareConfig(licence="CC0-1.0", consent="self", speaker="ann", language="en")
    done = prepare(source, tmp_path / "out", config)
    assert contents(source) == before
    assert done.clips == 8
    assert done.seconds == pytest.approx(20.0)
    assert done.skipped == {}
    clips = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert done.manifest_sha256 == manifest_hash(clips)
    assert [clip.text for clip in clips] == list(TEXTS)
    for clip in clips:
        path = clip.path_in(tmp_path / "out")
        assert clip.sha256 == file_sha256(path)
        assert path.read_bytes() == before[f"wavs/{path.name}"]
        assert (clip.duration, clip.rate) == (2.5, 24_000)
        assert (clip.speaker, clip.licence, clip.consent) == ("ann", "CC0-1.0", "self")
    sides = [read_manifest(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "validation")]
    assert len(sides[0]) + len(sides[1]) == 8
    assert sides[1]
    assert {clip.split for clip in clips} == {"train", "validation"}
    settings = load_config(PrepareConfig, overrides=["split.speakers=shared"]).split
    assert leaks(*sides, settings) == []
    assert sorted(contents(tmp_path / "out")) == sorted(
        [
            *(f"wavs/c{index}.wav" for index in range(8)),
            *("manifest.jsonl", "train.jsonl", "validation.jsonl"),
            *("split.json", "report.json", "prepare.json"),
        ]
    )


def test_other_rates_formats_and_channels_become_the_wanted_one(tmp_path: Path) -> None:
    import soundfile

    folder = corpus(tmp_path / "source", rate=44_100)
    stereo = np.stack([voice(2.5, 48_000, 90), voice(2.5, 48_000, 91)], axis=1)
    soundfile.write(folder / "wavs" / "c1.wav", stereo, 48_000, subtype="FLOAT")
    (folder / "wavs" / "c2.wav").unlink()
    write(folder / "wavs" / "c2.flac", Audio(voice(2.5, 24_000, 92), 24_000))
    index = folder / "metadata.csv"
    index.write_text(index.read_text().replace("c2.wav", "c2.flac"))
    prepare(folder, tmp_path / "out", PrepareConfig(level_dbfs=-23.0))
    clips = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert len(clips) == 8
    for clip in clips:
        audio = read(clip.path_in(tmp_path / "out"))
        assert audio.rate == 24_000
        assert audio.duration == pytest.approx(2.5, abs=1e-3)
        level = 20 * np.log10(np.sqrt(np.mean(np.square(audio.samples, dtype=np.float64))))
        assert level == pytest.approx(-23.0, abs=0.05)


def test_bad_clips_are_left_out_with_a_reason_and_the_rest_is_made(
    source: Path, tmp_path: Path
) -> None:
    wavs = source / "wavs"
    whole = (wavs / "c0.wav").read_bytes()
    (wavs / "c0.wav").write_bytes(whole[: len(whole) // 2])
    (wavs / "c1.wav").unlink()
    write(wavs / "c2.wav", Audio(np.zeros(60_000, np.float32), 24_000))
    (wavs / "c4.wav").write_bytes((wavs / "c3.wav").read_bytes())
    done = prepare(source, tmp_path / "out")
    reasons = {name: reason.split(":")[0] for name, reason in done.skipped.items()}
    assert reasons == {
        "c0": "unreadable",
        "c1": "missing",
        "c2": "silent",
        "c4": "duplicate_audio",
    }
    assert sorted(path.name for path in (tmp_path / "out" / "wavs").iterdir()) == [
        "c3.wav",
        "c5.wav",
        "c6.wav",
        "c7.wav",
    ]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["statuses"] == {"accept": 4, "fix": 0, "reject": 4}


def test_texts_are_normalised_and_kept_raw(source: Path, tmp_path: Path) -> None:
    index = source / "metadata.csv"
    index.write_text(index.read_text().replace(TEXTS[0], "Chapter 12 \U0001f600 begins on planks."))
    prepare(source, tmp_path / "out")
    clip = read_manifest(tmp_path / "out" / "manifest.jsonl")[0]
    assert clip.text == "Chapter twelve begins on planks."
    assert clip.extra == {"raw_text": "Chapter 12 \U0001f600 begins on planks."}
    prepare(source, tmp_path / "raw", PrepareConfig(normalize_text=False))
    clip = read_manifest(tmp_path / "raw" / "manifest.jsonl")[0]
    assert clip.text == "Chapter 12 \U0001f600 begins on planks."


def test_silence_at_the_ends_is_trimmed(source: Path, tmp_path: Path) -> None:
    quiet = np.zeros(2 * 24_000, np.float32)
    sound = np.concatenate([quiet, voice(2.5, seed=50), quiet])
    write(source / "wavs" / "c0.wav", Audio(sound, 24_000))
    prepare(source, tmp_path / "out")
    clip = read_manifest(tmp_path / "out" / "manifest.jsonl")[0]
    assert clip.duration == pytest.approx(2.9, abs=0.05)


def test_a_long_clip_is_cut_with_its_text(source: Path, tmp_path: Path) -> None:
    """Six sentences, spoken at one pace with clear pauses, come out in pieces that fit."""
    pause = np.zeros(round(0.6 * 24_000), np.float32)
    parts = [voice(len(text) / 9, seed=index) for index, text in enumerate(TEXTS[:6])]
    sound = np.concatenate([piece for part in parts for piece in (part, pause)][:-1])
    write(source / "wavs" / "c0.wav", Audio(sound, 24_000))
    index = source / "metadata.csv"
    rest = "\n".join(index.read_text().splitlines()[1:])
    index.write_text(f"c0.wav|{' '.join(TEXTS[:6])}\n{rest}\n")
    prepare(source, tmp_path / "out")
    clips = read_manifest(tmp_path / "out" / "manifest.jsonl")
    pieces = [clip for clip in clips if clip.source == "c0"]
    assert len(pieces) > 1
    assert " ".join(piece.text for piece in pieces) == " ".join(TEXTS[:6])
    assert all((piece.duration or 99) <= 12.0 for piece in pieces)
    assert sum(piece.duration or 0 for piece in pieces) == pytest.approx(len(sound) / 24_000)
    for piece in pieces:
        letters = len(piece.text)
        assert piece.duration == pytest.approx(letters / 9, rel=0.15)
    assert len({piece.split for piece in pieces}) == 1


def test_a_long_clip_whose_text_cannot_be_divided_is_left_out(source: Path, tmp_path: Path) -> None:
    write(source / "wavs" / "c0.wav", Audio(voice(25.0), 24_000))
    index = source / "metadata.csv"
    index.write_text(index.read_text().replace(TEXTS[0], " ".join(TEXTS)))
    done = prepare(source, tmp_path / "out")
    assert list(done.skipped) == ["c0"]
    assert "no clear pause ends a sentence" in done.skipped["c0"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_rebuild_is_bit_identical(source: Path, tmp_path: Path, processes: int) -> None:
    prepare(source, tmp_path / "one")
    prepare(source, tmp_path / "two", PrepareConfig(processes=processes), progress=True)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_check_writes_nothing(source: Path, tmp_path: Path) -> None:
    (source / "wavs" / "c1.wav").unlink()
    before = contents(tmp_path)
    report = check(source)
    assert report.statuses == {"accept": 7, "fix": 0, "reject": 1}
    assert [(step.id, step.action) for step in report.plan()] == [("c1", "drop")]
    assert contents(tmp_path) == before


def test_a_finished_set_is_recognised(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path / "out")
    stamp = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    assert prepare(source, tmp_path / "out", PrepareConfig(processes=2)) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == stamp


def test_what_stands_in_the_way_is_kept(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out)
    with pytest.raises(PrepareError, match=r"was made with rate 24000, not 16000; it is kept"):
        prepare(source, out, PrepareConfig(rate=16_000))
    write(source / "wavs" / "c5.wav", Audio(voice(2.0, seed=77), 24_000))
    with pytest.raises(PrepareError, match=r"was made from other clips or texts; it is kept"):
        prepare(source, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(PrepareError, match=r"mine exists and is no data set of `prepare`"):
        prepare(source, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


def test_a_damaged_set_is_not_taken_for_finished(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out")
    damaged = tmp_path / "out" / "wavs" / "c3.wav"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(PrepareError, match=r"was changed \('c3'\)"):
        prepare(source, tmp_path / "out")


@pytest.mark.parametrize("place", [".", "out", "wavs/out"])
def test_the_source_is_never_the_target(source: Path, place: str) -> None:
    with pytest.raises(PrepareError, match=r"lies in the data set .* choose a folder outside it"):
        prepare(source, source / place)


def test_no_usable_clip_is_an_error_that_leaves_nothing(source: Path, tmp_path: Path) -> None:
    for path in (source / "wavs").iterdir():
        path.write_bytes(b"")
    with pytest.raises(PrepareError, match=r"no clip can be used: unreadable \(8\)"):
        prepare(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(ManifestError, match=r"manifest\.jsonl:1: "):
        prepare(tmp_path, tmp_path.parent / "never-made")


def test_a_path_that_leaves_the_folder_is_named(source: Path, tmp_path: Path) -> None:
    (source / "metadata.csv").write_text("../secret.wav|Hello there.\n")
    with pytest.raises(ManifestError, match=r"metadata\.csv:1: .*\.\./secret\.wav"):
        prepare(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_set_that_cannot_be_split_keeps_the_work(source: Path, tmp_path: Path) -> None:
    index = source / "metadata.csv"
    index.write_text(index.read_text().splitlines()[0] + "\n")
    with pytest.raises(PrepareError, match="or make no split, with split=null"):
        prepare(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = tmp_path / ".out.partial" / "wavs" / "c0.wav"
    stamp = made.stat().st_mtime_ns
    assert prepare(source, tmp_path / "out", PrepareConfig(split=None)).clips == 1
    assert (tmp_path / "out" / "wavs" / "c0.wav").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("writes", [0, 1, 5, 9, 11, 12])
def test_a_full_disk_leaves_only_whole_files_and_the_work_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    prepare(source, tmp_path / "expected")
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage.os, "fsync", full)
    monkeypatch.setattr(storage, "_sync_folder", lambda folder: None)
    with pytest.raises(OSError, match="the disk is full: free some space"):
        prepare(source, tmp_path / "out")
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    left = contents(tmp_path / ".out.partial") if (tmp_path / ".out.partial").exists() else {}
    expected = contents(tmp_path / "expected")
    assert {name: data for name, data in left.items() if name != "journal.jsonl"} == {
        name: expected[name] for name in left if name != "journal.jsonl"
    }
    prepare(source, tmp_path / "out")
    assert contents(tmp_path / "out") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "out", "source"]


def test_a_read_only_place_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def refused(path: Path, *args: object, **options: object) -> None:
        if "place" in path.parts:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        make(path, *args, **options)  # type: ignore[arg-type]

    (tmp_path / "place").mkdir()
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OSError, match="read-only disk: choose a folder") as caught:
        prepare(source, tmp_path / "place" / "out")
    assert str(caught.value.filename) == str(tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_in_the_middle_and_run_again_is_bit_identical(
    tmp_path: Path, processes: int
) -> None:
    source = corpus(tmp_path / "source", rate=44_100, seconds=9.0)
    prepare(source, tmp_path / "expected")
    command = [sys.executable, "-m", "voice_data", "prepare", source, "--out", tmp_path / "out"]
    command += ["--set", f"processes={processes}"]
    journal = tmp_path / ".out.partial" / "journal.jsonl"
    run = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while lines(journal) < 3 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert not (tmp_path / "out").exists()
    journal.write_bytes(journal.read_bytes()[:-7])  # as if the last line had been cut off, too
    finished = max(0, lines(journal) - 1)
    assert finished < 8
    (tmp_path / ".out.partial" / "wavs" / ".0123.partial.wav").write_bytes(b"half")
    stamps = {p.name: p.stat().st_mtime_ns for p in journal.parent.glob("wavs/c*.wav")}
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")
    kept = [n for n, t in stamps.items() if (tmp_path / "out/wavs" / n).stat().st_mtime_ns == t]
    assert len(kept) >= finished  # the work was not done twice
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "out", "source"]


def test_a_half_written_clip_is_made_again(source: Path, tmp_path: Path) -> None:
    """The journal promises a file that a crash of the whole machine lost."""
    prepare(source, tmp_path / "expected")
    index = source / "metadata.csv"
    text = index.read_text()
    index.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(PrepareError):
        prepare(source, tmp_path / "out")
    (tmp_path / ".out.partial" / "wavs" / "c0.wav").write_bytes(b"RIFF")
    index.write_text(text)
    prepare(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 4_000}, r"PrepareConfig\.rate must be 8000 Hz or more, not 4000"),
        ({"level_dbfs": 3.0}, r"PrepareConfig\.level_dbfs must be from -60 to 0, or null, not 3"),
        ({"processes": 0}, r"PrepareConfig\.processes must be 1 or more, not 0"),
    ],
)
def test_settings_are_checked(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**values)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0
