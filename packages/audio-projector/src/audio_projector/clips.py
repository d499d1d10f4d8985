"""Recordings to train on: an encoded set of the speech model, and which cached text each says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from voice_data.encoded import EncodedSet
from voice_data.text import normalize

if TYPE_CHECKING:
    from audio_projector.cache import StatesCache
    from voice_data.speech import StatesModel


class ClipsError(ValueError):
    """Clips that cannot be trained on; the message says why and what to do."""


class Clips(NamedTuple):
    """The clips, the cached line of each, their ``sizes`` in steps, and those to train on."""

    data: EncodedSet
    model: StatesModel
    lines: dict[int, int]
    sizes: list[int]
    training: list[int]

    @classmethod
    def open(cls, folder: str, model: StatesModel, cache: StatesCache) -> Clips:
        """Open a set of `voice-data encode` and find its texts in the cache.

        Raises:
            EncodedSetError: if it is damaged or of another speech model.
            ClipsError: if no text of it is cached.
        """
        data = EncodedSet(folder)
        data.require_base(model.weights_sha256)
        known = {line.text: i for i, line in enumerate(cache.lines)}
        lines: dict[int, int] = {}
        for i, clip in enumerate(data.clips):
            line = known.get(normalize(clip.text, clip.language or "en"))
            if line is not None:
                lines[i] = line
        training = [i for i in data.of_split("train") if i in lines]
        if not training:
            raise ClipsError(
                f"no text of {folder} has cached states in {cache.folder}: cache its texts"
            )
        return cls(data, model, lines, data.lengths, training)

    def lines_of(self, clips: Sequence[int]) -> list[int]:
        """The cached line of each clip."""
        return [self.lines[clip] for clip in clips]

    def batch(self, clips: Sequence[int]) -> Any:
        """The speech model's own batch; each clip's voice is heard from itself."""
        return self.model.collate([self.data[clip] for clip in clips])
