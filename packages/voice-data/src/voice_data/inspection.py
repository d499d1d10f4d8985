"""One clip looked at by itself: what it is, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from voice_data import text as spoken
from voice_data.audio import AudioError, AudioInfo, info, peak_dbfs, read, rms_dbfs
from voice_data.checks import CheckConfig, Finding
from voice_data.consent import ConsentError, objections
from voice_data.container import SUFFIXES, sniff
from voice_data.manifest import ManifestError, Utterance
from voice_data.storage import file_sha256
from voice_data.waveform import to_int16


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was measured on one clip (None or 0 where it could not be read) and found wrong in
    it."""

    utterance: Utterance
    findings: tuple[Finding, ...]
    duration: float | None = None
    rate: int | None = None
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None
    sha256: str = ""
    sound_hash: str = ""
    speech_seconds: float = 0.0
    characters: int = 0


def inspect(
    utterance: Utterance,
    folder: str | os.PathLike[str],
    config: CheckConfig | None = None,
    charset: Collection[str] | None = None,
) -> Inspection:
    """Look at one clip of the data set in ``folder``; nothing is written, nothing raised.

    >>> inspect(Utterance(id="a", audio="a.wav", text="Hello."), "no-such-folder").findings[0].code
    'missing'
    """
    config = config or CheckConfig()
    findings = _text_findings(utterance, config, charset) + _term_findings(utterance, config)
    characters = sum(character.isalnum() for character in utterance.text)
    try:
        path = utterance.path_in(folder)
    except ManifestError as error:
        found = Finding(code="outside", detail=str(error))
        return Inspection(utterance=utterance, findings=(found, *findings), characters=characters)
    if not path.is_file():
        found = Finding(code="missing", detail=_missing(utterance.audio, Path(folder)))
        return Inspection(utterance=utterance, findings=(found, *findings), characters=characters)
    try:
        header, audio = info(path), read(path)
    except (AudioError, OSError) as error:
        found = Finding(code="unreadable", detail=str(error))
        return Inspection(utterance=utterance, findings=(found, *findings), characters=characters)
    start, end = _speech(audio.samples, audio.rate, config.silence_dbfs)
    level, peak = rms_dbfs(audio.samples), peak_dbfs(audio.samples)
    found = [*_header_findings(utterance, path, header, config)]
    found += _sound_findings(audio.samples, audio.rate, level, (start, end), config)
    return Inspection(
        utterance=utterance,
        findings=(*found, *findings),
        duration=audio.duration,
        rate=audio.rate,
        rms_dbfs=level,
        peak_dbfs=peak,
        sha256=file_sha256(path),
        sound_hash=_sound_hash(audio.samples, audio.rate),
        speech_seconds=(end - start) / audio.rate,
        characters=characters,
    )


def _text_findings(
    utterance: Utterance, config: CheckConfig, charset: Collection[str] | None
) -> list[Finding]:
    text, findings = utterance.text, []
    if len(text) > config.max_chars:
        detail = f"{len(text)} characters, {config.max_chars} allowed: cut the clip and its text"
        return [Finding(code="long_text", detail=detail)]
    try:
        clean = spoken.normalize(text, utterance.language)
    except spoken.TextError as error:
        return [Finding(code="empty_text", detail=str(error))]
    if emoji := spoken.emoji_in(text):
        findings.append(Finding(code="emoji", detail=f"{_shown(emoji)}: normalize drops them"))
    if odd := spoken.odd_characters_in(text):
        findings.append(
            Finding(code="odd_characters", detail=f"{_shown(odd)}: normalize drops them")
        )
    if charset is not None:
        if unknown := [character for character in clean if character not in charset]:
            detail = f"the tokenizer does not know {_shown(unknown)}: spell them in another way"
            findings.append(Finding(code="charset", detail=detail))
        elif unknown := [character for character in text if character not in charset]:
            detail = f"the tokenizer does not know {_shown(unknown)}: normalize spells them out"
            findings.append(Finding(code="charset_raw", detail=detail))
    return findings


def _term_findings(utterance: Utterance, config: CheckConfig) -> list[Finding]:
    if config.use is None:
        return []
    try:
        reasons = objections(utterance, config.use)
    except ConsentError as error:
        reasons = [str(error)]
    return [Finding(code="consent", detail=reason) for reason in reasons]


def _header_findings(
    utterance: Utterance, path: Path, header: AudioInfo, config: CheckConfig
) -> list[Finding]:
    findings = []
    container, promised = sniff(path), SUFFIXES.get(path.suffix.lower())
    if promised != container:
        detail = f"{path.name} is {container} in spite of its name: convert it to wav"
        findings.append(Finding(code="renamed", detail=detail))
    if header.encoding != "PCM_16":
        detail = f"{header.container} {header.encoding} instead of 16-bit PCM: convert it to wav"
        findings.append(Finding(code="encoding", detail=detail))
    if header.channels != 1:
        detail = f"{header.channels} channels instead of one: they are averaged"
        findings.append(Finding(code="channels", detail=detail))
    if header.rate < min(config.rates):
        detail = f"{header.rate} Hz, at least {min(config.rates)} Hz is needed: record it again"
        findings.append(Finding(code="low_rate", detail=detail))
    elif header.rate not in config.rates:
        detail = f"{header.rate} Hz instead of one of {', '.join(map(str, config.rates))}: resample"
        findings.append(Finding(code="rate", detail=detail))
    if PurePosixPath(utterance.id).name != PurePosixPath(utterance.audio).stem:
        detail = f"the clip {utterance.id!r} is in a file called {path.name!r}: check the pairing"
        findings.append(Finding(code="name", detail=detail))
    return findings


def _sound_findings(
    samples: np.ndarray, rate: int, level: float, speech: tuple[int, int], config: CheckConfig
) -> list[Finding]:
    findings = []
    seconds = len(samples) / rate
    if seconds < config.min_seconds:
        detail = f"{seconds:.2f} s, at least {config.min_seconds:g} s is needed: drop or join clips"
        findings.append(Finding(code="short", detail=detail))
    if seconds > config.max_seconds:
        detail = f"{seconds:.1f} s, at most {config.max_seconds:g} s is allowed: segment it"
        findings.append(Finding(code="long", detail=detail))
    if level < config.silence_dbfs:
        detail = f"{level:.0f} dBFS, silence is below {config.silence_dbfs:g} dBFS: record it again"
        return [*findings, Finding(code="silent", detail=detail)]
    clipped = _clipped(samples)
    if clipped > config.max_clipped:
        detail = (
            f"{clipped:.2%} of it is clipped, {config.max_clipped:.2%} allowed: record it again"
        )
        findings.append(Finding(code="clipping", detail=detail))
    edges = speech[0] / rate, (len(samples) - speech[1]) / rate
    if max(edges) > config.edge_silence_seconds:
        detail = f"{edges[0]:.1f} s of silence before and {edges[1]:.1f} s after: trim it"
        findings.append(Finding(code="edge_silence", detail=detail))
    return findings


def _clipped(samples: np.ndarray) -> float:
    """The share of samples in runs of three or more at the clip's highest level, if that is near
    full scale."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 0.98:
        return 0.0
    flat = np.abs(samples) >= peak - 2.0 / 32_768
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat, [False])).astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= 3].sum()) / len(samples)


def _speech(samples: np.ndarray, rate: int, silence_dbfs: float) -> tuple[int, int]:
    """From the first to the last frame of 20 ms that is not silent, in samples; all of it if none
    is."""
    width = max(1, rate // 50)
    frames = np.pad(samples, (0, -len(samples) % width)).reshape(-1, width)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    heard = np.flatnonzero(power > 10.0 ** (silence_dbfs / 10.0))
    if not len(heard):
        return 0, len(samples)
    return int(heard[0]) * width, min(len(samples), (int(heard[-1]) + 1) * width)


def _sound_hash(samples: np.ndarray, rate: int) -> str:
    """Equal for equal sound, whatever the container (of those that lose nothing)."""
    pcm = to_int16(samples).astype("<i2")
    return hashlib.sha256(f"{rate}:".encode() + pcm.tobytes()).hexdigest()


def _missing(audio: str, folder: Path) -> str:
    parent = (folder / audio).parent
    similar = _names_in(parent).get(_key(audio))
    hint = f"did you mean {similar!r}?" if similar else "copy the file there or remove the line"
    return f"{audio!r} is not in {os.fspath(folder)!r}: {hint}"


@lru_cache(maxsize=64)
def _names_in(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    names = (item.name for item in folder.iterdir() if item.suffix.lower() in SUFFIXES)
    return {_key(name): name for name in names}


def _key(name: str) -> str:
    """Alike for names that differ in case, ending or Unicode form only."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem).casefold()


def _shown(characters: Collection[str]) -> str:
    distinct = list(dict.fromkeys(characters))
    shown = " ".join(f"{character!r} (U+{ord(character[0]):04X})" for character in distinct[:5])
    return f"{shown} and {len(distinct) - 5} more" if len(distinct) > 5 else shown
