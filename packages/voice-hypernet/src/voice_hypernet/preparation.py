"""What `t2a-prepare` does: hear every clip of an encoded set and measure every speaker.

An interrupted run goes on: every finished part of a speaker is a file in ``parts``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.describe.measures import Measures, combine
from voice_data.describe.tags import tag
from voice_data.storage import replacing
from voice_data.workers import mapping
from voice_hypernet.clip import FEATURES, ClipError, hear
from voice_hypernet.corpus import CorpusError, set_key, write_voices

if TYPE_CHECKING:
    from voice_data.encoded import EncodedSet

_log = logging.getLogger(__name__)
PARTS = "parts"
_AT_ONCE = 128
"""Clips of a part: what is lost at most when a run is interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """``data`` is an encoded set, ``out`` the folder to make; ``clips`` of a speaker are measured.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    data: str
    out: str
    clips: int = 10
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("data", "out"):
            if not getattr(self, name):
                raise ValueError(f"PrepareConfig.{name} is empty: give it a value")
        for name in ("clips", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"PrepareConfig.{name} must be 1 or more, not {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The folder, how many voices and clips it holds, and why some clips could not be heard."""

    folder: Path
    voices: int
    clips: int
    unheard: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some clips of one speaker: positions in the set, names, files, and those to measure."""

    speaker: str
    positions: tuple[int, ...]
    names: tuple[str, ...]
    files: tuple[str, ...]
    measured: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """Names the file of what was found."""
        text = json.dumps([self.speaker, self.names, self.measured], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def prepare(
    config: PrepareConfig, *, on_clip: Callable[[int, int], None] | None = None
) -> Prepared:
    """Write what :class:`voice_hypernet.corpus.VoiceCorpus` reads.

    ``on_clip`` is called with the number of clips that are done and of all.

    Raises:
        EncodedSetError: if the set cannot be read.
        CorpusError: if no speaker can be measured.
        OSError: if the disk is full or the folder cannot be written.
    """
    from voice_data.encoded import EncodedSet

    data = EncodedSet(config.data)
    parts = list(_parts(data, config))
    out = Path(config.out)
    folder = out / PARTS / set_key(data)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    done = [part for part in parts if _file(folder, part).is_file()]
    left = [part for part in parts if not _file(folder, part).is_file()]
    count = sum(len(part.names) for part in done)
    with mapping(config.workers) as apply:
        for part, _ in zip(left, apply(partial(_hear, folder), left), strict=True):
            count += len(part.names)
            if on_clip is not None:
                on_clip(count, len(data))
    found = [_read(_file(folder, part)) for part in parts]
    features, unheard = _features(parts, found, len(data))
    speakers = _described(parts, found)
    if not speakers:
        raise CorpusError(f"no voice of {config.data} could be measured: {_first(unheard)}")
    write_voices(out, data, speakers, features)
    shutil.rmtree(out / PARTS)
    return Prepared(folder=out, voices=len(speakers), clips=len(data), unheard=unheard)


def _parts(data: EncodedSet, config: PrepareConfig) -> Iterator[Part]:
    clips: dict[str, list[int]] = {}
    for position, name in enumerate(data.speakers):
        clips.setdefault(name, []).append(position)
    for name, places in sorted(clips.items()):
        rng = random.Random(f"{config.seed} {name}")
        chosen = set(rng.sample(places, min(config.clips, len(places))))
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            yield Part(
                speaker=name,
                positions=tuple(some),
                names=tuple(data.clips[i].id for i in some),
                files=tuple(str(data.audio_of(i)) for i in some),
                measured=tuple((data.clips[i].id, data.texts[i]) for i in some if i in chosen),
            )


def _hear(folder: Path, part: Part) -> None:
    """Hear and measure the clips of a part, and write what was found."""
    from safetensors.numpy import save_file

    from voice_data.audio import AudioError, read
    from voice_data.describe import measure

    texts = dict(part.measured)
    features = np.zeros((len(part.files), FEATURES), np.float32)
    measures: list[dict[str, Any]] = []
    unheard: dict[str, str] = {}
    for row, (name, file) in enumerate(zip(part.names, part.files, strict=True)):
        try:
            audio = read(file)
            features[row] = hear(audio).features
        except (AudioError, ClipError) as error:
            unheard[name] = str(error)
            continue
        if name in texts:
            measures.append(measure(audio, texts[name]).to_dict())
    told = {"measures": json.dumps(measures), "unheard": json.dumps(unheard, ensure_ascii=False)}
    with replacing(_file(folder, part)) as temporary:
        save_file({"features": features}, temporary, told)


def _file(folder: Path, part: Part) -> Path:
    return folder / f"{part.key}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    features: np.ndarray
    measures: list[Measures]
    unheard: dict[str, str]


def _read(path: Path) -> _Found:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        told = file.metadata() or {}
        return _Found(
            features=file.get_tensor("features"),
            measures=[Measures.from_dict(each) for each in json.loads(told["measures"])],
            unheard=json.loads(told["unheard"]),
        )


def _features(
    parts: list[Part], found: list[_Found], count: int
) -> tuple[np.ndarray, dict[str, str]]:
    """[N, X], where a clip that could not be heard has the mean of its speaker's others."""
    features, unheard = np.zeros((count, FEATURES), np.float32), {}
    rows: dict[str, list[int]] = {}
    gaps: list[tuple[str, int]] = []
    for part, each in zip(parts, found, strict=True):
        features[list(part.positions)] = each.features
        unheard |= each.unheard
        for name, position in zip(part.names, part.positions, strict=True):
            if name in each.unheard:
                gaps.append((part.speaker, position))
            else:
                rows.setdefault(part.speaker, []).append(position)
    for speaker, position in gaps:
        if speaker in rows:
            features[position] = features[rows[speaker]].mean(0)
    return features, unheard


def _described(parts: list[Part], found: list[_Found]) -> dict[str, Any]:
    measures: dict[str, list[Measures]] = {}
    for part, each in zip(parts, found, strict=True):
        measures.setdefault(part.speaker, []).extend(each.measures)
    speakers = {}
    for name, some in measures.items():
        if not some:
            _log.warning("no clip of %s could be heard: the voice is left out", name)
            continue
        together = combine(some)
        speakers[name] = {"measures": together.to_dict(), "tags": tag(together).to_list()}
    return speakers


def _first(unheard: dict[str, str]) -> str:
    return next(iter(unheard.values()), "there are no clips")
