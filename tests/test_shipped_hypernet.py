"""The hypernetwork that ships: what it says of itself, and that its words are heard."""

from __future__ import annotations

import pytest

from voice_data.describe import measure
from voice_data.speech import SpeechModel, load_speech_model
from voice_hypernet import VoiceHypernet
from voice_hypernet.checkpoint import load_hypernet

TEXT = "The harbour was quiet, and the boats lay still."


@pytest.fixture(scope="module")
def hypernet() -> VoiceHypernet:
    return VoiceHypernet.from_pretrained()


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return load_speech_model("jepa-tts")


def f0(
    hypernet: VoiceHypernet, model: SpeechModel, words: str, strength: float | None = None
) -> float:
    """Hz of a sentence in the described voice."""
    voice = hypernet.generate_lora_adapters(text=words, strength=strength)
    with voice.worn(model) as told:
        found = measure(model.speak(TEXT, voice=told, seed=0), TEXT).f0
    assert found is not None
    return found


def test_it_was_made_for_the_base_that_ships(model: SpeechModel) -> None:
    found = load_hypernet()
    assert found.base_sha256 == model.weights_sha256
    assert len(found.held_out) > 20


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("a deep, calm man", "a bright young woman with a high voice"),
        ("굵고 낮은 목소리의 남자", "목소리가 높은 젊은 여자"),
    ],
)
def test_who_is_described_is_heard(
    hypernet: VoiceHypernet, model: SpeechModel, low: str, high: str
) -> None:
    man, woman = f0(hypernet, model, low), f0(hypernet, model, high)
    assert man < 130 < 165 < woman


def test_strength_moves_a_voice_step_by_step(hypernet: VoiceHypernet, model: SpeechModel) -> None:
    found = [f0(hypernet, model, "a deep man", strength) for strength in (0.0, 0.5, 1.0)]
    assert found[0] > found[1] > found[2]
