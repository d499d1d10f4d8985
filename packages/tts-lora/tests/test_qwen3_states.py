"""Qwen3-TTS told what to say as states, with the real classes at toy size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("qwen_tts", reason="qwen-tts has an environment of its own: nox -s qwen")

from qwen3_toy import CODES, TEXTS, toy_example, toy_model

from tts_lora.families.qwen3_states import states_at
from tts_lora.families.qwen3_tts import Qwen3TTS, load
from voice_data.speech import SpeechModelError, require_states


@pytest.fixture(scope="module", params=["projected", "embedded"])
def model(request) -> Qwen3TTS:
    return toy_model(states_at=request.param)


@pytest.fixture(scope="module")
def encoded(model):
    clips = [dict(model.encode(toy_example(index))) for index in range(3)]
    torch.manual_seed(1)
    for clip in clips:
        clip["codes"] = torch.randint(0, CODES, clip["codes"].shape)
    return clips


def test_the_port_for_states_is_fulfilled(model) -> None:
    assert require_states(model, "qwen3-tts") is model
    assert model.states_width == {"projected": 16, "embedded": 10}[model.states_at]


def test_there_is_a_state_for_each_token_and_it_knows_its_bytes(model) -> None:
    (piece,) = model.pieces("ab cd")
    assert model.spans(piece).tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert model.spans("aé b").tolist() == [[0, 1], [1, 3], [3, 4], [4, 5]]
    states = model.text_states(["ab cd", "gh"])
    assert states.shape == (2, 5, model.states_width)
    assert not states[1, 2:].any()


def test_states_stand_where_the_librarys_own_module_puts_them(model) -> None:
    talker = model.network.talker
    ids = torch.tensor(model._ids("gh ij")[3:-5])
    expected = talker.get_text_embeddings()(ids)
    if model.states_at == "projected":
        expected = talker.text_projection(expected)
    assert torch.equal(model.text_states(["gh ij"])[0], expected)


def test_own_states_say_what_the_text_says(model, encoded, monkeypatch) -> None:
    def audible(codes: torch.Tensor) -> torch.Tensor:  # the codec without training is silent
        return codes.flatten() / CODES

    monkeypatch.setattr(model, "_decoded", audible)
    voice = model.condition(encoded[:1])
    states = model.text_states(["ab cd"])[0]
    spoken = model.speak_states(states, voice=voice, seed=3)
    assert np.array_equal(spoken.samples, model.speak("ab cd", voice=voice, seed=3).samples)
    torch.manual_seed(0)
    changed = states + 5 * torch.randn_like(states)
    other = model.speak_states(changed, voice=voice, seed=3)
    assert not np.array_equal(other.samples, spoken.samples)


def test_the_loss_of_own_states_is_the_loss(model, encoded) -> None:
    batch = model.collate(encoded)
    states = model.text_states(TEXTS)
    own, loss = model.loss_of_states(batch, states), model.loss(batch)
    assert own.parts == pytest.approx(loss.parts, rel=1e-4)
    assert own.positions == loss.positions
    changed = model.loss_of_states(batch, states + torch.randn_like(states))
    assert abs(changed.parts["talker"] - loss.parts["talker"]) > 1e-3


def test_what_stands_behind_the_end_of_a_text_is_not_read(model, encoded) -> None:
    batch, states = model.collate(encoded), model.text_states(TEXTS)
    noisy = states.clone()
    noisy[1, len(TEXTS[1]) :] = 100.0
    loss, same = (model.loss_of_states(batch, each).parts for each in (states, noisy))
    assert loss == pytest.approx(same, rel=1e-5)


def test_distance_is_a_mean_square_in_units_of_variance(model) -> None:
    states = model.text_states(TEXTS)
    assert all(abs(part) < 1e-6 for part in model.distance(states, TEXTS).parts.values())
    found = model.distance(states + 0.5, TEXTS)
    rows = torch.cat([row[: len(text)] for row, text in zip(states, TEXTS, strict=True)])
    assert found.parts["state"] == pytest.approx(0.25 / float(rows.var(0).mean()), rel=1e-4)
    assert set(found.parts) == ({"state"} if model.states_at == "projected" else {"state", "read"})
    assert found.positions == sum(map(len, TEXTS))


def test_states_alone_learn_to_say_the_clips(model, encoded) -> None:
    """What a projector does: both ends frozen, only what stands between them is trained."""
    frozen = toy_model(states_at=model.states_at)
    frozen.network.requires_grad_(False)
    batch = frozen.collate(encoded)
    states = frozen.text_states(TEXTS).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([states], 0.3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = frozen.loss_of_states(batch, states).total
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert all(parameter.grad is None for parameter in frozen.network.parameters())


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 11, 7), "states are 7 wide and this model reads"), ((3, 4, 0), r"needs states \[3, 11")],
)
def test_states_that_do_not_fit_a_batch_are_refused(model, encoded, shape, message) -> None:
    states = torch.zeros(*shape[:2], shape[2] or model.states_width)
    with pytest.raises(SpeechModelError, match=message):
        model.loss_of_states(model.collate(encoded), states)


def test_states_that_do_not_fit_a_text_or_cannot_be_said_are_refused(model) -> None:
    with pytest.raises(SpeechModelError, match="2 texts of 5 tokens at most need states"):
        model.distance(torch.zeros(2, 4, model.states_width), ["ab cd", "gh"])
    for values in (torch.full((2, model.states_width), torch.nan), torch.zeros(0, 3)):
        with pytest.raises(SpeechModelError, match="must be finite"):
            model.speak_states(values)


def test_the_reference_says_where_the_states_go(tmp_path) -> None:
    toy_model().save_pretrained(tmp_path)
    assert load(str(tmp_path)).states_at == "projected"
    assert load(f"{tmp_path}#embedded").states_at == "embedded"
    with pytest.raises(SpeechModelError, match="not 'middle': end the reference with #projected"):
        states_at("middle")
