from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voice_data import segment as segment_module
from voice_data.audio import Audio, AudioError, read, write
from voice_data.manifest import Utterance
from voice_data.segment import SegmentConfig, Span, segment, segment_file, silences
from voice_data.storage import file_sha256

RATE = 16_000
MakeAudio = Callable[..., Audio]


def speech(*seconds: float, hum: float = 1e-4, rate: int = RATE) -> Audio:
    """Noise and near-silence in turns: the first length is sound, the second silence, and so on."""
    generator = np.random.default_rng(1)
    levels = [0.1 if index % 2 == 0 else hum for index in range(len(seconds))]
    parts = [
        generator.standard_normal(round(length * rate)) * level
        for length, level in zip(seconds, levels, strict=True)
    ]
    return Audio(np.concatenate(parts).astype(np.float32), rate)


def lengths(spans: list[Span], rate: int = RATE) -> list[float]:
    return [(span.end - span.start) / rate for span in spans]


def assert_partition(audio: Audio, spans: list[Span]) -> None:
    pieces = [audio.samples[span.start : span.end] for span in spans]
    np.testing.assert_array_equal(np.concatenate(pieces), audio.samples)


def test_cuts_are_the_middles_of_silences() -> None:
    spans = segment(speech(8, 0.5, 8, 0.5, 8))
    assert [span.start / RATE for span in spans] == pytest.approx([0, 8.25, 16.75], abs=0.011)


def test_longer_silence_is_preferred() -> None:
    audio = speech(5, 0.2, 2, 0.9, 2, 0.2, 5)
    assert segment(audio)[1].start / RATE == pytest.approx(5 + 0.2 + 2 + 0.45, abs=0.011)


def test_chunks_have_the_wished_length_and_lose_nothing() -> None:
    generator = np.random.default_rng(0)
    turns = [x for _ in range(60) for x in (generator.uniform(0.5, 4), generator.uniform(0.2, 0.8))]
    audio = speech(*turns)
    spans = segment(audio)
    assert min(lengths(spans)) >= 3
    assert max(lengths(spans)) <= 12
    assert_partition(audio, spans)
    quiet = [span.middle for span in silences(audio)]
    assert all(span.start in (0, *quiet) for span in spans)


def test_speech_without_silence_is_cut_at_a_quiet_frame_within_the_limits() -> None:
    audio = speech(40)
    spans = segment(audio)
    assert min(lengths(spans)) >= 3
    assert max(lengths(spans)) <= 12
    assert_partition(audio, spans)


def test_short_recording_stays_whole() -> None:
    assert lengths(segment(speech(1, 0.5, 1))) == [2.5]
    assert lengths(segment(speech(12))) == [12]
    assert segment(Audio(np.zeros(0, np.float32), RATE)) == []


def test_barely_too_long_recording_is_cut_into_useful_halves() -> None:
    spans = segment(speech(12.1))
    assert len(spans) == 2
    assert min(lengths(spans)) >= 3


def test_silence_alone_is_one_silence() -> None:
    audio = Audio(np.zeros(RATE * 2, np.float32), RATE)
    assert silences(audio) == [Span(0, RATE * 2)]


def test_noisy_room_still_has_silences() -> None:
    spans = silences(speech(2, 0.5, 2, 0.5, 2, hum=0.01))  # only 20 dB under the speech
    assert [span.middle / RATE for span in spans] == pytest.approx([2.25, 4.75], abs=0.02)


def test_steady_sound_has_none() -> None:
    assert silences(Audio(np.full(RATE * 3, 0.1, np.float32), RATE)) == []


def test_pauses_shorter_than_asked_do_not_count() -> None:
    audio = speech(1, 0.1, 1, 0.4, 1)
    assert len(silences(audio)) == 1
    assert len(silences(audio, SegmentConfig(min_silence_seconds=0.05))) == 2


def test_same_recording_same_cuts() -> None:
    audio = speech(5, 0.3, 6, 0.2, 7, 0.4, 8)
    assert segment(audio) == segment(audio)


def test_file_becomes_chunks_and_utterances(tmp_path: Path) -> None:
    write(tmp_path / "book.flac", speech(8, 0.5, 8))
    before = (tmp_path / "book.flac").read_bytes()
    items = segment_file(tmp_path / "book.flac", tmp_path / "out", resample_to=24_000)
    assert [item.id for item in items] == ["book_0001", "book_0002"]
    assert [item.audio for item in items] == ["book_0001.wav", "book_0002.wav"]
    assert items[1].extra["start_seconds"] == pytest.approx(8.25, abs=0.02)
    for item in items:
        chunk = read(tmp_path / "out" / item.audio)
        assert (item.rate, item.duration) == (24_000, pytest.approx(chunk.duration))
        assert (item.source, item.text) == ("book.flac", "")
        assert item.sha256 == file_sha256(tmp_path / "out" / item.audio)
    assert (tmp_path / "book.flac").read_bytes() == before


def test_existing_chunk_is_kept_and_nothing_added(tmp_path: Path) -> None:
    write(tmp_path / "book.wav", speech(8, 0.5, 8))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "book_0002.wav").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"is kept.*book_0002\.wav"):
        segment_file(tmp_path / "book.wav", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["book_0002.wav"]
    assert (tmp_path / "out" / "book_0002.wav").read_bytes() == b"mine"


def test_full_disk_leaves_no_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "book.wav", speech(8, 0.5, 8))
    written: list[Path] = []

    def limited(path: Path, audio: Audio, **options: Any) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        write(path, audio, **options)

    monkeypatch.setattr(segment_module, "write", limited)
    with pytest.raises(OSError, match="No space left"):
        segment_file(tmp_path / "book.wav", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_unreadable_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x" * 100)
    with pytest.raises(AudioError, match=r"a\.wav cannot be read as audio"):
        segment_file(tmp_path / "a.wav", tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_seconds": 0}, "min_seconds must be above 0 s, not 0"),
        ({"min_silence_seconds": -1}, "min_silence_seconds must be above 0 s, not -1"),
        ({"min_seconds": 8}, r"max_seconds \(12\.0\) must be at least 2 s and twice min_seconds"),
        ({"min_seconds": 0.1, "max_seconds": 1}, "at least 2 s"),
        ({"frame_seconds": 0.5}, r"frame_seconds must be at most 0\.1 s, not 0\.5"),
        ({"detector": "ear"}, "detector must be energy or silero, not 'ear'"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentConfig(**changes)


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(ImportError, match=r"extra vad: pip install 'voice-data\[vad\]'"):
        silences(speech(1), SegmentConfig(detector="silero"))


def test_neural_detector_reports_what_lies_between_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def timestamps(samples: np.ndarray, model: str, **options: Any) -> list[dict[str, int]]:
        heard.append(len(samples))
        return [{"start": 1_600, "end": 16_000}, {"start": 24_000, "end": 32_000}]

    fake = SimpleNamespace(get_speech_timestamps=timestamps, load_silero_vad=lambda: "model")
    monkeypatch.setitem(sys.modules, "silero_vad", fake)
    audio = speech(2.0, rate=24_000)
    found = silences(audio, SegmentConfig(detector="silero", min_silence_seconds=0.05))
    assert heard == [32_000]  # the detector wants 16 kHz
    assert found == [Span(0, 2_400), Span(24_000, 36_000)]


@pytest.mark.filterwarnings("ignore")  # the extra's own
def test_neural_detector_takes_noise_for_silence(noise: MakeAudio) -> None:
    pytest.importorskip("silero_vad", reason="the extra vad is not installed")
    audio = noise(3.0, 24_000, level=0.001)
    config = SegmentConfig(detector="silero")
    assert silences(audio, config) == [Span(0, len(audio.samples))]


def test_chunks_are_utterances_of_one_recording(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", speech(2))
    (item,) = segment_file(tmp_path / "a.wav", tmp_path / "out")
    assert isinstance(item, Utterance)
    assert item.extra == {"start_seconds": 0.0}
