"""Likeness: voices told apart and compared, with voices that are tones and an ear for pitch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click
import evaluate_voices
import likeness
import numpy as np
import pytest
from click.testing import CliRunner

from voice_data.audio import Audio, read, write
from voice_data.manifest import Utterance
from voice_data.score.similarity import SpeakerEncoder

RATE = 8_000
PITCH = {"low": 200.0, "high": 1_800.0, "rogue": 1_700.0}


def tone(hertz: float, seconds: float = 3.0) -> Audio:
    times = np.arange(round(seconds * RATE)) / RATE
    return Audio((0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32), RATE)


class Ear:
    """Embeds a clip as the unit vector of its spectrum's peak: 0 to 4000 Hz is a quarter turn."""

    def embed(self, audio: Audio) -> np.ndarray:
        if not audio.samples.any():
            return np.zeros(2, np.float32)
        peak = np.argmax(np.abs(np.fft.rfft(audio.samples))) * audio.rate / len(audio.samples)
        angle = np.pi / 2 * peak / 4_000.0
        return np.asarray([np.cos(angle), np.sin(angle)], np.float32)


EAR = cast(SpeakerEncoder, Ear())


class Singer:
    """Sings its voices' pitches; clones a prompt exactly, reconstructs an octave too low."""

    def __init__(self, *voices: str) -> None:
        self.voices = voices
        self.said: list[str] = []

    def speak(
        self, text: str, *, voice: str | None = None, prompt: Path | None = None, seed: int = 0
    ) -> Audio:
        self.said.append(text)
        return read(prompt) if prompt else tone(PITCH[voice or ""])

    def reconstruct(self, audio: Path, *, seed: int = 0) -> Audio:
        heard = read(audio)
        return Audio(np.ascontiguousarray(np.repeat(heard.samples, 2)[: len(heard.samples)]), RATE)


def clips(folder: Path, name: str, hertz: list[float], seconds: float = 3.0) -> list[Path]:
    paths = [folder / f"{name}-{index}.wav" for index in range(len(hertz))]
    for path, pitch in zip(paths, hertz, strict=True):
        write(path, tone(pitch, seconds))
    return paths


def listed(name: str, count: int, **fields: Any) -> list[Utterance]:
    base = {"speaker": name, "duration": 3.0, "split": "held-out", "text": "x", **fields}
    return [
        Utterance(id=f"{name}-{index}", audio=f"{name}-{index}.wav", **base)
        for index in range(count)
    ]


def test_a_voice_that_sounds_like_another_is_confused_with_it(tmp_path: Path) -> None:
    references = {
        "low": clips(tmp_path, "low", [200.0, 210.0]),
        "high": clips(tmp_path, "high", [1_790.0, 1_810.0]),
        "rogue": clips(tmp_path, "rogue", [900.0, 910.0]),  # and yet it sings at 1700 Hz
    }
    singer = Singer("low", "high", "rogue")
    found = likeness.name_voices(singer, ["one", "two"], references, tmp_path / "out", EAR)
    assert found["voices"] == ["low", "high", "rogue"]
    assert found["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 2, 0]]
    assert found["accuracy"] == pytest.approx(4 / 6)
    right = {voice: own["right"] for voice, own in found["by_voice"].items()}
    assert right == {"low": 1.0, "high": 1.0, "rogue": 0.0}
    low = found["by_voice"]["low"]
    expected = np.mean([np.cos(np.pi / 2 * (f - 200.0) / 4_000.0) for f in (200.0, 210.0)])
    assert low["similarity"] == pytest.approx(expected, abs=1e-6)
    assert low["ceiling"] == pytest.approx(np.cos(np.pi / 2 * 10.0 / 4_000.0), abs=1e-6)


def test_sentences_are_spoken_once(tmp_path: Path) -> None:
    references = {name: clips(tmp_path, name, [PITCH[name]] * 2) for name in ("low", "high")}
    singer = Singer("low", "high")
    first = likeness.name_voices(singer, ["one"], references, tmp_path / "out", EAR)
    assert singer.said == ["one", "one"]
    second = likeness.name_voices(singer, ["one"], references, tmp_path / "out", EAR)
    assert singer.said == ["one", "one"]
    assert first == second


def test_people_are_compared_with_their_other_recordings(tmp_path: Path) -> None:
    clips(tmp_path, "ada", [200.0] * 4)
    clips(tmp_path, "bea", [1_800.0] * 4)
    known = likeness.people([*listed("ada", 4), *listed("bea", 4)], tmp_path, 2)
    found = likeness.hear_people(Singer("low"), known, ["one"], tmp_path / "out", EAR)
    ada = found["by_person"]["ada"]
    apart = np.cos(np.pi / 2 * 1_600.0 / 4_000.0)
    assert ada["clips"] == 2
    assert ada["ceiling"] == pytest.approx(1.0, abs=1e-6)
    assert ada["prompted"] == pytest.approx(1.0, abs=1e-6)
    assert ada["floor"] == pytest.approx(apart, abs=1e-6)
    assert ada["prompted_by_strangers"] == pytest.approx(apart, abs=1e-6)
    octave = np.cos(np.pi / 2 * 100.0 / 4_000.0)  # repeating each sample halves the pitch
    assert ada["reconstructed"] == pytest.approx(octave, abs=1e-6)
    assert ada["right"] == {"real": 1.0, "reconstructed": 1.0, "prompted": 1.0}
    # 900 Hz is nearer to 200 Hz than to 1800 Hz.
    assert found["by_person"]["bea"]["right"]["reconstructed"] == 0.0
    assert found["identity"]["reconstructed"]["confusion"] == [[2, 0], [2, 0]]


def test_one_person_in_two_languages_is_no_stranger(tmp_path: Path) -> None:
    clips(tmp_path, "ada-en", [200.0] * 4)
    clips(tmp_path, "ada-es", [300.0] * 4)
    clips(tmp_path, "bea", [1_800.0] * 4)
    ada = {"extra": {"person": "Ada"}}
    sets = [listed("ada-en", 4, language="en", **ada), listed("ada-es", 4, language="es", **ada),
            listed("bea", 4, language="en", extra={"person": "Bea"})]  # fmt: skip
    known = likeness.people([item for held in sets for item in held], tmp_path, 2)
    found = likeness.hear_people(Singer("low"), known, ["one"], tmp_path / "out", EAR)
    english, spanish, bea = (found["by_person"][held[0].speaker] for held in sets)
    between = np.cos(np.pi / 2 * 100.0 / 4_000.0)
    assert english["across_languages"] == pytest.approx(between, abs=1e-6)
    assert spanish["across_languages"] == pytest.approx(between, abs=1e-6)
    assert bea["across_languages"] is None
    assert english["floor"] == pytest.approx(np.cos(np.pi / 2 * 1_600.0 / 4_000.0), abs=1e-6)
    # an octave under 300 Hz lies nearer to 200 Hz: Ada's too
    assert spanish["right"] == {"real": 1.0, "reconstructed": 1.0, "prompted": 1.0}


def test_speech_that_is_none_is_counted(tmp_path: Path) -> None:
    class Mute(Singer):
        def speak(self, text: str, **options: Any) -> Audio:
            return Audio(np.zeros(RATE, np.float32), RATE)

    clips(tmp_path, "ada", [200.0] * 4)
    clips(tmp_path, "bea", [1_800.0] * 4)
    known = likeness.people([*listed("ada", 4), *listed("bea", 4)], tmp_path, 2)
    found = likeness.hear_people(Mute("low"), known, ["one"], tmp_path / "out", EAR)
    ada = found["by_person"]["ada"]
    assert ada["no_speech"] == {"real": 0, "reconstructed": 0, "prompted": 2}
    assert (ada["prompted"], ada["right"]["prompted"]) == (0.0, 0.0)
    settings = {"hardware": {"cpu": "abacus", "cores": 1}, "threads": 1, "checkpoint": "feed"}
    shown = evaluate_voices.tables({"settings": settings, "people": found})
    assert "4 of these clips hold no speech" in shown


def test_what_is_heard_and_what_is_compared_share_no_clip(tmp_path: Path) -> None:
    rows = [*listed("ada", 9), *listed("bea", 6)]
    known = likeness.people(rows, tmp_path, 4)
    assert [(len(person.heard), len(person.others)) for person in known] == [(4, 4), (3, 3)]
    for person in known:
        assert not set(person.heard) & set(person.others)
    assert likeness.people(rows[::-1], tmp_path, 4) == known


def test_trained_recordings_and_odd_lengths_are_left_out(tmp_path: Path) -> None:
    rows = listed("bea", 4)
    for spoiled in ({"split": "train"}, {"duration": 1.0}, {"duration": 30.0}, {"duration": None}):
        with pytest.raises(click.UsageError, match="'ada' has 0 held-out recordings"):
            likeness.people([*listed("ada", 4, **spoiled), *rows], tmp_path, 2)
    with pytest.raises(click.UsageError, match="of one speaker"):
        likeness.people(rows, tmp_path, 2)


def test_a_voice_without_references_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="no clip of the voice 'low'"):
        likeness.name_voices(Singer("low"), ["one"], {}, tmp_path, EAR)


def test_the_tables_show_every_voice_and_person(tmp_path: Path) -> None:
    references = {name: clips(tmp_path, name, [PITCH[name]] * 2) for name in ("low", "high")}
    clips(tmp_path, "ada", [200.0] * 4)
    clips(tmp_path, "bea", [1_800.0] * 4)
    known = likeness.people([*listed("ada", 4), *listed("bea", 4)], tmp_path, 2)
    out, singer = tmp_path / "out", Singer("low", "high")
    hardware = {"cpu": "abacus", "cores": 1}
    result = {
        "settings": {"hardware": hardware, "threads": 1, "checkpoint": "feed"},
        "named": likeness.name_voices(singer, ["one"], references, out, EAR),
        "people": likeness.hear_people(singer, known, ["one"], out, EAR),
    }
    shown = evaluate_voices.tables(result)
    assert "named voices told apart: 100.0% of 2 clips" in shown
    assert "| low | 1 | 100.0% | 1.000 | 1.000 | 1 | 0 |" in shown
    row = "| bea |  | 2 | 0.938 | 0.938 | 1.000 | 0.809 | 1.000 |  | 0.809 | 100% | 0% | 100% |"
    assert row in shown
    assert "abacus, 1 cores; threads: 1; weights feed" in shown
    named = shown.split("\n\n")[1].splitlines()
    assert len({row.count("|") for row in named}) == 1


def test_a_call_without_anything_to_evaluate_is_refused(tmp_path: Path) -> None:
    run = CliRunner().invoke(evaluate_voices.main, ["--out", str(tmp_path / "out")])
    assert run.exit_code == 2
    assert "--references, --recordings or both" in run.output
