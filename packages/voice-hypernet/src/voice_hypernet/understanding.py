"""What an encoder understood of a description: attributes, how surely, and what clashes.

Letters: B batch, K classes of all attributes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from voice_data.artefact import ArtefactError
from voice_data.describe.tags import SCALES, values_of

ATTRIBUTES = ("gender", "age", *(name for name in SCALES if name != "relative_pitch"))
"""What a description can say; pitch is one attribute, however the gender bears on its meaning."""
UNSAID, CLASH = "", "contradictory"
CLASSES: dict[str, tuple[str, ...]] = {
    name: (UNSAID, *values_of(name), CLASH) for name in ATTRIBUTES
}
_ENDS = tuple(accumulate(len(values) for values in CLASSES.values()))
COUNT = _ENDS[-1]
"""K: a score for each class of each attribute."""
_SURE = 0.5
_CERTAIN = 0.9
"""An attribute of which so surely something is said may be said to contradict itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """The attributes that a description names, the probability of each, and those that clash.

    Of words that exclude each other the likelier value is in ``tags``, and the attribute is in
    ``contradictions``. A tag is understood with a probability of at least one half.
    """

    tags: Mapping[str, str]
    confidence: Mapping[str, float]
    contradictions: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell the user."""
        found = [
            f"the description contradicts itself about {name}: {self.tags[name]} is taken"
            for name in self.contradictions
        ]
        if not self.tags:
            found.append("no attribute of a voice was recognised: the voice may be arbitrary")
        return tuple(found)


def class_table() -> dict[str, list[str]]:
    """:data:`CLASSES` as plain values, for a checkpoint's config."""
    return {name: list(values) for name, values in CLASSES.items()}


def check_classes(config: Mapping[str, Any]) -> None:
    """Whether a checkpoint's config was written for these :data:`CLASSES`.

    Raises:
        ArtefactError: if not.
    """
    if config.get("classes") != class_table():
        raise ArtefactError(
            "the text encoder was trained for other attributes than this version of "
            "voice-data describes: distil it again"
        )


def place(name: str) -> slice:
    """Where the classes of an attribute stand among the K scores."""
    index = ATTRIBUTES.index(name)
    return slice(_ENDS[index - 1] if index else 0, _ENDS[index])


def understood(scores: np.ndarray) -> list[Understanding]:
    """Scores [B, K], unbounded -> what each description says.

    Raises:
        ValueError: if there are not K scores.
    """
    if scores.ndim != 2 or scores.shape[1] != COUNT:
        raise ValueError(f"scores must be [B, {COUNT}], not {list(scores.shape)}")
    chances = {name: probabilities(scores, name).tolist() for name in ATTRIBUTES}
    return [
        _understanding({name: rows[index] for name, rows in chances.items()})
        for index in range(len(scores))
    ]


def probabilities(scores: np.ndarray, name: str) -> np.ndarray:
    """Scores [B, K] -> [B, classes of the attribute], each row summing to one."""
    part = scores[:, place(name)].astype(np.float64)
    part = np.exp(part - part.max(1, keepdims=True))
    return part / part.sum(1, keepdims=True)


def _understanding(chances: Mapping[str, Sequence[float]]) -> Understanding:
    tags, confidence, clashes = {}, {}, []
    for name, chance in chances.items():
        said = 1.0 - chance[0]
        if said < _SURE:
            continue
        named = chance[1:-1]
        tags[name] = CLASSES[name][1 + named.index(max(named))]
        confidence[name] = said
        if chance[-1] >= _SURE and said >= _CERTAIN:
            clashes.append(name)
    return Understanding(tags=tags, confidence=confidence, contradictions=tuple(clashes))
