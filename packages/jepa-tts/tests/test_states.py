"""States from outside: the model's own must change nothing, and others must be heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from jepa_tts.states import encode, spans
from voice_data.speech import STATES_MEMBERS, SpeechModelError, StatesModel, require_states

if TYPE_CHECKING:
    from jepa_tts.speech import JepaSpeech
    from jepa_tts.tts import JepaTTS

TEXT = "No one wants to rest."


@pytest.fixture
def speech(tts: JepaTTS) -> JepaSpeech:
    from jepa_tts.speech import JepaSpeech

    return JepaSpeech(tts)


def test_the_port_for_states_is_fulfilled(speech: JepaSpeech) -> None:
    assert require_states(speech, "jepa-tts") is speech
    declared = {name for name in vars(StatesModel) if not name.startswith("_")}
    assert set(STATES_MEMBERS) <= declared
    assert speech.states_width == speech.tts.config.width


def test_a_model_without_states_is_refused() -> None:
    with pytest.raises(SpeechModelError, match=r"'mute' cannot speak from states .*text_states"):
        require_states(object(), "mute")  # type: ignore[arg-type]


def test_spans_count_bytes_not_characters() -> None:
    assert spans("né").tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [3, 3]]


def test_own_states_speak_as_the_text_does(speech: JepaSpeech) -> None:
    states = speech.text_states([TEXT])[0]
    spoken = speech.speak_states(states, voice="bert", seed=3)
    np.testing.assert_allclose(
        spoken.samples, speech.speak(TEXT, voice="bert", seed=3).samples, atol=2e-4
    )


def test_other_states_speak_otherwise(speech: JepaSpeech) -> None:
    states = speech.text_states([TEXT])[0]
    own = speech.speak_states(states, seed=0)
    other = speech.speak_states(states + 0.5 * torch.randn_like(states), seed=0)
    assert len(own.samples) != len(other.samples) or not np.allclose(own.samples, other.samples)


def test_the_distance_of_own_states_is_nothing(speech: JepaSpeech) -> None:
    texts = [TEXT, "Hi."]
    states = speech.text_states(texts)
    found = speech.distance(states, texts)
    assert set(found.parts) == {"state", "read", "duration", "phoneme"}
    assert all(abs(part) < 1e-5 for part in found.parts.values())
    assert found.positions == len(TEXT) + 2 + len("Hi.") + 2


def test_every_part_of_the_distance_grows_with_noise(speech: JepaSpeech) -> None:
    states = speech.text_states([TEXT])
    noise = torch.randn_like(states)
    near = speech.distance(states + 0.1 * noise, [TEXT]).parts
    far = speech.distance(states + 1.0 * noise, [TEXT]).parts
    assert all(far[name] > 2 * near[name] > 0 for name in near)


def test_the_state_part_is_a_mean_square_in_units_of_variance(speech: JepaSpeech) -> None:
    states = speech.text_states([TEXT])
    found = speech.distance(states + 0.5, [TEXT]).parts["state"]
    assert found == pytest.approx(0.25 / float(states[0].var(0).mean()), rel=1e-4)


def test_gradients_reach_the_states_and_not_the_model(speech: JepaSpeech) -> None:
    speech.network.requires_grad_(False)
    states = speech.text_states([TEXT]).requires_grad_(True)
    speech.distance(states * 1.1, [TEXT]).total.backward()
    assert states.grad is not None
    assert float(states.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in speech.network.parameters())


def test_padding_does_not_count(speech: JepaSpeech) -> None:
    texts = [TEXT, "Hi."]
    states = encode(speech.tts.model, texts).values
    alone = speech.distance(states[1:, : len("Hi.") + 2] + 0.1, ["Hi."])
    noisy = states.clone()
    noisy[0] = speech.text_states([TEXT])[0]
    noisy[1] += 0.1
    both = speech.distance(noisy, texts)
    assert both.parts["state"] > 0
    assert alone.positions == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:, :, :-1], r"the states are 31 wide and this model reads 32"),
        (lambda s: s[:, :-1], r"need states \[1, 23, 32\], not \[1, 22, 32\]"),
    ],
)
def test_states_that_do_not_fit_are_refused(
    speech: JepaSpeech, change: object, message: str
) -> None:
    states = speech.text_states([TEXT])
    with pytest.raises(SpeechModelError, match=message):
        speech.distance(change(states), [TEXT])  # type: ignore[operator]


def test_states_that_cannot_be_spoken_are_refused(speech: JepaSpeech) -> None:
    with pytest.raises(SpeechModelError, match="must be finite"):
        speech.speak_states(torch.full((4, speech.states_width), float("nan")))
