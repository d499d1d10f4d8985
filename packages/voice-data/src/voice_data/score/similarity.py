"""Whose voice it is: cosine similarity of speaker embeddings, always beside its ceiling.

Letters: N clips, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from voice_data.score.extra import quiet, require
from voice_data.score.row import Clip, Row, ScoreError, load

if TYPE_CHECKING:
    from voice_data.audio import Audio

ENCODER_RATE = 16_000


class Similarity(NamedTuple):
    """Cosines of one clip, single sentence against single sentence; None where there is nothing to compare.

    ``similarity`` is the mean over the references, ``similarity_ceiling`` the same mean among the
    references of this speaker themselves (the same voice saying other sentences: nothing real scores higher), and
    ``consistency`` the mean against the speaker's other scored clips.
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
    gallery = _Gallery(encoder)
    voices = [gallery.embed(row.audio) for row in rows]
    ceilings = _ceilings(rows, gallery)
    results = []
    for index, (row, voice) in enumerate(zip(rows, voices)):
        references = [gallery.embed(clip) for clip in row.references if _key(clip) != _key(row.audio)]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which named voice each clip was nearest to.

    ``confusion`` is [V, V] counts: row = the voice asked for, column = the nearest voice, in the order of ``voices``.
    """

    voices: tuple[str, ...]
    asked: tuple[str, ...]
    nearest: tuple[str, ...]
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of clips whose nearest voice is the one asked for."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "accuracy": self.accuracy,
            "clips": len(self.asked),
            "voices": list(self.voices),
            "confusion": self.confusion.tolist(),
        }


def voice_identity(
    rows: Iterable[Row],
    references: Mapping[str, Sequence[Clip]] | None = None,
    *,
    encoder: SpeakerEncoder | None = None,
) -> Identity:
    """Are named voices told apart? Each row's nearest voice by the speaker encoder.

    A voice is the mean embedding of its clips in ``references``. Without references the rows stand for
    themselves: every voice is the mean of its other rows, the clip in question left out.

    Raises:
        ScoreError: if a row names no speaker or one without clips, or fewer than two voices remain.
    """
    rows = list(rows)
    gallery = _Gallery(encoder or SpeakerEncoder.from_pretrained())
    known = _known(rows, references)
    clips = {voice: [(_key(clip), gallery.embed(clip)) for clip in known[voice]] for voice in known}
    nearest = []
    for row in rows:
        own, mine = _key(row.audio), gallery.embed(row.audio)
        scores = {
            voice: float(mine @ _centre([vector for key, vector in held if key != own]))
            for voice, held in clips.items()
        }
        nearest.append(max(scores, key=lambda voice: scores[voice]))
    voices = tuple(known)
    confusion = np.zeros((len(voices), len(voices)), np.int64)
    for row, found in zip(rows, nearest):
        confusion[voices.index(row.speaker), voices.index(found)] += 1
    asked = tuple(row.speaker for row in rows)
    return Identity(voices=voices, asked=asked, nearest=tuple(nearest), confusion=confusion)


def _known(rows: Sequence[Row], references: Mapping[str, Sequence[Clip]] | None) -> dict[str, list[Clip]]:
    if references is None:
        known: dict[str, list[Clip]] = {}
        for row in rows:
            known.setdefault(row.speaker, []).append(row.audio)
        fewest, remedy = 2, "give two rows per voice, or references"
    else:
        known = {voice: list(clips) for voice, clips in references.items()}
        fewest, remedy = 1, "add a reference clip"
    if not rows or len(known) < 2:
        raise ScoreError(f"telling voices apart needs clips and at least two voices, not {sorted(known)}")
    for voice, clips in known.items():
        if len(clips) < fewest:
            raise ScoreError(f"the voice {voice!r} has {len(clips)} clips to be known by: {remedy}")
    unknown = sorted({row.speaker for row in rows} - set(known))
    if unknown or "" in known:
        raise ScoreError(f"rows ask for voices without references: {unknown or ['']}; known: {sorted(known)}")
    return known


class _Gallery:
    """Embeddings by clip, so that a clip used as a reference many times is embedded once."""

    def __init__(self, encoder: SpeakerEncoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str | int, np.ndarray] = {}

    def embed(self, clip: Clip) -> np.ndarray:
        key = _key(clip)
        if key not in self._vectors:
            self._vectors[key] = self._encoder.embed(load(clip))
        return self._vectors[key]


def _key(clip: Clip) -> str | int:
    return str(Path(clip).absolute()) if isinstance(clip, (str, Path)) else id(clip)


def _group(row: Row) -> tuple[str, ...]:
    # Rows of one speaker share a ceiling; rows without a name share it only with the same references.
    return (row.speaker,) if row.speaker else ("", *(str(_key(clip)) for clip in row.references))


def _ceilings(rows: Sequence[Row], gallery: _Gallery) -> dict[tuple[str, ...], float]:
    pools: dict[tuple[str, ...], dict[str | int, np.ndarray]] = {}
    for row in rows:
        pool = pools.setdefault(_group(row), {})
        pool.update({_key(clip): gallery.embed(clip) for clip in row.references})
    return {group: _pairwise(np.stack(list(pool.values()))) for group, pool in pools.items() if len(pool) > 1}


def _pairwise(vectors: np.ndarray) -> float:
    """Mean cosine over all pairs of different clips of [N, D]."""
    cosines = vectors @ vectors.T  # [N, N]
    return float(cosines[np.triu_indices(len(vectors), k=1)].mean())


def _mean_cosine(voice: np.ndarray, others: Sequence[np.ndarray]) -> float | None:
    return float(np.mean(np.stack(others) @ voice)) if others else None


def _centre(vectors: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean(np.stack(vectors), axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
