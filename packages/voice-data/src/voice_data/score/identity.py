"""Are named voices told apart? The nearest voice of every clip, and how often it is the right one.

Letters: V voices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voice_data.score.row import Clip, Row, ScoreError
from voice_data.score.similarity import Gallery, SpeakerEncoder, clip_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which named voice each clip was nearest to.

    ``confusion`` is [V, V] counts in the order of ``voices``: rows are the voices asked for,
    columns the nearest ones. A clip without speech is nearest to "", counts as wrong and is in no
    column.
    """

    voices: tuple[str, ...]
    asked: tuple[str, ...]
    nearest: tuple[str, ...]
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of clips whose nearest voice is the one asked for."""
        return float(np.trace(self.confusion) / len(self.asked))

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

    A voice is the mean embedding of its clips in ``references``. Without references the rows stand
    for themselves: every voice is the mean of its other rows, the clip in question left out.

    Raises:
        ScoreError: if a row names no speaker or one without clips, or fewer than two voices remain.
    """
    rows = list(rows)
    gallery = Gallery(encoder or SpeakerEncoder.from_pretrained())
    known = _known(rows, references)
    clips = {
        voice: [(clip_key(clip), gallery.embed(clip)) for clip in known[voice]] for voice in known
    }
    nearest = [_nearest(clip_key(row.audio), gallery.embed(row.audio), clips) for row in rows]
    voices = tuple(known)
    confusion = np.zeros((len(voices), len(voices)), np.int64)
    for row, found in zip(rows, nearest, strict=True):
        if found:
            confusion[voices.index(row.speaker), voices.index(found)] += 1
    asked = tuple(row.speaker for row in rows)
    return Identity(voices=voices, asked=asked, nearest=tuple(nearest), confusion=confusion)


def _nearest(
    own: str | int,
    voice: np.ndarray,
    clips: Mapping[str, Sequence[tuple[str | int, np.ndarray]]],
) -> str:
    if not np.any(voice):
        return ""
    scores = {}
    for name, held in clips.items():
        others = [vector for key, vector in held if key != own]
        if not others:
            raise ScoreError(f"the only reference of the voice {name!r} is a scored clip: add one")
        scores[name] = float(voice @ _centre(others))
    return max(scores, key=lambda name: scores[name])


def _known(
    rows: Sequence[Row], references: Mapping[str, Sequence[Clip]] | None
) -> dict[str, list[Clip]]:
    if references is None:
        known: dict[str, list[Clip]] = {}
        for row in rows:
            known.setdefault(row.speaker, []).append(row.audio)
        fewest, remedy = 2, "give two rows per voice, or references"
    else:
        known = {voice: list(clips) for voice, clips in references.items()}
        fewest, remedy = 1, "add a reference clip"
    if not rows or len(known) < 2:
        raise ScoreError(
            f"telling voices apart needs clips and at least two voices, not {sorted(known)}"
        )
    for voice, clips in known.items():
        if len(clips) < fewest:
            raise ScoreError(f"the voice {voice!r} has {len(clips)} clips to be known by: {remedy}")
    unknown = sorted({row.speaker for row in rows} - set(known))
    if unknown or "" in known:
        raise ScoreError(
            f"rows ask for voices without references: {unknown or ['']}; known: {sorted(known)}"
        )
    return known


def _centre(vectors: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean(np.stack(vectors), axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
