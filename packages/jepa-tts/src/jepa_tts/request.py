"""What is asked of an ensemble, what is answered, and what cannot be asked.

Letters: D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jepa_tts.script import sentences
from voice_data.audio import Audio
from voice_data.text import TextError

LONGEST_REQUEST = 20_000
"""Bytes of one request; a book belongs into a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A text, the ``voice`` [D] to speak it in, and how."""

    text: str
    voice: np.ndarray
    speed: float = 1.0
    seed: int = 0
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of request ``index``: ``audio``, or why there is none (both None: cancelled)."""

    index: int
    audio: Audio | None = None
    error: Exception | None = None


def checked(request: Request, width: int) -> list[str]:
    """The sentences of a request for a model of so many dimensions.

    Raises:
        ValueError: if the text is too long, broken or empty (a TextError), the voice not a finite
            vector of the model's width, or the speed not in [0.25, 4].
    """
    size = len(request.text.encode())
    if size > LONGEST_REQUEST:
        raise TextError(
            f"the text has {size} bytes and at most {LONGEST_REQUEST} fit into a request: stream it"
        )
    if request.voice.shape != (width,) or not np.isfinite(request.voice).all():
        raise ValueError(
            f"the voice must be {width} finite numbers, not an array of {request.voice.shape}"
            + (" with infinities or NaN" if request.voice.shape == (width,) else "")
        )
    if not 0.25 <= request.speed <= 4.0:
        raise ValueError(f"speed must be between 0.25 and 4, not {request.speed}")
    return sentences(request.text, request.language)
