"""The voices of the teacher corpus: which teacher speaks, and how the result is bent."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

RATE = 24_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One member of the cast: which teacher speaks and how the result is bent."""

    teacher: str  # "hibari" or "joe"
    hours: float
    resample: float = 1.0  # pitch and formants together; the rate is compensated
    pitch: float = 1.0  # WORLD: pitch alone
    formants: float = 1.0  # WORLD: formants alone
    intonation: float = 1.0  # WORLD: exponent of the pitch around its median
    breath: float = 1.0  # WORLD: exponent of the aperiodicity; below one is breathier
    warp: float = 1.0  # formants alone, by filtering: faster and clearer than WORLD
    curve: int = 0  # the number of a drawn filter
    tilt: float = 0.0  # dB per octave from 200 Hz to 8 kHz
    band: int = RATE // 2  # Hz that the channel lets through: a telephone is a voice too
    speed: float = 1.0

    @property
    def bent_by_world(self) -> bool:
        """Whether the slow vocoder is needed."""
        return (self.pitch, self.formants, self.intonation, self.breath) != (1.0, 1.0, 1.0, 1.0)


CAST = {
    "heart": Voice(teacher="hibari", hours=9.0),
    "joe": Voice(teacher="joe", hours=2.0, speed=0.88),
    "alto": Voice(teacher="hibari", hours=2.4, resample=0.84, speed=0.95),
    "bright": Voice(teacher="hibari", hours=2.4, resample=1.2, speed=1.05),
    "adam": Voice(teacher="hibari", hours=1.8, pitch=0.58, formants=0.86),
    "bass": Voice(teacher="joe", hours=1.4, resample=0.84, speed=0.85),
}
VIRTUAL_SPEAKERS = 240
VIRTUAL_HOURS = 8.0
BANDS = (12_000, 12_000, 8_000, 12_000, 5_500, 12_000, 8_000, 12_000, 12_000, 4_000)
"""Hz, by the last digit of a virtual speaker: old recordings and telephones end early."""
PACED_SPEAKERS, PACED_HOURS = 72, 1.9
PACES = (0.55, 1.5)
"""Slow and fast talkers, so that a description of the rate has voices to be learnt from."""
WIDE_SPEAKERS, WIDE_HOURS = 1_600, 31.0


def virtual_cast(rng: random.Random) -> dict[str, Voice]:
    """Speakers with drawn settings: every second one resampled, the others bent by WORLD."""
    cast = {}
    for index in range(VIRTUAL_SPEAKERS):
        teacher = "joe" if index % 3 == 0 else "hibari"
        low, high = (0.74, 1.34) if teacher == "hibari" else (0.76, 1.24)
        settings: dict[str, Any] = {"resample": _between(rng, low, high)}
        if index % 2:
            settings = _world_settings(rng, teacher)
        cast[f"virtual-{index:03d}"] = Voice(
            teacher=teacher,
            hours=VIRTUAL_HOURS / VIRTUAL_SPEAKERS,
            tilt=round(rng.uniform(-1.8, 1.8), 3),
            band=BANDS[index % len(BANDS)],
            speed=_between(rng, 0.82, 1.22),
            **settings,
        )
    return cast


def paced_cast(rng: random.Random) -> dict[str, Voice]:
    """Speakers whose rates and intonations spread much wider than the virtual ones'."""
    cast = {}
    for index in range(PACED_SPEAKERS):
        teacher = "joe" if index % 4 == 0 else "hibari"
        settings: dict[str, Any] = {"resample": _between(rng, 0.74, 1.3)}
        if teacher == "hibari" and index % 2:
            settings = _world_settings(rng, teacher) | {"intonation": _between(rng, 0.4, 1.9)}
        cast[f"paced-{index:03d}"] = Voice(
            teacher=teacher,
            hours=PACED_HOURS / PACED_SPEAKERS,
            tilt=round(rng.uniform(-1.8, 1.8), 3),
            speed=_between(rng, *PACES),
            **settings,
        )
    return cast


def wide_cast(rng: random.Random) -> dict[str, Voice]:
    """Many speakers who say little each, so that a clip's voice has neighbours on every side.

    Pitch, formants, timbre, tilt, rate and channel are drawn; formants follow the pitch by the
    root of what resampling did to both. One in eight is bent by WORLD.
    """
    cast = {}
    for index in range(WIDE_SPEAKERS):
        teacher = "joe" if index % 8 == 0 else "hibari"
        resample = _between(rng, *((0.6, 1.3) if teacher == "hibari" else (0.76, 1.24)))
        settings = {
            "resample": resample,
            "warp": round(_between(rng, 0.88, 1.14) / math.sqrt(resample), 3),
        }
        if index % 8 == 4:
            settings = _world_settings(rng, teacher)
        cast[f"virtual-{1000 + index}"] = Voice(
            teacher=teacher,
            hours=WIDE_HOURS / WIDE_SPEAKERS,
            curve=1 + index,
            tilt=round(rng.uniform(-2.0, 2.0), 3),
            band=BANDS[index // 8 % len(BANDS)],
            speed=_between(rng, 0.78, 1.25),
            **settings,
        )
    return cast


def _world_settings(rng: random.Random, teacher: str) -> dict[str, Any]:
    other_sex = rng.random() < 0.5
    pitch, formants = (0.8, 1.2), (0.92, 1.08)
    if other_sex:
        male, female = ((0.48, 0.68), (0.82, 0.92)), ((1.5, 1.95), (1.08, 1.2))
        pitch, formants = male if teacher == "hibari" else female
    return {
        "pitch": _between(rng, *pitch),
        "formants": _between(rng, *formants),
        "intonation": _between(rng, 0.6, 1.5),
        "breath": _between(rng, 0.45, 1.0),
    }


def _between(rng: random.Random, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))), 3)
