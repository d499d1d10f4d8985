"""Mono audio in and out of files.

Letters: S samples. Samples are float32; full scale is [-1, 1].
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voice_data.container import SUFFIXES, missing_end, sniff
from voice_data.storage import replacing
from voice_data.waveform import SILENCE_DBFS, Audio, AudioError, peak_dbfs, rms_dbfs, to_int16

__all__ = [
    "SILENCE_DBFS",
    "Audio",
    "AudioError",
    "AudioInfo",
    "AudioStream",
    "info",
    "peak_dbfs",
    "read",
    "rms_dbfs",
    "write",
    "write_stream",
]

_log = logging.getLogger(__name__)

_BLOCK = 1 << 14  # the Vorbis encoder overflows its stack on very large blocks
_ENCODINGS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    ".wav": ("WAV", "PCM_16", ()),
    ".flac": ("FLAC", "PCM_16", ()),
    ".ogg": ("OGG", "VORBIS", ()),
    ".opus": ("OGG", "OPUS", (8_000, 12_000, 16_000, 24_000, 48_000)),
    ".mp3": (
        "MP3",
        "MPEG_LAYER_III",
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """What a file holds as it is; container and encoding as libsndfile names them."""

    container: str
    encoding: str
    rate: int
    channels: int
    frames: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate


def info(path: str | os.PathLike[str]) -> AudioInfo:
    """Look at a file's header without decoding it.

    Raises:
        AudioError: if there is no such file or it is not audio.
    """
    with _opened(Path(path)) as file:
        return AudioInfo(
            container=file.format,
            encoding=file.subtype,
            rate=file.samplerate,
            channels=file.channels,
            frames=file.frames,
        )


def read(path: str | os.PathLike[str]) -> Audio:
    """Read wav, flac, mp3, ogg or opus by the content, not by the name; channels are averaged.

    A name that promises another format is logged as a warning. The rate is the file's own:
    call :meth:`Audio.resample` for another.

    Raises:
        AudioError: if the file is missing, empty, cut short, not audio, or holds NaN.
    """
    path = Path(path)
    with _opened(path) as file:
        samples, rate, promised = (
            file.read(dtype="float32", always_2d=True),
            file.samplerate,
            file.frames,
        )
    container = sniff(path)
    reason = missing_end(path, container)
    if not reason and len(samples) < promised:
        reason = f"its header promises {promised} samples and {len(samples)} could be decoded"
    if reason:
        raise AudioError(f"{path} is cut short, {reason}: copy or record the file again")
    if len(samples) == 0:
        raise AudioError(f"{path} holds no samples: record it again or drop it")
    if SUFFIXES.get(path.suffix.lower(), container) != container:
        _log.warning("%s is %s in spite of its name; it is read as that", path, container)
    if samples.shape[1] > 1:
        _log.info("%s has %d channels; they are averaged into one", path, samples.shape[1])
    try:
        return Audio(np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), rate)
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None


def write(path: str | os.PathLike[str], audio: Audio, *, overwrite: bool = True) -> None:
    """Write by the file's ending: wav and flac (16-bit PCM), mp3, ogg (Vorbis), opus.

    Samples beyond full scale are clipped, with a warning. The file appears whole or not at all.

    Raises:
        AudioError: if the ending is unknown, the format cannot hold the rate, or no samples.
        FileExistsError: if the file exists and ``overwrite`` is false.
        OSError: if the disk is full or the folder cannot be written; the message says what to do.
    """
    with write_stream(path, audio.rate, overwrite=overwrite) as stream:
        stream.write(audio.samples)


@contextmanager
def write_stream(
    path: str | os.PathLike[str], rate: int, *, overwrite: bool = True
) -> Iterator[AudioStream]:
    """Open a file that takes sound piece by piece; it appears when the block ends without an error.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_stream(f"{folder}/a.wav", 24_000) as stream:
    ...         for _ in range(3):
    ...             stream.write(np.zeros(2_400, np.float32))
    ...     round(read(f"{folder}/a.wav").duration, 6)
    0.3

    Raises:
        AudioError: if the ending is unknown, the format cannot hold the rate, or no samples.
        FileExistsError: if the file exists and ``overwrite`` is false.
        OSError: if the disk is full or the folder cannot be written; the message says what to do.
    """
    container, encoding = _encoding(Path(path), rate)
    import soundfile

    with replacing(path, overwrite=overwrite) as temporary, temporary.open("rb+") as raw:
        sink = _Sink(raw)
        file = soundfile.SoundFile(sink, "w", rate, 1, encoding, format=container)
        stream = AudioStream(file, sink, os.fspath(path), as_int16=encoding == "PCM_16")
        try:
            yield stream
        finally:
            file.close()
        sink.check()
        if stream.frames == 0:
            raise AudioError(f"{os.fspath(path)}: there is no sound to write")


class AudioStream:
    """The open end of :func:`write_stream`."""

    def __init__(self, file: Any, sink: _Sink, name: str, *, as_int16: bool) -> None:
        self._file, self._sink, self._name, self._as_int16 = file, sink, name, as_int16
        self.frames = 0
        """Samples written so far."""

    def write(self, samples: np.ndarray) -> None:
        """Append ``samples`` [S] float32.

        Raises:
            AudioError: if they are not 1-D, float32 and finite.
            OSError: if the disk is full.
        """
        samples = Audio(samples, 1).samples
        if np.abs(samples).max(initial=0.0) > 1.0:
            _log.warning("%s: samples beyond full scale are clipped", self._name)
            samples = samples.clip(-1.0, 1.0)
        if self._as_int16:
            samples = to_int16(samples)
        for start in range(0, len(samples), _BLOCK):
            try:
                self._file.write(samples[start : start + _BLOCK])
            except Exception:
                self._sink.check()  # the real reason, where the disk is the reason
                raise
            self._sink.check()
        self.frames += len(samples)


def _encoding(path: Path, rate: int) -> tuple[str, str]:
    suffix = path.suffix.lower()
    if suffix not in _ENCODINGS:
        allowed = ", ".join(_ENCODINGS)
        raise AudioError(f"{path}: cannot write the ending {suffix!r}, use one of {allowed}")
    container, encoding, rates = _ENCODINGS[suffix]
    if rates and rate not in rates:
        allowed = ", ".join(map(str, rates))
        raise AudioError(
            f"{path}: {suffix[1:]} cannot hold {rate} Hz, resample to one of {allowed}"
        )
    return container, encoding


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import soundfile

    if not path.is_file():
        raise AudioError(f"{path} is not a file: check the path")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty: copy or record the file again")
    try:
        with path.open("rb") as raw, soundfile.SoundFile(raw) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path} cannot be read as audio ({str(error.error_string).strip(' .')}): "
            "it is cut short or in another format; copy it again or convert it to wav or flac"
        ) from None
    except PermissionError as error:
        raise AudioError(f"{path} may not be read: change its permissions") from error


class _Sink:
    """A binary file for libsndfile that keeps the first error, which C callbacks cannot raise."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data) if self._error is None else 0
        except OSError as error:
            self._error = error
            return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            self._error = self._error or error
            return 0

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error
