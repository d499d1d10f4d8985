"""Which of two pronunciations of a word is heard, judged by sound alone.

A recogniser guesses words from their context and would hear "I red the book" where "I reed the
book" was said. So nothing is recognised here: the sentence is also said with the word respelled in
both ways ("redd", "reed"), by the same voice, and the recording counts as the one that it comes
closer to under dynamic time warping. Letters: F and G frames, C features.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from voice_data.audio import Audio

CEPSTRA = 14
MELS = 60
SKIP, PENALTY = 3, 0.3
"""Frames of the reference passed per frame at most, and what not passing just one costs."""
FLOOR_NEPERS = 9.0
"""Below the loudest band: quieter is as good as silence."""


class PronunciationError(ValueError):
    """Homographs that cannot be judged; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Homograph:
    """A sentence with a word of two pronunciations, and the word respelled as it is to sound
    (``right``) and as it is not (``wrong``).
    """

    text: str
    word: str
    right: str
    wrong: str

    def __post_init__(self) -> None:
        if self.text.lower().split().count(self.word.lower()) == 0 and not _find(
            self.text, self.word
        ):
            raise PronunciationError(f"{self.word!r} is not in {self.text!r}")
        if self.right == self.wrong:
            raise PronunciationError(f"{self.text!r} has two equal respellings")

    def spelled(self, spelling: str) -> str:
        """The sentence with the word spelled in another way."""
        start = _find(self.text, self.word)[0]
        found = self.text[start : start + len(self.word)]
        spelling = spelling.capitalize() if found[0].isupper() else spelling
        return self.text[:start] + spelling + self.text[start + len(self.word) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``margin`` is above 0 where the right pronunciation is heard; 1 is the right reference
    itself, -1 the wrong one.
    """

    item: Homograph
    margin: float

    @property
    def heard(self) -> bool:
        """Whether it was pronounced as it should be."""
        return self.margin > 0


def read_homographs(path: Path) -> list[Homograph]:
    """JSON lines with ``text``, ``word``, ``right`` and ``wrong``.

    Raises:
        PronunciationError: naming the line that cannot be used.
    """
    found = []
    for number, row in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            found.append(Homograph(**json.loads(row)))
        except (ValueError, TypeError) as error:
            raise PronunciationError(f"{path}:{number}: {error}") from error
    if not found:
        raise PronunciationError(f"{path} is empty")
    return found


def judge(item: Homograph, spoken: Audio, right: Audio, wrong: Audio) -> Verdict:
    """Compare a sound with both references; all three in one voice.

    Raises:
        PronunciationError: if a sound is too short to compare.
    """
    heard, good, bad = (features(audio) for audio in (spoken, right, wrong))
    near, far = distance(heard, good), distance(heard, bad)
    apart = max(1e-6, 0.5 * (distance(good, bad) + distance(bad, good)))
    return Verdict(item=item, margin=float(np.clip((far - near) / apart, -1.0, 1.0)))


def features(audio: Audio) -> np.ndarray:
    """Cepstra and their slopes, [F, C], without the silence around the speech.

    Raises:
        PronunciationError: if there is less than a tenth of a second.
    """
    import torch

    from voice_data.mel import MelConfig, log_mel

    if audio.duration < 0.1:
        raise PronunciationError(f"{audio.duration:.3f} s is too short to be judged")
    config = MelConfig(sample_rate=audio.rate, n_mels=MELS)
    mel = log_mel(torch.from_numpy(audio.samples)[None], config)[0].T.numpy()
    mel = np.maximum(mel, mel.max() - FLOOR_NEPERS)
    loud = np.flatnonzero(mel.max(1) > mel.max() - 5.0)
    mel = mel[loud[0] : loud[-1] + 1]
    order = np.arange(CEPSTRA)[:, None]
    cepstra = mel @ np.cos(np.pi / MELS * order * (np.arange(MELS) + 0.5)).T
    cepstra = (cepstra - cepstra.mean(0)) / (cepstra.std(0) + 1e-3)
    slopes = np.gradient(cepstra, axis=0) if len(cepstra) > 1 else np.zeros_like(cepstra)
    return np.concatenate((cepstra, slopes), axis=1).astype(np.float32)


def distance(spoken: np.ndarray, reference: np.ndarray) -> float:
    """The mean distance per frame of ``spoken`` [F, C] along its best way through [G, C].

    Each frame moves on by 0 to ``SKIP`` frames of the reference (Sakoe and Chiba, 1978).
    """
    squares = (spoken**2).sum(1)[:, None] + (reference**2).sum(1) - 2 * spoken @ reference.T
    cost = np.sqrt(np.maximum(squares, 0.0) / spoken.shape[1])
    width = len(reference)
    steps = [PENALTY * abs(step - 1) for step in range(SKIP + 1)]
    best = np.full(SKIP + width, np.inf, np.float32)
    best[SKIP] = cost[0, 0]
    for row in cost[1:]:
        ways = np.stack([best[SKIP - k : SKIP - k + width] + steps[k] for k in range(SKIP + 1)])
        best[SKIP:] = ways.min(0) + row
    ends = best[SKIP:]
    last = ends[-1] if np.isfinite(ends[-1]) else ends[np.isfinite(ends)][-1]
    return float(last) / len(spoken)


def _find(text: str, word: str) -> tuple[int, ...]:
    """Where a word begins in a text, as a whole word."""
    import re

    return tuple(m.start() for m in re.finditer(rf"\b{re.escape(word)}\b", text, re.IGNORECASE))
