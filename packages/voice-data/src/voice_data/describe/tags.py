"""Measures in words: each is put into one of a few bins whose edges are published here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from voice_data.describe.measures import DescribeError, Measures

SURE_OF_GENDER, SURE_OF_AGE = 0.7, 0.6
"""Probabilities under which the tag is left out."""


class Scale(NamedTuple):
    """An ordinal tag: ``values[i]`` lies between ``edges[i - 1]`` and ``edges[i]``."""

    measure: str
    unit: str
    values: tuple[str, ...]
    edges: tuple[float, ...]
    source: str


_PITCH = ("very low", "low", "medium", "high", "very high")
SCALES: dict[str, Scale] = {
    "pitch": Scale(
        "f0", "Hz", _PITCH, (95.0, 135.0, 175.0, 225.0),
        "between the adult means of men (about 115) and women (about 200), one deviation outside: "
        "Hollien and Shipp 1972, Baken and Orlikoff 2000",
    ),
    "relative_pitch": Scale(
        "f0", "semitones from 115 Hz (male) or 200 Hz (female)", _PITCH, (-4.0, -1.5, 1.5, 4.0),
        "half and one and a half deviations of about 2.7 semitones within a sex: "
        "Baken and Orlikoff 2000",
    ),
    "range": Scale(
        "f0_range", "semitones, 10th to 90th percentile",
        ("very narrow", "narrow", "medium", "wide", "very wide"), (3.0, 5.5, 8.5, 11.5),
        "three to four semitones of deviation are usual in reading: Baken and Orlikoff 2000; "
        "the span is 2.56 deviations",
    ),
    "rate": Scale(
        "rate", "syllables per second of speech",
        ("very slow", "slow", "medium", "fast", "very fast"), (3.2, 4.2, 5.4, 6.4),
        "mean articulation rate 4.7 to 5.2 with a deviation near 0.9: Jacewicz et al. 2009",
    ),
    "loudness": Scale(
        "loudness", "LUFS", ("very quiet", "quiet", "medium", "loud", "very loud"),
        (-36.0, -28.0, -18.0, -13.0),
        "around the targets of broadcast, -23 (EBU R 128), and spoken word on line, -16 to -19; "
        "a file's level, not the effort of its speaker",
    ),
    "brightness": Scale(
        "tilt", "dB per octave, 200 Hz to 6.3 kHz of voiced speech",
        ("very dark", "dark", "medium", "bright", "very bright"), (-9.3, -8.1, -6.9, -5.7),
        "ours: steps of 1.2 about -7.5, the middle of the virtual speakers of "
        "tools/teacher_corpus.py",
    ),
    "breathiness": Scale(
        "cpp", "dB of cepstral peak prominence", ("very breathy", "breathy", "neutral", "clear"),
        (17.0, 19.5, 22.0),
        "ours: 2, 12 and 66 percent of the virtual speakers of tools/teacher_corpus.py lie under "
        "them; breathy voices have the lower peak: Hillenbrand et al. 1994",
    ),
    "roughness": Scale(
        "jitter", "percent (RAP)", ("smooth", "neutral", "rough"), (0.6, 1.4),
        "0.68 is the threshold for sustained vowels in the Multi-Dimensional Voice Program; "
        "running speech spreads wider",
    ),
    "recording": Scale(
        "snr", "dB", ("very noisy", "noisy", "fair", "clean"), (10.0, 20.0, 35.0),
        "ours: under 20 the noise is plain in pauses, over 35 a listener hears none",
    ),
}  # fmt: skip
NAMES = {"gender": ("male", "female"), "age": ("child", "young", "middle-aged", "elderly")}
_MIDDLE = {"male": 115.0, "female": 200.0}  # Hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What a voice is like; an empty tag is unknown or not mentioned.

    ``pitch`` is absolute, ``relative_pitch`` within the gender.

    >>> Tags(gender="male", relative_pitch="low").mentioned
    {'gender': 'male', 'relative_pitch': 'low'}

    Raises:
        DescribeError: naming tag and value, if the value is not one of the scale's.
    """

    gender: str = ""
    age: str = ""
    pitch: str = ""
    relative_pitch: str = ""
    range: str = ""
    rate: str = ""
    loudness: str = ""
    brightness: str = ""
    breathiness: str = ""
    roughness: str = ""
    recording: str = ""

    def __post_init__(self) -> None:
        for name, value in self.mentioned.items():
            if value not in values_of(name):
                allowed = ", ".join(values_of(name))
                raise DescribeError(f"{name} must be one of {allowed}, not {value!r}")

    @property
    def mentioned(self) -> dict[str, str]:
        """The tags that have a value, in order."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in values if value}

    def to_list(self) -> list[str]:
        """``name=value`` each, as a manifest's ``extra.tags`` holds them."""
        return [f"{name}={value}" for name, value in self.mentioned.items()]

    @classmethod
    def from_list(cls, items: Iterable[str]) -> Tags:
        """Build from :meth:`to_list`'s items.

        Raises:
            DescribeError: for an item that is no tag.
        """
        return cls.from_mapping(dict(_pair(item) for item in items))

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> Tags:
        """Build from names and values.

        Raises:
            DescribeError: for an unknown name or value.
        """
        for name in values:
            values_of(name)
        return cls(**values)

    def only(self, names: Iterable[str]) -> Tags:
        """The same tags with all but ``names`` left out."""
        kept = set(names)
        return replace(self, **{name: "" for name in self.mentioned if name not in kept})


def tag(measures: Measures) -> Tags:
    """Put each measure into its bin; gender and age only where their confidence suffices."""
    found = {name: _binned(scale, measures) for name, scale in SCALES.items()}
    sure = measures.gender is not None and measures.gender_confidence >= SURE_OF_GENDER
    found["gender"] = measures.gender or "" if sure else ""
    found["age"] = (measures.age or "") if measures.age_confidence >= SURE_OF_AGE else ""
    found["relative_pitch"] = _relative(measures.f0, found["gender"])
    return Tags(**found)


def values_of(name: str) -> tuple[str, ...]:
    """What the tag ``name`` can be, in order.

    Raises:
        DescribeError: if there is no such tag.
    """
    if name in SCALES:
        return SCALES[name].values
    if name in NAMES:
        return NAMES[name]
    raise DescribeError(f"{name!r} is no tag: use one of {', '.join((*NAMES, *SCALES))}")


def edge_table() -> list[str]:
    """Lines that say for every tag what its bins are, in which unit and from where."""
    lines = []
    for name, scale in SCALES.items():
        parts = [scale.values[0]]
        for edge, value in zip(scale.edges, scale.values[1:], strict=True):
            parts += [f"< {edge:g} <=", value]
        lines += [f"{name} ({scale.measure}, {scale.unit})", f"  {' '.join(parts)}",
                  f"  {scale.source}"]  # fmt: skip
    lines += [
        f"gender: {', '.join(NAMES['gender'])}; left out under a probability of {SURE_OF_GENDER:g}",
        f"age: {', '.join(NAMES['age'])}; left out under a probability of {SURE_OF_AGE:g}",
    ]
    return lines


def edge_values() -> dict[str, dict[str, Any]]:
    """:data:`SCALES` as plain values."""
    return {name: scale._asdict() for name, scale in SCALES.items()}


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals:
        raise DescribeError(f"{item!r} is no tag: write NAME=VALUE")
    return name, value


def _binned(scale: Scale, measures: Measures) -> str:
    value = getattr(measures, scale.measure)
    return "" if value is None else scale.values[bisect_right(scale.edges, value)]


def _relative(f0: float | None, gender: str) -> str:
    if f0 is None or not gender:
        return ""
    from voice_data.score.prosody import semitones

    scale = SCALES["relative_pitch"]
    return scale.values[bisect_right(scale.edges, semitones(f0 / _MIDDLE[gender]))]
