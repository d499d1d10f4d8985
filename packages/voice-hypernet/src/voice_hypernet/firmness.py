"""Which tags of a voice are plain enough to be an example of the word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from voice_data.describe.tags import SCALES, Tags

if TYPE_CHECKING:
    from voice_data.describe import Measures
    from voice_hypernet.corpus import Speaker

SHARE = 0.25
"""How far inside its bin a measure must lie, in widths of the middle bin."""
SEMITONES = 0.75
"""The same for pitch."""
_MIDDLING = ("medium", "neutral", "fair")


def firm_tags(speaker: Speaker) -> Tags:
    """The tags of a voice without those that it only just has.

    A man who is a little deeper than most is no example of a deep one: a network that learns from
    such examples makes deep men who are hardly deep.
    """
    from voice_data.describe import Measures

    tags = speaker.tags
    if "speech" not in speaker.measures:
        return tags
    measures = Measures.from_dict(speaker.measures)
    firm = [name for name in tags.mentioned if _is_firm(name, tags, measures)]
    return tags.only(firm) if firm else tags


def _is_firm(name: str, tags: Tags, measures: Measures) -> bool:
    """Whether the tag would not become the middle one if the measure were a little less extreme."""
    from voice_data.describe import tag

    value = getattr(tags, name)
    if name not in SCALES or value in _MIDDLING:
        return True
    scale = SCALES[name]
    measured = getattr(measures, scale.measure)
    if measured is None:
        return True
    middle = next(scale.values.index(each) for each in _MIDDLING if each in scale.values)
    sign = 1 if scale.values.index(value) < middle else -1
    if scale.measure == "f0":
        nearer = measured * 2 ** (sign * SEMITONES / 12)
    else:
        nearer = measured + sign * SHARE * (scale.edges[middle] - scale.edges[middle - 1])
    return getattr(tag(replace(measures, **{scale.measure: nearer})), name) not in _MIDDLING
