"""Voices to learn from: an encoded training set, what its clips sound like, and words for it.

Letters: N clips, X features of a clip, S speakers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.describe.tags import Tags

if TYPE_CHECKING:
    from voice_data.encoded import EncodedSet

VOICES, FEATURES = "voices.json", "features.safetensors"
FORMAT = 1


class CorpusError(ValueError):
    """Voices that cannot be learnt from; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """One voice: its clips (positions in the encoded set) and what was measured of them."""

    name: str
    clips: tuple[int, ...]
    tags: Tags
    measures: Mapping[str, Any]


class VoiceCorpus:
    """An :class:`voice_data.encoded.EncodedSet` with ``folder``, which ``t2a-prepare`` made."""

    def __init__(self, data: EncodedSet, folder: str | os.PathLike[str]) -> None:
        """Read what was measured.

        Raises:
            CorpusError: if a file is missing or damaged, or belongs to another set.
        """
        self.data, self.folder = data, Path(folder)
        values = _read(self.folder / VOICES)
        if values.get("set") != set_key(data):
            raise CorpusError(
                f"{self.folder} was made for another training set than {data.folder}: "
                "run `t2a-prepare` for this one"
            )
        self._described: dict[str, Any] = values["speakers"]

    @cached_property
    def features(self) -> np.ndarray:
        """[N, X], in the order of the set's clips.

        Raises:
            CorpusError: if they are missing, damaged or too few.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.folder / FEATURES
        try:
            found = load_file(path)["features"]
        except (OSError, KeyError, SafetensorError) as error:
            raise CorpusError(f"{path} cannot be read ({error}): run `t2a-prepare`") from error
        if len(found) != len(self.data):
            raise CorpusError(
                f"{path} holds {len(found)} clips and the set {len(self.data)}: run `t2a-prepare`"
            )
        return found

    @cached_property
    def speakers(self) -> dict[str, Speaker]:
        """The voices that were described, by name, in order."""
        clips: dict[str, list[int]] = {}
        for position, name in enumerate(self.data.speakers):
            clips.setdefault(name, []).append(position)
        return {
            name: Speaker(
                name=name,
                clips=tuple(places),
                tags=Tags.from_list(self._described[name]["tags"]),
                measures=self._described[name]["measures"],
            )
            for name, places in sorted(clips.items())
            if name in self._described
        }

    def held_out(self, share: float, seed: int = 0) -> set[str]:
        """Names of the voices that training must not hear, chosen by name alone."""
        return {name for name in self.speakers if _fraction(f"{seed}/{name}") < share}


def set_key(data: EncodedSet) -> str:
    """What tells one training set from another."""
    return hashlib.sha256("".join(data.index.shards.values()).encode()).hexdigest()


def write_voices(
    folder: Path, data: EncodedSet, speakers: Mapping[str, Any], features: np.ndarray
) -> None:
    """Write what :class:`VoiceCorpus` reads; the index last, so that a torn write is no corpus.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    from safetensors.numpy import save_file

    from voice_data.storage import replacing, write_text

    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FEATURES) as temporary:
        save_file({"features": np.ascontiguousarray(features, np.float32)}, temporary)
    values = {"format": FORMAT, "set": set_key(data), "speakers": dict(speakers)}
    write_text(folder / VOICES, json.dumps(values, ensure_ascii=False, indent=1) + "\n")


def mean_features(features: np.ndarray, clips: Sequence[int]) -> np.ndarray:
    """[X]: what several clips of one voice sound like together."""
    return features[np.asarray(clips)].mean(0)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CorpusError(f"{path} is missing: make it with `t2a-prepare`") from None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): run `t2a-prepare`") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CorpusError(f"{path} has another format than {FORMAT}: run `t2a-prepare`")
    return values


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
