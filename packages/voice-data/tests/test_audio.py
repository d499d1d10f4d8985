from __future__ import annotations

import errno
import logging
import os
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voice_data import audio as audio_module
from voice_data.audio import Audio, AudioError, info, read, rms_dbfs, write, write_stream

MakeAudio = Callable[..., Audio]
MakeClip = Callable[..., Path]
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")


def sine(rate: int = 24_000, seconds: float = 1.0) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((0.5 * np.sin(2 * np.pi * 300 * time)).astype(np.float32), rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_lossless_files_come_back_to_the_last_bit_of_16(
    tmp_path: Path, noise: MakeAudio, suffix: str
) -> None:
    audio = noise(1.0)
    write(tmp_path / f"a{suffix}", audio)
    back = read(tmp_path / f"a{suffix}")
    assert back.rate == 24_000
    np.testing.assert_allclose(back.samples, audio.samples, atol=1 / 32_768)
    assert info(tmp_path / f"a{suffix}").encoding == "PCM_16"


def test_wav_samples_equal_those_of_the_standard_library(tmp_path: Path, noise: MakeAudio) -> None:
    write(tmp_path / "a.wav", noise(0.5, 16_000))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    np.testing.assert_array_equal(read(tmp_path / "a.wav").samples, expected.astype(np.float32))


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_all_16_bit_values_survive_a_second_writing(tmp_path: Path, suffix: str) -> None:
    values = (np.arange(-32_768, 32_768) / 32_768).astype(np.float32)
    write(tmp_path / f"a{suffix}", Audio(values, 24_000))
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").samples, values)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus"])
def test_lossy_files_sound_alike(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a{suffix}", sine())
    back = read(tmp_path / f"a{suffix}")
    assert back.rate == 24_000
    assert back.duration == pytest.approx(1.0, abs=0.1)
    assert rms_dbfs(back.samples) == pytest.approx(rms_dbfs(sine().samples), abs=0.5)
    spectrum = np.abs(np.fft.rfft(back.samples))
    assert np.argmax(spectrum) * back.rate / len(back.samples) == pytest.approx(300, abs=2)


def test_stereo_becomes_the_mean_of_its_channels(tmp_path: Path) -> None:
    channels = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, 8_000, subtype="FLOAT")
    back = read(tmp_path / "a.wav")
    assert back.rate == 8_000
    np.testing.assert_allclose(back.samples, 0.125)


def test_mp3_named_wav_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.mp3", sine())
    (tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    with caplog.at_level(logging.WARNING):
        assert read(tmp_path / "a.wav").duration == pytest.approx(1.0, abs=0.1)
    assert "a.wav is mp3 in spite of its name" in caplog.text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_truncated_file_is_refused(
    tmp_path: Path, suffix: str, share: float, noise: MakeAudio
) -> None:
    path = tmp_path / f"clip{suffix}"
    write(path, noise(2.0))
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    with pytest.raises(AudioError, match=r"clip\S+ .*(cut short|cannot be read).* again"):
        read(path)


def test_wav_of_unknown_length_is_read(tmp_path: Path, clip: MakeClip) -> None:
    path = clip(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as a program writes it to a pipe
    path.write_bytes(content)
    assert read(path).duration == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.wav is empty"),
        (b"hello world" * 50, "a.wav cannot be read as audio"),
        (b"RIFF\x24\x00\x00\x00WAVE", "a.wav cannot be read as audio"),
    ],
)
def test_what_is_not_audio_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=message):
        read(tmp_path / "a.wav")


def test_wav_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 24_000)
    with pytest.raises(AudioError, match=r"a\.wav holds no samples: record it again"):
        read(tmp_path / "a.wav")


def test_nan_in_a_file_is_refused_by_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan]), 24_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: samples hold NaN"):
        read(tmp_path / "a.wav")


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no\.wav is not a file: check the path"):
        read(tmp_path / "no.wav")
    with pytest.raises(AudioError, match="is not a file"):
        info(tmp_path)


def test_unknown_ending_is_refused(tmp_path: Path, noise: MakeAudio) -> None:
    with pytest.raises(AudioError, match=r"cannot write the ending '\.aac', use one of \.wav"):
        write(tmp_path / "a.aac", noise(0.1))


def test_rate_that_the_format_cannot_hold_is_refused(tmp_path: Path, noise: MakeAudio) -> None:
    with pytest.raises(AudioError, match=r"opus cannot hold 22050 Hz, resample to one of 8000"):
        write(tmp_path / "a.opus", noise(0.1, 22_050))
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="there is no sound to write"):
        write(tmp_path / "a.wav", Audio(np.zeros(0, np.float32), 24_000))
    assert list(tmp_path.iterdir()) == []


def test_samples_beyond_full_scale_are_clipped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.wav", Audio(np.full(100, 1.5, np.float32), 24_000))
    assert read(tmp_path / "a.wav").samples.max() == pytest.approx(1.0, abs=1e-4)
    assert "clipped" in caplog.text


def test_stream_equals_one_write(tmp_path: Path, noise: MakeAudio) -> None:
    audio = noise(1.0)
    write(tmp_path / "a.wav", audio)
    with write_stream(tmp_path / "b.wav", audio.rate) as stream:
        for piece in np.array_split(audio.samples, 7):
            stream.write(piece)
        assert not (tmp_path / "b.wav").exists()
    assert stream.frames == len(audio.samples)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_stream_refuses_bad_samples(tmp_path: Path) -> None:
    with (
        pytest.raises(AudioError, match="float64"),
        write_stream(tmp_path / "b.wav", 24_000) as stream,
    ):
        stream.write(np.zeros(10))
    assert list(tmp_path.iterdir()) == []


def test_interrupted_stream_leaves_the_old_file(tmp_path: Path, clip: MakeClip) -> None:
    def interrupted() -> None:
        with write_stream(tmp_path / "a.wav", 24_000) as stream:
            stream.write(np.zeros(1_000, np.float32))
            raise KeyboardInterrupt

    before = clip(tmp_path / "a.wav").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_existing_file_is_kept_if_asked(tmp_path: Path, clip: MakeClip, noise: MakeAudio) -> None:
    before = clip(tmp_path / "a.wav").read_bytes()
    with pytest.raises(FileExistsError, match="the file exists and is kept"):
        write(tmp_path / "a.wav", noise(0.1), overwrite=False)
    assert (tmp_path / "a.wav").read_bytes() == before


class FullDisk(audio_module._Sink):
    """A disk with room for 4 KiB."""

    room = 4096

    def __init__(self, file: object) -> None:
        super().__init__(self)
        self._file = _Limited(file, self.room)


class _Limited:
    def __init__(self, file: object, room: int) -> None:
        self.file, self.room = file, room

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_full_disk_leaves_nothing_behind(
    tmp_path: Path, noise: MakeAudio, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_module, "_Sink", FullDisk)
    with pytest.raises(OSError, match=r"the disk is full: free some space.*a\.\w+") as caught:
        write(tmp_path / f"a{suffix}", noise(20.0))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path: Path, noise: MakeAudio) -> None:
    with pytest.raises(FileNotFoundError, match=r"create the folder first.*no/a\.wav"):
        write(tmp_path / "no" / "a.wav", noise(0.1))


def test_read_only_folder_is_named(
    tmp_path: Path, noise: MakeAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "touch", refuse)  # a real one would let root in
    with pytest.raises(PermissionError, match=r"choose a folder that you may write to.*a\.wav"):
        write(tmp_path / "a.wav", noise(0.1))
    assert list(tmp_path.iterdir()) == []
