"""A prepared training set: clips as one speech model trains on them, read shard by shard."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.config import ConfigError, from_mapping
from voice_data.storage import PathError, file_sha256, inside, write_text

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "index.json"
FORMAT = 1


class EncodedSetError(ValueError):
    """A prepared set that cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedClip:
    """One clip: what is said, by whom, and where its tensors are.

    ``length`` counts steps of the network, ``duration`` seconds; ``audio`` is relative to the
    set's folder; ``source`` and ``shard`` are positions in the lists of :class:`Index`.
    """

    id: str
    text: str
    audio: str
    speaker: str
    length: int
    duration: float
    shard: int
    source: int = 0
    language: str = ""
    emotion: tuple[float, ...] | str = ""
    split: str = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set that went in; its clips come ``weight`` times in an epoch of training."""

    name: str
    weight: float = 1.0
    language: str = ""
    emotion: tuple[float, ...] | str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All that a prepared set says of itself; ``shards`` maps file names to their SHA-256.

    ``skipped`` tells for each clip that is left out why. An empty licence or consent is unknown.
    """

    base: str
    base_sha256: str
    sample_rate: int
    manifest_sha256: str
    clips: tuple[EncodedClip, ...]
    shards: Mapping[str, str]
    sources: tuple[Source, ...]
    licence: str = ""
    consent: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def write_index(folder: Path, index: Index) -> None:
    """Write ``index.json``, whole or not at all.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    text = json.dumps(asdict(index), indent=1, ensure_ascii=False)
    write_text(folder / INDEX, f"{text}\n")


def read_index(folder: str | os.PathLike[str]) -> Index:
    """Read ``index.json``.

    Raises:
        EncodedSetError: if it is missing or damaged, or of a newer format.
    """
    path = Path(folder) / INDEX
    try:
        values = json.loads(path.read_text("utf-8"))
        index = from_mapping(Index, values, where=str(path))
    except FileNotFoundError:
        raise EncodedSetError(
            f"{os.fspath(folder)} is no prepared set (it has no {INDEX}): "
            "make one with `voice-data encode`"
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        reason = error if isinstance(error, ConfigError) else f"{path} cannot be read: {error}"
        raise EncodedSetError(f"{reason}; prepare the set again") from error
    if index.format != FORMAT:
        raise EncodedSetError(f"{path} has format {index.format}, not {FORMAT}: update voice-data")
    if not index.clips:
        raise EncodedSetError(f"{path} lists no clips: prepare the set again")
    return index


class EncodedSet:
    """The clips of a prepared set; ``[i]`` reads the named tensors of one.

    A shard is checked against its hash when it is opened first, then read clip by clip.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the index; tensors are read on demand.

        Raises:
            EncodedSetError: if the index or a shard is missing or damaged.
        """
        self.folder = Path(folder)
        self.index = read_index(folder)
        self._names = list(self.index.shards)
        self._open: dict[int, Any] = {}
        self._keys: dict[int, dict[str, list[str]]] = {}
        for name in self._names:
            if not self._path(name).is_file():
                raise EncodedSetError(f"{self._path(name)} is missing: prepare the set again")

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self.index.clips)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        """The tensors of one clip.

        Raises:
            IndexError: if there is no such clip.
            EncodedSetError: if its shard was changed or does not hold it.
        """
        clip = self.index.clips[position]
        file = self._shard(clip.shard)
        names = self._keys[clip.shard].get(clip.id)
        if not names:
            raise EncodedSetError(f"clip {clip.id!r} is not in its shard: prepare the set again")
        return {name: file.get_tensor(f"{clip.id}/{name}") for name in names}

    @property
    def clips(self) -> tuple[EncodedClip, ...]:
        """What the index says of each clip."""
        return self.index.clips

    @cached_property
    def lengths(self) -> list[int]:
        """Steps of the network, per clip."""
        return [clip.length for clip in self.clips]

    @cached_property
    def texts(self) -> list[str]:
        """What is said, per clip."""
        return [clip.text for clip in self.clips]

    @cached_property
    def speakers(self) -> list[str]:
        """Who says it, per clip."""
        return [clip.speaker for clip in self.clips]

    @cached_property
    def splits(self) -> list[str]:
        """``train`` or ``validation``, per clip."""
        return [clip.split for clip in self.clips]

    def of_split(self, split: str) -> list[int]:
        """The positions of one side of the split."""
        return [i for i, clip in enumerate(self.clips) if clip.split == split]

    def audio_of(self, position: int) -> Path:
        """The recording of a clip, checked and resampled."""
        return self.folder / self.clips[position].audio

    def require_base(self, weights_sha256: str) -> None:
        """Refuse a base model other than the one that the clips were encoded with.

        Raises:
            EncodedSetError: naming both.
        """
        if weights_sha256 != self.index.base_sha256:
            raise EncodedSetError(
                f"{self.folder} was prepared with {self.index.base!r} (weights "
                f"{self.index.base_sha256[:12]}), and these weights are {weights_sha256[:12]}: "
                "prepare the set for this base, or use that one"
            )

    def _path(self, name: str) -> Path:
        try:
            return inside(self.folder, name)
        except PathError as error:
            raise EncodedSetError(f"{self.folder / INDEX}: {error}") from error

    def _shard(self, number: int) -> Any:
        if number not in self._open:
            if not 0 <= number < len(self._names):
                raise EncodedSetError(f"{self.folder / INDEX}: there is no shard {number}")
            from safetensors import SafetensorError, safe_open

            name = self._names[number]
            path = self._path(name)
            if file_sha256(path) != self.index.shards[name]:
                raise EncodedSetError(f"{path} was changed or cut short: prepare the set again")
            try:
                file = safe_open(path, framework="pt")
            except SafetensorError as error:
                raise EncodedSetError(f"{path} cannot be read: {error}") from error
            self._keys[number] = {}
            for key in file.keys():  # noqa: SIM118
                clip, _, tensor = key.rpartition("/")
                self._keys[number].setdefault(clip, []).append(tensor)
            self._open[number] = file
        return self._open[number]
