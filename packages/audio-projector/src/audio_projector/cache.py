"""Hidden states of a corpus, captured once: shards of safetensors that know what made them.

``FOLDER/index.json`` lists the texts and the shards; ``states-00000.safetensors`` holds ``values``
[N, L, H] in half precision, ``spans`` [N, 2] and ``ends`` [texts].
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_projector.states import CHAT, TokenStates
from voice_data.config import from_mapping
from voice_data.storage import file_sha256

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel

INDEX = "index.json"
FORMAT = 1


class CacheError(ValueError):
    """A cache of states that cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A text to be spoken. ``respelled`` has as many bytes and tells how it is to sound, if the
    text alone does not: "I redd it." for "I read it.". ``split`` is ``train`` or ``validation``.
    """

    text: str
    respelled: str = ""
    split: str = "train"

    def __post_init__(self) -> None:
        if self.respelled and len(self.respelled.encode()) != len(self.text.encode()):
            raise CacheError(
                f"respelled {self.respelled!r} must have as many bytes as the text {self.text!r}"
            )
        if self.split not in ("train", "validation"):
            raise CacheError(f"split must be train or validation, not {self.split!r}")

    @property
    def sound(self) -> str:
        """The text as it is to sound."""
        return self.respelled or self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What states are captured: ``layers`` of which ``llm``, after which ``prefix``.

    ``together`` texts are read in one pass, each knowing those before it; ``batch`` bounds the
    tokens of a pass, ``shard`` is the texts of a file.

    Raises:
        CacheError: if a number is not positive, or no layer is given.
    """

    llm: str = ""
    layers: tuple[int, ...] = (0, 8, 16, 24)
    prefix: str = CHAT
    together: int = 4
    batch: int = 1024
    shard: int = 512

    def __post_init__(self) -> None:
        for name in ("together", "batch", "shard"):
            if getattr(self, name) < 1:
                raise CacheError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.layers:
            raise CacheError("layers is empty: give at least one, such as layers='[24]'")
        if self.shard % self.together:
            raise CacheError(
                f"shard ({self.shard}) must be a multiple of together ({self.together})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheIndex:
    """All that a cache says of itself; ``shards`` maps file names to their SHA-256."""

    llm_sha256: str
    tokenizer_sha256: str
    width: int
    config: CacheConfig
    lines: tuple[Line, ...]
    shards: Mapping[str, str]
    seconds: float = 0.0
    format: int = FORMAT


class StatesCache:
    """A cache opened for reading; ``[i]`` are the states of line i."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the index; shards are checked against their hashes when they are opened.

        Raises:
            CacheError: if the index is missing, damaged or of a newer format.
        """
        self.folder = Path(folder)
        self.index = _read_index(self.folder / INDEX)
        self._open: dict[int, dict[str, Any]] = {}

    @property
    def lines(self) -> tuple[Line, ...]:
        """The texts."""
        return self.index.lines

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose states there are."""
        return self.index.config.layers

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.lines)

    def __getitem__(self, position: int) -> TokenStates:
        """The states of one text, in float32.

        Raises:
            IndexError: if there is no such text.
            CacheError: if its shard is missing or was changed.
        """
        if not 0 <= position < len(self):
            raise IndexError(position)
        number, place = divmod(position, self.index.config.shard)
        shard = self._shard(number)
        end = int(shard["ends"][place])
        start = int(shard["ends"][place - 1]) if place else 0
        values = shard["values"][start:end].float()
        return TokenStates(values=values, spans=shard["spans"][start:end])

    def of_split(self, split: str) -> list[int]:
        """The positions of one side of the split."""
        return [i for i, line in enumerate(self.lines) if line.split == split]

    def require(self, llm: LanguageModel) -> None:
        """Refuse a language model other than the one that the states are of.

        Raises:
            CacheError: naming what differs.
        """
        pairs = {
            "weights": (self.index.llm_sha256, llm.weights_sha256),
            "tokenizer": (self.index.tokenizer_sha256, llm.tokenizer_sha256),
        }
        for name, (cached, given) in pairs.items():
            if cached != given:
                raise CacheError(
                    f"{self.folder} was made with other {name} ({cached[:12]}) than {llm.name!r} "
                    f"has ({given[:12]}): cache the corpus for this language model"
                )

    def _shard(self, number: int) -> dict[str, Any]:
        if number not in self._open:
            from safetensors.torch import load_file

            name = shard_name(number)
            path = self.folder / name
            if not path.is_file() or file_sha256(path) != self.index.shards.get(name):
                raise CacheError(f"{path} is missing, cut short or changed: cache the corpus again")
            self._open[number] = load_file(path)
        return self._open[number]


def _read_index(path: Path) -> CacheIndex:
    try:
        index = from_mapping(CacheIndex, json.loads(path.read_text("utf-8")), where=str(path))
    except FileNotFoundError:
        raise CacheError(
            f"{path.parent} holds no finished states: run `audio-projector cache`"
        ) from None
    except (OSError, ValueError) as error:
        raise CacheError(f"{path} cannot be read ({error}): cache the corpus again") from error
    if index.format != FORMAT:
        raise CacheError(f"{path} has format {index.format}, not {FORMAT}: cache the corpus again")
    return index


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"states-{number:05d}.safetensors"
