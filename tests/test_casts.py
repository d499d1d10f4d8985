"""The teacher corpus' casts, its sentences, and what bends one voice into another."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from bend import bend, shape, warp
from casts import CAST, RATE, WIDE_SPEAKERS, Voice, paced_cast, virtual_cast, wide_cast
from scipy.signal import lfilter
from teacher_corpus import further_sentences, plan, sentences

GLOSSES = """\
  1 This line is the licence.
00001740 03 n 01 entity 0 000 | that which is perceived to have its own distinct existence
00001930 03 n 01 thing 0 000 | a separate and self-contained entity; "it was full of rackets"
00002137 03 n 01 idea 0 000 | a general concept formed (by taking) away; "the idea of it"
00002452 03 n 01 rest 0 000 | an entity without another; "it takes two of them to see"
00002684 03 n 01 object 0 000 | a tangible and visible thing that casts a shadow
00003553 03 n 01 whole 0 000 | an assemblage of parts that is regarded as a unit 24
"""


def vowel(pitch: float, formant: float, seconds: float = 1.0) -> np.ndarray:
    """Pulses through one resonance."""
    time = np.arange(int(RATE * seconds))
    pulses = (np.floor(time * pitch / RATE) != np.floor((time - 1) * pitch / RATE)).astype(float)
    radius, angle = np.exp(-np.pi * 120 / RATE), 2 * np.pi * formant / RATE
    poles = [1.0, -2 * radius * np.cos(angle), radius**2]
    return np.asarray(lfilter([1.0], poles, pulses), np.float32)


def peak(samples: np.ndarray, low: float, high: float) -> float:
    """The strongest smoothed frequency between two, in Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    width = int(300 * len(samples) / RATE)
    power = np.convolve(power, np.hanning(width), "same")
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    inside = (hertz > low) & (hertz < high)
    return float(hertz[inside][power[inside].argmax()])


def period(samples: np.ndarray) -> int:
    """Samples after which the middle of the sound repeats itself."""
    part = samples[RATE // 4 : RATE // 2]
    likeness = np.correlate(part, part, "full")[len(part) - 1 :]
    return int(likeness[60:400].argmax()) + 60


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_warping_moves_formants_and_not_the_pitch(factor: float) -> None:
    plain = vowel(120.0, 1500.0)
    moved = warp(plain, factor)
    assert len(moved) == len(plain)
    assert period(moved) == period(plain) == RATE // 120
    assert peak(moved, 600, 3000) == pytest.approx(1500 * factor, rel=0.06)


def test_a_curve_belongs_to_its_number() -> None:
    plain = np.random.default_rng(0).normal(size=RATE + 1).astype(np.float32)
    assert np.abs(shape(plain, 0.0, 0) - plain).max() < 1e-5
    one, again, other = (shape(plain, 0.0, curve) for curve in (5, 5, 6))
    assert np.array_equal(one, again)
    assert len(one) == len(plain)
    assert np.abs(one - other).max() > 0.1
    low, high = (20 * np.log10(shape(tone(hertz), 2.0, 0).std() / tone(hertz).std())
                 for hertz in (500.0, 4000.0))  # fmt: skip
    assert high - low == pytest.approx(6.0, abs=0.1)  # three octaves at two decibels


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)


def test_an_unbent_voice_is_its_teacher() -> None:
    plain = vowel(120.0, 1500.0)
    assert bend(plain, Voice(teacher="hibari", hours=1.0)) is plain


def test_speakers_of_the_casts_are_different_people() -> None:
    casts = [virtual_cast(random.Random(1)), paced_cast(random.Random(1)), CAST]
    wide = wide_cast(random.Random(1))
    assert len(wide) == WIDE_SPEAKERS
    assert not any(set(wide) & set(cast) for cast in casts)
    assert all(name.startswith("virtual-") for name in wide)  # only ever heard from clips
    assert len({voice.curve for voice in wide.values()}) == WIDE_SPEAKERS
    spread = [(v.resample, v.resample * v.warp) for v in wide.values() if not v.bent_by_world]
    for pitch, formants in spread:
        assert 0.6 <= pitch <= 1.3
        assert 0.879 < formants / np.sqrt(pitch) < 1.141
    assert wide == wide_cast(random.Random(1))


def test_further_sentences_are_new(tmp_path: Path) -> None:
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text(GLOSSES if part == "noun" else "", "latin-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random.Random, "sample", lambda _, texts, count: list(texts)[:count])
        pool = sentences(tmp_path)
        rest = further_sentences(tmp_path, pool)
    assert len(pool) > 3
    assert len(rest) == 2
    assert not {text[:-1] for text in pool} & {text[:-1] for text in rest}
    assert not any("24" in text or "licence" in text for text in pool + rest)


def test_the_wide_part_speaks_what_the_others_leave() -> None:
    pool = [f"Sentence number {index} of a long list of many sentences." for index in range(40_000)]
    named = {job.text for part in ("named", "virtual") for job in plan(pool, 0.01, part)}
    paced = {job.text for job in plan(pool, 0.01, "paced")}
    wide = plan(pool, 0.01, "wide")
    assert len({job.speaker for job in wide}) == WIDE_SPEAKERS
    assert not {job.text for job in wide} & (named | paced)
