"""What was understood of a description, said again in plain sentences.

The network has heard plain sentences a thousand times and somebody's own words never: a description
is clearer to it when both are heard. Letters: W encoded text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from voice_data.describe import Tags
    from voice_hypernet.descriptions import DescriptionEncoder

SAID = ("gender", "pitch", "rate")
"""Attributes that are said again: those that an ear is surest of."""
PLAIN_SHARE = 0.8
"""What the plain sentences weigh; the rest is the description's own words."""
EACH = 3
"""Sentences in each language."""
_DRAWN = (8, 16, 40)
"""Sentences that are drawn: fewer, if among them are enough that say everything."""
_VERY = {"low": "very low", "high": "very high", "slow": "very slow", "fast": "very fast"}
"""What is also said of a voice: what is learnt from examples falls short of them."""


class PlainWords:
    """Tags to the mean of the plain sentences that say them; what was said once is remembered."""

    def __init__(self, encoder: DescriptionEncoder) -> None:
        self._encoder = encoder
        self._known: dict[tuple[tuple[str, str], ...], np.ndarray] = {}

    def of(self, tags: Mapping[str, str]) -> np.ndarray | None:
        """[W], or None where the tags name none of :data:`SAID`."""
        key = tuple((name, tags[name]) for name in SAID if tags.get(name))
        if not key:
            return None
        if key not in self._known:
            said = plain_sentences(dict(key))
            firmly = {name: _VERY.get(value, value) for name, value in key}
            if firmly != dict(key):
                said += plain_sentences(firmly)
            self._known[key] = self._encoder.encode(said).mean(0)
        return self._known[key]


def plain_sentences(tags: Mapping[str, str], languages: Sequence[str] = ("en", "ko")) -> list[str]:
    """Sentences that name as many of the tags as can be: :data:`EACH` of every language.

    >>> plain_sentences({"gender": "male", "rate": "slow"}, ["en"])[0]
    'The male voice sounds slow.'
    """
    from voice_data.describe import Tags

    given = Tags.from_mapping({**tags, "relative_pitch": tags.get("pitch", "")})
    return [text for each in languages for text in _plainest(given, each, len(tags))]


def _plainest(given: Tags, language: str, most: int) -> list[str]:
    """The first sentences that name ``most`` tags; if there are too few, the most that is named."""
    from voice_data.describe import sentences

    named: list[tuple[str, int]] = []
    for count in _DRAWN:  # each draw begins with the one before
        drawn = sentences(given, language, count, 0)
        named = [(each.text, len(each.tags.mentioned)) for each in drawn]
        if sum(number == most for _, number in named) >= EACH:
            break
    most = max(number for _, number in named)
    return [text for text, number in named if number == most][:EACH]
