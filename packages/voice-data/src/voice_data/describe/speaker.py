"""Who may be speaking: sex and age as far as pitch and the vocal tract's length tell."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Gender = Literal["female", "male"]
Age = Literal["child", "young", "middle-aged", "elderly"]


class Bell(NamedTuple):
    """A normal distribution."""

    mean: float
    deviation: float


class Group(NamedTuple):
    """How the speakers of one group are distributed; ``share`` is the prior.

    ``pitch`` is ln Hz, ``length`` the apparent vocal tract in cm, ``rate`` syllables per second
    of speech, ``jitter`` ln percent.
    """

    gender: Gender | None
    age: Age
    share: float
    pitch: Bell
    length: Bell
    rate: Bell
    jitter: Bell


class Estimate(NamedTuple):
    """The likeliest sex and age, each with its posterior probability; None for a child's sex."""

    gender: Gender | None
    gender_confidence: float
    age: Age
    age_confidence: float


def _bell(middle: float, deviation: float) -> Bell:
    return Bell(math.log(middle), deviation)


# Pitch: Hollien and Shipp (JSHR 15, 1972) for men by decade, Baken and Orlikoff (Clinical
# Measurement of Speech and Voice, 2000) for women; children and tracts: Hillenbrand et al. (JASA
# 97, 1995), Fitch and Giedd (JASA 106, 1999), in the metric of our own estimate. Rates: Jacewicz
# et al. (Language Variation and Change 21, 2009). Jitter: Linville (J. Voice 10, 1996). The spreads
# are wider than among people: expressive men reach 180 Hz, and no confidence may be too high.
_RATE, _JITTER = 1.2, 0.8
_PEOPLE: tuple[tuple[Gender | None, Age, float, float, float, float, float, float], ...] = (
    ("male", "young", 0.15, 120, 0.25, 17.0, 5.2, 0.90),
    ("male", "middle-aged", 0.15, 114, 0.25, 17.2, 4.9, 1.0),
    ("male", "elderly", 0.15, 128, 0.25, 17.3, 4.2, 1.5),
    ("female", "young", 0.15, 213, 0.20, 14.7, 5.1, 0.75),
    ("female", "middle-aged", 0.15, 200, 0.20, 14.9, 4.8, 0.8),
    ("female", "elderly", 0.15, 186, 0.20, 15.1, 4.1, 1.35),
    (None, "child", 0.10, 275, 0.20, 12.2, 3.8, 1.2),
)
GROUPS = tuple(
    Group(
        gender, age, share, _bell(f0, spread), Bell(length, 1.5), Bell(rate, _RATE),
        _bell(jitter, _JITTER),
    )
    for gender, age, share, f0, spread, length, rate, jitter in _PEOPLE
)  # fmt: skip


def estimate(f0: float, length: float | None, rate: float | None, jitter: float | None) -> Estimate:
    """The posterior over :data:`GROUPS`, the measures taken as independent (naive Bayes).

    ``f0`` in Hz, ``length`` in cm, ``rate`` in syllables per second, ``jitter`` in percent; what
    is None does not count. Age is little more than a guess between adults: its confidence says so.

    >>> estimate(110.0, 17.5, None, None).gender
    'male'
    """
    logs = [_log_likelihood(group, f0, length, rate, jitter) for group in GROUPS]
    highest = max(logs)
    weights = [math.exp(value - highest) for value in logs]
    posterior = [weight / sum(weights) for weight in weights]
    ages: dict[Age, float] = {}
    genders: dict[Gender, float] = {}
    for group, probability in zip(GROUPS, posterior, strict=True):
        ages[group.age] = ages.get(group.age, 0.0) + probability
        if group.gender is not None:
            genders[group.gender] = genders.get(group.gender, 0.0) + probability
    age = max(ages, key=lambda name: ages[name])
    gender = max(genders, key=lambda name: genders[name])
    certainty = genders[gender]
    return Estimate(None if age == "child" else gender, certainty, age, ages[age])


def _log_likelihood(
    group: Group, f0: float, length: float | None, rate: float | None, jitter: float | None
) -> float:
    total = math.log(group.share) + _log_density(group.pitch, math.log(f0))
    if length is not None:
        total += _log_density(group.length, length)
    if rate is not None:
        total += _log_density(group.rate, rate)
    if jitter is not None and jitter > 0:
        total += _log_density(group.jitter, math.log(jitter))
    return total


def _log_density(bell: Bell, value: float) -> float:
    return -0.5 * ((value - bell.mean) / bell.deviation) ** 2 - math.log(bell.deviation)
