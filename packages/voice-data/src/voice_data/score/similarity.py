"""Whose voice it is: cosine similarity of speaker embeddings, always beside its ceiling.

Letters: N clips, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from voice_data.score.extra import quiet, require
from voice_data.score.row import Clip, Row, load

if TYPE_CHECKING:
    from voice_data.audio import Audio

ENCODER_RATE = 16_000


class Similarity(NamedTuple):
    """Cosines of one clip, sentence against sentence; None where there is nothing to compare.

    ``similarity`` is the mean over the references, ``similarity_ceiling`` the same mean among the
    references of this speaker themselves (the same voice saying other sentences: nothing real
    scores higher), and ``consistency`` the mean against the speaker's other scored clips.
    """

    similarity: float | None
    similarity_ceiling: float | None
    consistency: float | None


@dataclass(frozen=True, slots=True)
class SpeakerEncoder:
    """Resemblyzer's speaker encoder."""

    model: Any

    @classmethod
    def from_pretrained(cls, *, device: str = "cpu") -> SpeakerEncoder:
        """Load the weights that come inside the Resemblyzer package.

        Raises:
            ImportError: if the ``[metrics]`` extra is not installed.
        """
        return cls(require("resemblyzer").VoiceEncoder(device, verbose=False))

    def embed(self, audio: Audio) -> np.ndarray:
        """The unit embedding of one clip, [D] float32; zeros if nothing in it is speech."""
        preprocess = require("resemblyzer").preprocess_wav
        samples = audio.resample(ENCODER_RATE).samples
        with quiet():
            speech = preprocess(samples) if np.any(samples) else samples[:0]
            if not len(speech):
                return np.zeros(256, np.float32)
            return self.model.embed_utterance(speech)


def measure_similarity(rows: Sequence[Row], encoder: SpeakerEncoder) -> list[Similarity]:
    """Similarity, ceiling and consistency of every row; each clip is embedded once."""
    gallery = Gallery(encoder)
    voices = [gallery.embed(row.audio) for row in rows]
    ceilings = _ceilings(rows, gallery)
    results = []
    for index, (row, voice) in enumerate(zip(rows, voices, strict=True)):
        references = [
            gallery.embed(clip) for clip in row.references if clip_key(clip) != clip_key(row.audio)
        ]
        others = [
            voices[other]
            for other, peer in enumerate(rows)
            if row.speaker and peer.speaker == row.speaker and other != index
        ]
        results.append(
            Similarity(
                similarity=_mean_cosine(voice, references),
                similarity_ceiling=ceilings.get(_group(row)),
                consistency=_mean_cosine(voice, others),
            )
        )
    return results


class Gallery:
    """Embeddings by clip, so that a clip used as a reference many times is embedded once."""

    def __init__(self, encoder: SpeakerEncoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str | int, np.ndarray] = {}

    def embed(self, clip: Clip) -> np.ndarray:
        """The embedding of ``clip``, [D]."""
        key = clip_key(clip)
        if key not in self._vectors:
            self._vectors[key] = self._encoder.embed(load(clip))
        return self._vectors[key]


def clip_key(clip: Clip) -> str | int:
    """What makes two clips the same one: their file, or their being the same object."""
    return str(Path(clip).absolute()) if isinstance(clip, (str, Path)) else id(clip)


def _group(row: Row) -> tuple[str, ...]:
    # Rows of one speaker share a ceiling; nameless rows only with the same references.
    if row.speaker:
        return (row.speaker,)
    return ("", *(str(clip_key(clip)) for clip in row.references))


def _ceilings(rows: Sequence[Row], gallery: Gallery) -> dict[tuple[str, ...], float]:
    pools: dict[tuple[str, ...], dict[str | int, np.ndarray]] = {}
    for row in rows:
        pool = pools.setdefault(_group(row), {})
        pool.update({clip_key(clip): gallery.embed(clip) for clip in row.references})
    return {
        group: _pairwise(np.stack(list(pool.values())))
        for group, pool in pools.items()
        if len(pool) > 1
    }


def _pairwise(vectors: np.ndarray) -> float:
    """Mean cosine over all pairs of different clips of [N, D]."""
    cosines = vectors @ vectors.T  # [N, N]
    return float(cosines[np.triu_indices(len(vectors), k=1)].mean())


def _mean_cosine(voice: np.ndarray, others: Sequence[np.ndarray]) -> float | None:
    return float(np.mean(np.stack(others) @ voice)) if others else None
