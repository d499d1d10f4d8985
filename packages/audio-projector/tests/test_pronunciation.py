"""The judge of homographs, on sounds whose pronunciation is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio_projector.pronunciation import (
    Homograph,
    PronunciationError,
    distance,
    features,
    judge,
    read_homographs,
)
from voice_data.audio import Audio

RATE = 16_000
ITEM = Homograph(text="Read it now.", word="read", right="redd", wrong="reed")
FORMANTS = {"a": (700, 1200), "e": (500, 1900), "i": (280, 2300), "o": (450, 800)}


def say(vowels: str, *, pitch: float = 110.0, speed: float = 1.0, seed: int = 0) -> Audio:
    """Vowels one after the other, as harmonics under two formants."""
    parts = []
    for vowel in vowels:
        times = np.arange(int(0.15 * RATE / speed)) / RATE
        wave = np.zeros_like(times)
        for k in range(1, int(4000 / pitch)):
            strength = sum(np.exp(-(((k * pitch - f) / 120) ** 2)) for f in FORMANTS[vowel])
            wave += (strength + 0.01) * np.sin(2 * np.pi * k * pitch * times)
        parts.append(wave)
    samples = np.concatenate(parts)
    samples += 1e-3 * np.random.default_rng(seed).standard_normal(len(samples))
    return Audio((0.3 * samples / np.abs(samples).max()).astype(np.float32), RATE)


def test_a_reference_is_recognised_as_itself() -> None:
    right, wrong = say("aeao"), say("aiao")
    assert judge(ITEM, right, right, wrong).margin == pytest.approx(1.0, abs=0.05)
    assert judge(ITEM, wrong, right, wrong).margin == pytest.approx(-1.0, abs=0.05)


@pytest.mark.parametrize("speed", [0.85, 1.2])
@pytest.mark.parametrize("pitch", [100.0, 125.0])
def test_another_tempo_and_pitch_do_not_confuse_it(speed: float, pitch: float) -> None:
    right, wrong = say("aeao"), say("aiao")
    for vowels, heard in (("aeao", True), ("aiao", False)):
        spoken = say(vowels, speed=speed, pitch=pitch, seed=3)
        assert judge(ITEM, spoken, right, wrong).heard is heard


def test_the_distance_is_nothing_for_equals_and_ignores_silence_around() -> None:
    audio = say("aeio")
    padded = Audio(np.concatenate((np.zeros(8000, np.float32), audio.samples)), RATE)
    assert distance(features(audio), features(audio)) < 1e-2
    assert distance(features(padded), features(audio)) < 0.15
    assert distance(features(say("oooo")), features(audio)) > 0.5


def test_a_word_is_respelled_with_its_capital() -> None:
    assert ITEM.spelled("redd") == "Redd it now."
    item = Homograph(text="Bread I read.", word="read", right="redd", wrong="reed")
    assert item.spelled("reed") == "Bread I reed."


def test_what_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PronunciationError, match="'lead' is not in"):
        Homograph(text="Read it.", word="lead", right="a", wrong="b")
    with pytest.raises(PronunciationError, match="two equal respellings"):
        Homograph(text="Read it.", word="read", right="a", wrong="a")
    with pytest.raises(PronunciationError, match="too short"):
        features(Audio(np.zeros(100, np.float32), RATE))
    path = tmp_path / "h.jsonl"
    path.write_text('{"text": "Read it.", "word": "read"}\n')
    with pytest.raises(PronunciationError, match=r"h\.jsonl:1:"):
        read_homographs(path)
    path.write_text("")
    with pytest.raises(PronunciationError, match="is empty"):
        read_homographs(path)
