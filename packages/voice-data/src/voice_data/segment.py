"""Long recordings cut into chunks of 3 to 12 seconds, in the middle of silences.

Letters: S samples, T frames.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from voice_data.audio import Audio, read, write
from voice_data.manifest import Utterance
from voice_data.storage import file_sha256

_log = logging.getLogger(__name__)
_SHORT_PIECE_COST = 1e3
_FORCED_CUT_COST = 10.0
_NOISE_MARGIN_DB = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """How to cut. Lengths are in seconds, levels in dB.

    A frame is silent when it lies ``below_speech_db`` under the loud frames, under ``floor_dbfs``,
    or close to the noise of the room.

    >>> SegmentConfig().max_seconds
    12.0

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    min_seconds: float = 3.0
    max_seconds: float = 12.0
    min_silence_seconds: float = 0.15
    below_speech_db: float = 35.0
    floor_dbfs: float = -60.0
    frame_seconds: float = 0.01
    detector: Literal["energy", "silero"] = "energy"

    def __post_init__(self) -> None:
        for name in ("min_seconds", "max_seconds", "min_silence_seconds", "frame_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"SegmentConfig.{name} must be above 0 s, not {getattr(self, name)}"
                )
        if self.max_seconds < max(2 * self.min_seconds, 2.0):
            raise ValueError(
                f"SegmentConfig.max_seconds ({self.max_seconds}) must be at least 2 s and twice "
                f"min_seconds ({self.min_seconds}), or some recordings cannot be cut"
            )
        if self.frame_seconds > 0.1:
            raise ValueError(
                f"SegmentConfig.frame_seconds must be at most 0.1 s, not {self.frame_seconds}"
            )
        if self.detector not in _DETECTORS:
            raise ValueError(
                f"SegmentConfig.detector must be {' or '.join(_DETECTORS)}, not {self.detector!r}"
            )


@dataclass(frozen=True, slots=True)
class Span:
    """From sample ``start`` up to but not including ``end``."""

    start: int
    end: int

    @property
    def middle(self) -> int:
        """The sample halfway."""
        return (self.start + self.end) // 2


def segment(audio: Audio, config: SegmentConfig | None = None) -> list[Span]:
    """Cut ``audio`` into spans that, laid end to end, are the recording.

    No span is longer than ``max_seconds``; one is shorter than ``min_seconds`` only if the
    recording is, or if no other cut was possible. Cuts lie in the middle of silences, the longer
    ones first; a stretch of speech without any is cut at its quietest frame.

    >>> segment(Audio(np.zeros(24_000 * 8, np.float32), 24_000))
    [Span(start=0, end=192000)]

    Raises:
        ImportError: if ``detector`` is ``silero`` and the extra ``vad`` is not installed.
    """
    config = config or SegmentConfig()
    length = len(audio.samples)
    if audio.duration <= config.max_seconds:
        return [Span(0, length)] if length else []
    cuts = {0: 0.0, length: 0.0}
    cuts.update((frame, _FORCED_CUT_COST) for frame in _quietest_frames(audio, config))
    for silence in silences(audio, config):
        if silence.start > 0 and silence.end < length:
            cuts[silence.middle] = 1.0 / (1.0 + 4.0 * (silence.end - silence.start) / audio.rate)
    return _cheapest(sorted(cuts.items()), audio.rate, config)


def silences(audio: Audio, config: SegmentConfig | None = None) -> list[Span]:
    """The silences of at least ``min_silence_seconds``, in order, by the configured detector.

    Raises:
        ImportError: if ``detector`` is ``silero`` and the extra ``vad`` is not installed.
    """
    config = config or SegmentConfig()
    shortest = config.min_silence_seconds * audio.rate
    found = _DETECTORS[config.detector](audio, config)
    return [span for span in found if span.end - span.start >= shortest]


def segment_file(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    config: SegmentConfig | None = None,
    *,
    resample_to: int | None = None,
) -> list[Utterance]:
    """Cut a recording into ``folder/NAME_0001.wav`` and so on; the recording itself is not touched.

    The utterances have no text yet. ``source`` is the recording's name, and ``extra`` says where in
    it each chunk begins (``start_seconds``), so that chunks of one recording stay on one side of a
    split.

    Raises:
        AudioError: if the recording cannot be read.
        FileExistsError: if a chunk exists already.
        OSError: if the disk is full or the folder cannot be written.
    """
    path, folder = Path(path), Path(folder)
    audio = read(path)
    if resample_to is not None:
        audio = audio.resample(resample_to)
    folder.mkdir(parents=True, exist_ok=True)
    chunks: list[Utterance] = []
    try:
        for number, span in enumerate(segment(audio, config), start=1):
            name = f"{path.stem}_{number:04}"
            chunks.append(_written(audio, span, folder, name, path.name))
    except BaseException:
        for chunk in chunks:  # a recording is cut whole or not at all
            (folder / chunk.audio).unlink(missing_ok=True)
        raise
    _log.info("%s: %d chunks", path, len(chunks))
    return chunks


def _written(audio: Audio, span: Span, folder: Path, name: str, source: str) -> Utterance:
    chunk = Audio(audio.samples[span.start : span.end], audio.rate)
    target = folder / f"{name}.wav"
    write(target, chunk, overwrite=False)
    return Utterance(
        id=name,
        audio=target.name,
        text="",
        duration=chunk.duration,
        rate=chunk.rate,
        sha256=file_sha256(target),
        source=source,
        extra={"start_seconds": span.start / audio.rate},
    )


def _by_energy(audio: Audio, config: SegmentConfig) -> list[Span]:
    levels = _levels(audio, config)
    noise, loud = np.percentile(levels, (10, 95)) if len(levels) else (0.0, 0.0)
    near_noise = min(noise + _NOISE_MARGIN_DB, loud - 2 * _NOISE_MARGIN_DB)
    silent = levels < max(loud - config.below_speech_db, config.floor_dbfs, near_noise)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False])).astype(np.int8)))
    width = _frame(audio, config)
    return [
        Span(int(start) * width, min(int(end) * width, len(audio.samples)))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _by_silero(audio: Audio, config: SegmentConfig) -> list[Span]:
    try:
        from silero_vad import get_speech_timestamps, load_silero_vad
    except ImportError as error:
        raise ImportError(
            "the detector 'silero' needs the extra vad: pip install 'voice-data[vad]'"
        ) from error
    narrow = audio.resample(16_000)
    speech = get_speech_timestamps(
        narrow.samples,
        load_silero_vad(),
        sampling_rate=16_000,
        min_silence_duration_ms=int(config.min_silence_seconds * 1000),
    )
    scale = audio.rate / 16_000
    starts = [0, *(round(item["end"] * scale) for item in speech)]
    ends = [*(round(item["start"] * scale) for item in speech), len(audio.samples)]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True) if end > start]


_DETECTORS: dict[str, Callable[[Audio, SegmentConfig], list[Span]]] = {
    "energy": _by_energy,
    "silero": _by_silero,
}


def _frame(audio: Audio, config: SegmentConfig) -> int:
    return max(1, round(config.frame_seconds * audio.rate))


def _levels(audio: Audio, config: SegmentConfig) -> np.ndarray:
    """RMS level of each whole or partial frame in dBFS, [T]."""
    width = _frame(audio, config)
    padded = np.pad(audio.samples, (0, -len(audio.samples) % width)).reshape(-1, width)
    power = np.mean(np.square(padded, dtype=np.float64), axis=1)
    return 10.0 * np.log10(np.maximum(power, 1e-12))


def _quietest_frames(audio: Audio, config: SegmentConfig) -> list[int]:
    """The middle of the quietest frame in each half second: cuts of last resort."""
    width, levels = _frame(audio, config), _levels(audio, config)
    block = max(1, round(0.5 / config.frame_seconds))
    starts = range(0, len(levels), block)
    frames = (start + int(np.argmin(levels[start : start + block])) for start in starts)
    middles = (frame * width + width // 2 for frame in frames)
    return [middle for middle in middles if 0 < middle < len(audio.samples)]


def _cheapest(cuts: Sequence[tuple[int, float]], rate: int, config: SegmentConfig) -> list[Span]:
    """The cheapest way from the first cut to the last in steps no longer than allowed."""
    places = [place for place, _ in cuts]
    longest, shortest = int(config.max_seconds * rate), config.min_seconds * rate
    costs, previous = [0.0], [0]
    for index in range(1, len(places)):
        first = bisect_left(places, places[index] - longest)
        best = min(
            range(first, index),
            key=lambda origin: (
                costs[origin] + _short_cost(places[index] - places[origin], shortest)
            ),
        )
        step = _short_cost(places[index] - places[best], shortest)
        costs.append(costs[best] + step + cuts[index][1])
        previous.append(best)
    spans: list[Span] = []
    index = len(places) - 1
    while index:
        spans.append(Span(places[previous[index]], places[index]))
        index = previous[index]
    return spans[::-1]


def _short_cost(length: int, shortest: float) -> float:
    return _SHORT_PIECE_COST * (1.0 - length / shortest) + 1.0 if length < shortest else 0.0
