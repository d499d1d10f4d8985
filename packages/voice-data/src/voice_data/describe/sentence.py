"""Sentences that describe a voice: which tags they mention is drawn, and how they say it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from voice_data.describe.measures import DescribeError
from voice_data.describe.tags import SCALES, Tags

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
_PATIENCE = 400  # draws without a new sentence before a small tag set counts as exhausted
_MIDDLING = ("medium", "neutral", "fair")
_WORTH = {"gender": 4.0, "pitch": 3.0, "relative_pitch": 3.0, "rate": 3.0, "brightness": 2.0}
_SIZES, _SIZE_WEIGHTS = (1, 2, 3, 4, 5, 6, 7), (10, 20, 25, 20, 12, 8, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A sentence, its language, and exactly the tags that it mentions."""

    text: str
    language: str
    tags: Tags

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"text": self.text, "language": self.language, "tags": self.tags.to_list()}


def sentences(tags: Tags, language: str, count: int, seed: int) -> list[Description]:
    """``count`` different descriptions, each of a random part of ``tags``; fewer if few exist.

    The same arguments give the same sentences. Pitch is said within the gender
    (``relative_pitch``) where a sentence names the gender, else absolutely (``pitch``).

    >>> found = sentences(Tags(gender="male", relative_pitch="low", range="narrow"), "en", 50, 0)
    >>> len({description.text for description in found})
    50

    Raises:
        DescribeError: for an unknown language, a count below 1, or no tags at all.
    """
    if language not in LANGUAGES:
        raise DescribeError(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    if count < 1:
        raise DescribeError(f"count must be 1 or more, not {count}")
    if not tags.mentioned:
        raise DescribeError("there are no tags to describe: nothing of the voice is known")
    compose = _composer(language)
    # Seeded with text, so that clips with equal seeds and other tags do not draw alike.
    rng = random.Random(f"{language} {seed} {' '.join(tags.to_list())}")
    found: dict[str, Description] = {}
    misses = 0
    while len(found) < count and misses < _PATIENCE:
        text, names = compose(rng, _drawn(rng, tags))
        misses += 1
        if names and text not in found:
            found[text] = Description(text=text, language=language, tags=tags.only(names))
            misses = 0
    return list(found.values())


def _composer(language: str) -> Callable[[random.Random, Tags], tuple[str, Sequence[str]]]:
    return import_module(f"voice_data.describe.grammar_{language}").compose


def _drawn(rng: random.Random, tags: Tags) -> Tags:
    """Some of the tags; what is ordinary about a voice is said less often."""
    rest = dict(tags.mentioned)
    with_gender = "gender" in rest and (rng.random() < 0.75 or set(rest) <= {"gender", "age"})
    rest.pop("pitch" if with_gender else "relative_pitch", None)
    if not with_gender:
        rest.pop("gender", None)
    if not rest:
        return tags.only(("gender", "age"))
    wanted = rng.choices(_SIZES, _SIZE_WEIGHTS)[0]
    chosen = ["gender"] if with_gender else []
    names = [name for name in rest if name not in chosen]
    while names and len(chosen) < wanted:
        weights = [_worth(name, rest[name]) for name in names]
        chosen.append(names.pop(rng.choices(range(len(names)), weights)[0]))
    rng.shuffle(chosen)
    return tags.only(chosen)


def _worth(name: str, value: str) -> float:
    plain = name in SCALES and (value in _MIDDLING or (name, value) == ("recording", "clean"))
    return _WORTH.get(name, 1.0) * (0.2 if plain else 1.0)
