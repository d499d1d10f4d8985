"""What `prepare` does to one clip: look at it, and write the copy that training can use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from voice_data.alignment import AlignmentError, divide
from voice_data.audio import Audio, read, write
from voice_data.checks import CheckConfig
from voice_data.container import sniff
from voice_data.inspection import Inspection, inspect
from voice_data.manifest import Utterance
from voice_data.segment import SegmentConfig, silences
from voice_data.split import SplitConfig
from voice_data.storage import file_sha256, replacing
from voice_data.text import normalize
from voice_data.waveform import AudioError

_SOUND_CODES = {"renamed", "encoding", "channels", "rate", "long", "edge_silence"}
_EDGE_SECONDS = 0.2
_RAW_TEXT = "raw_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """How raw recordings become a training set. ``rate`` is in Hz, ``level_dbfs`` an RMS level.

    ``speaker``, ``language``, ``licence`` and ``consent`` fill in what a row does not say.
    ``split=None`` keeps the source's own splits. ``charset`` is a tokenizer's file.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rate: int = 24_000
    level_dbfs: float | None = None
    normalize_text: bool = True
    speaker: str = ""
    language: str = ""
    licence: str = ""
    consent: str = ""
    charset: Path | None = None
    check: CheckConfig = field(default_factory=CheckConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    split: SplitConfig | None = field(default_factory=SplitConfig)
    processes: int = 1

    def __post_init__(self) -> None:
        if self.rate < 8_000:
            raise ValueError(f"PrepareConfig.rate must be 8000 Hz or more, not {self.rate}")
        if self.level_dbfs is not None and not -60.0 <= self.level_dbfs <= 0.0:
            raise ValueError(
                f"PrepareConfig.level_dbfs must be from -60 to 0, or null, not {self.level_dbfs}"
            )
        if self.processes < 1:
            raise ValueError(f"PrepareConfig.processes must be 1 or more, not {self.processes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """What became of one clip: its inspection, the clips made from it, and why there are none."""

    inspection: Inspection
    clips: tuple[Utterance, ...] = ()
    skipped: str = ""


def completed(utterance: Utterance, config: PrepareConfig) -> Utterance:
    """The utterance with what the configuration knows of speaker, language and terms."""
    names = ("speaker", "language", "licence", "consent")
    missing = {name: getattr(config, name) for name in names if not getattr(utterance, name)}
    return replace(utterance, **missing)


def treat(
    utterance: Utterance,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: PrepareConfig,
    charset: Collection[str] | None = None,
) -> Treated:
    """Inspect a clip of ``folder`` and write what it becomes to ``out/wavs``.

    Raises:
        ManifestError: if the id cannot name a file.
        OSError: if the disk is full or ``out`` cannot be written.
    """
    inspection = inspect(utterance, folder, config.check, charset)
    rejected = [found for found in inspection.findings if found.severity == "reject"]
    if rejected:
        return Treated(inspection=inspection, skipped=f"{rejected[0].code}: {rejected[0].detail}")
    try:
        clips = tuple(_clips(inspection, Path(folder), Path(out), config))
    except (AlignmentError, AudioError) as error:
        return Treated(inspection=inspection, skipped=str(error))
    return Treated(inspection=inspection, clips=clips)


def _clips(
    inspection: Inspection, folder: Path, out: Path, config: PrepareConfig
) -> Iterator[Utterance]:
    utterance, codes = inspection.utterance, {found.code for found in inspection.findings}
    source = utterance.path_in(folder)
    spoken = _spoken(utterance, config)
    untouched = inspection.rate == config.rate and config.level_dbfs is None
    if untouched and not codes & _SOUND_CODES and sniff(source) == "wav":
        target = _target(spoken, out)
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)  # byte for byte: nothing needs to change
        yield _measured(spoken, target, inspection.duration or 0.0, config.rate)
        return
    audio = read(source)
    if "edge_silence" in codes:
        audio = _trimmed(audio, config)
    audio = audio.resample(config.rate)
    if config.level_dbfs is not None:
        audio = audio.scaled_to(config.level_dbfs)
    if "long" in codes:
        yield from _pieces(spoken, audio, out, config)
    else:
        yield _stored(spoken, audio, out)


def _pieces(
    utterance: Utterance, audio: Audio, out: Path, config: PrepareConfig
) -> Iterator[Utterance]:
    pieces = divide(audio, utterance.text, config.segment)
    extra = {key: value for key, value in utterance.extra.items() if key != _RAW_TEXT}
    for number, piece in enumerate(pieces, start=1):
        name = f"{utterance.id}-cut{number:02}"
        part = replace(
            utterance,
            id=name,
            audio=f"wavs/{name}.wav",
            text=piece.text,
            source=utterance.source or utterance.id,
            extra={**extra, "start_seconds": piece.span.start / audio.rate},
        )
        sound = Audio(audio.samples[piece.span.start : piece.span.end], audio.rate)
        yield _stored(part, sound, out)


def _spoken(utterance: Utterance, config: PrepareConfig) -> Utterance:
    """The utterance with its place in the new data set and the text as it is spoken."""
    utterance = replace(utterance, audio=f"wavs/{utterance.id}.wav")
    if not config.normalize_text:
        return utterance
    text = normalize(utterance.text, utterance.language)
    if text == utterance.text:
        return utterance
    return replace(utterance, text=text, extra={_RAW_TEXT: utterance.text, **utterance.extra})


def _stored(utterance: Utterance, audio: Audio, out: Path) -> Utterance:
    target = _target(utterance, out)
    write(target, audio)
    return _measured(utterance, target, audio.duration, audio.rate)


def _target(utterance: Utterance, out: Path) -> Path:
    target = utterance.path_in(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _measured(utterance: Utterance, file: Path, duration: float, rate: int) -> Utterance:
    return replace(utterance, duration=duration, rate=rate, sha256=file_sha256(file))


def _trimmed(audio: Audio, config: PrepareConfig) -> Audio:
    """Without the silence at the ends, but for a fifth of a second on either side."""
    margin, length = round(_EDGE_SECONDS * audio.rate), len(audio.samples)
    start, end = 0, length
    for span in silences(audio, config.segment):
        if span.start == 0:
            start = max(0, span.end - margin)
        if span.end >= length:
            end = min(length, span.start + margin)
    return Audio(audio.samples[start:end], audio.rate) if start < end else audio
