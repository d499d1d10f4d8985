"""What a step of training asks: say these clips in voices known from other clips or from words.

Letters: B batch, W encoded text, X features of a clip, P phrases of a voice.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from voice_hypernet.config import Shares
from voice_hypernet.corpus import Speaker, VoiceCorpus, mean_features
from voice_hypernet.firmness import firm_tags

MOST_CLIPS_HEARD = 8
"""Clips of a voice that its features are averaged over, at most."""


class Task(NamedTuple):
    """``clips`` are positions [B] to be said; ``text`` [B, W] and ``heard`` [B, X] tell in which
    voice, where ``has_text`` and ``has_clip`` [B] are True.
    """

    clips: list[int]
    text: np.ndarray
    heard: np.ndarray
    has_text: np.ndarray
    has_clip: np.ndarray

    def first(self) -> Task:
        """Its first row alone."""
        return Task(self.clips[:1], *(each[:1] for each in self[1:]))


class Tasks:
    """A seeded plan of :class:`Task`: the one of step ``n`` depends on nothing but ``n``."""

    def __init__(
        self,
        corpus: VoiceCorpus,
        speakers: Sequence[Speaker],
        phrases: Mapping[str, np.ndarray],
        *,
        frames: int,
        shares: Shares,
        seed: int,
        split: str = "train",
        evenness: float = 0.0,
    ) -> None:
        """``phrases`` [P, W] are a voice's encoded descriptions, by its name (none: clips only).

        ``frames`` is what a step may hold, with padding. With an ``evenness`` of 1 every pitch and
        rate of each gender is drawn as often as any other, with 0 every voice.

        Raises:
            ValueError: if no clip of the speakers fits.
        """
        self._corpus, self._phrases, self._shares, self._seed = corpus, phrases, shares, seed
        self._frames = frames
        lengths, splits = corpus.data.lengths, corpus.data.splits
        self._voices = []
        for speaker in speakers:
            said = [i for i in speaker.clips if splits[i] == split]
            said = [i for i in said if lengths[i] <= frames]
            if said:
                self._voices.append((speaker, np.asarray(sorted(said, key=lengths.__getitem__))))
        if not self._voices:
            raise ValueError(f"no {split} clip of the voices fits into {frames} frames")
        kinds = [_kind(speaker) for speaker, _ in self._voices]
        many = Counter(kinds)
        weights = np.asarray([many[kind] ** -evenness for kind in kinds])
        self._weights = weights / weights.sum()

    def __call__(self, step: int) -> Task:
        """The task of one step: clips of similar length."""
        rng = np.random.default_rng([self._seed, step])
        lengths = self._corpus.data.lengths
        place = rng.random()  # from the shortest clips to the longest, alike for every voice
        rows: list[tuple[Speaker, int]] = []
        longest = 0
        for index in self._order(rng):
            speaker, clips = self._voices[index]
            near = np.clip(place + rng.normal(0.0, 0.05), 0.0, 0.999)
            clip = int(clips[int(near * len(clips))])
            longest = max(longest, lengths[clip])
            if rows and longest * (len(rows) + 1) > self._frames:
                break
            rows.append((speaker, clip))
        return self._task(rows, rng)

    def crowd(self, step: int, count: int) -> Task:
        """``count`` voices, known as in the other tasks, of which nothing is to be said."""
        rng = np.random.default_rng([self._seed, step, count])
        drawn = rng.choice(len(self._voices), count, p=self._weights)
        voices = [self._voices[index] for index in drawn]
        return self._task([(who, int(rng.choice(clips))) for who, clips in voices], rng)

    def _order(self, rng: np.random.Generator) -> Iterator[int]:
        """Positions of voices, each of them four times; a weight makes one likely to come early."""
        for _ in range(4):
            waits = rng.exponential(size=len(self._weights)) / self._weights
            yield from (int(index) for index in np.argsort(waits))

    def _task(self, rows: Sequence[tuple[Speaker, int]], rng: np.random.Generator) -> Task:
        drawn = rng.random(len(rows))
        text, both, none = self._shares.text, self._shares.both, self._shares.none
        nothing = drawn >= 1.0 - none
        has_text = drawn < text + both
        has_clip = (drawn >= text) & ~nothing
        if not self._phrases:
            has_text, has_clip = np.zeros_like(has_text), ~nothing
        heard = [self._heard(speaker, clip, rng) for speaker, clip in rows]
        if self._phrases:
            known = [self._phrases[speaker.name] for speaker, _ in rows]
            text = np.stack([each[rng.integers(len(each))] for each in known])
        else:
            text = np.zeros((len(rows), 0), np.float32)
        return Task([clip for _, clip in rows], text, np.stack(heard), has_text, has_clip)

    def _heard(self, speaker: Speaker, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Features of other clips of the voice, of the same one only where there is no other."""
        others = [i for i in speaker.clips if i != clip] or [clip]
        count = min(len(others), int(2 ** rng.uniform(0, np.log2(MOST_CLIPS_HEARD + 0.99))))
        return mean_features(self._corpus.features, list(rng.choice(others, count, replace=False)))


def _kind(speaker: Speaker) -> tuple[str, str, str]:
    tags = speaker.tags
    return tags.gender, tags.relative_pitch or tags.pitch, tags.rate


def describe_all(
    speakers: Sequence[Speaker],
    encode: Callable[[Sequence[str]], np.ndarray],
    languages: Sequence[str],
    seed: int,
    count: int,
) -> dict[str, np.ndarray]:
    """For every voice its encoded descriptions [P, W], ``count`` in each language at most."""
    found = {}
    for speaker in speakers:
        said = [text for name in languages for text in _said(speaker, name, seed, count)]
        found[speaker.name] = encode(said)
    return found


def _said(speaker: Speaker, language: str, seed: int, count: int) -> list[str]:
    """Proper sentences about a voice, every second one put into freer words that mean the same."""
    from voice_data.describe import sentences
    from voice_hypernet.wording import free

    digest = hashlib.sha256(f"{seed}/{speaker.name}/{language}".encode()).digest()
    drawn = int.from_bytes(digest[:4], "big")
    rng = random.Random(drawn)
    said = []
    tags = firm_tags(speaker)
    for index, each in enumerate(sentences(tags, language, count, drawn)):
        labels = each.tags.mentioned
        if "relative_pitch" in labels:
            labels["pitch"] = labels.pop("relative_pitch")
        said.append(free(rng, language, labels).text if index % 2 else each.text)
    return said


def ways_of_knowing(with_text: bool) -> dict[str, Shares]:
    """What validation is made of: voices all known in one way, by its name."""
    ways = {"none": Shares(text=0.0, both=0.0, none=1.0)}
    ways |= {"clip": Shares(text=0.0, both=0.0, none=0.0)}
    if with_text:
        ways["text"] = Shares(text=1.0, both=0.0, none=0.0)
        ways["both"] = Shares(text=0.0, both=1.0, none=0.0)
    return ways
