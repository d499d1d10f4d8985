"""The whole model: plans, free running and its bound."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.config import LENGTH_SLACK, LONGEST_BYTE, SIZES
from jepa_tts.model import JepaModel, Plan
from jepa_tts.text import collate_text

TEXTS = ["hello there", "no", "the last one was tall"]


def plan_of(model: JepaModel, texts: list[str], speed: float = 1.0) -> Plan:
    voice = model.voices.lookup(torch.arange(len(texts)) % 2)
    return model.plan(collate_text(texts), voice, speed)


@pytest.fixture
def speaking(model: JepaModel) -> JepaModel:
    """A model that plans about one and a half latent frames per byte."""
    with torch.no_grad():
        model.durations.out.bias.fill_(0.9)
    return model


@torch.inference_mode()
def test_plan_of_a_batch_equals_each_text_alone(speaking: JepaModel) -> None:
    together = plan_of(speaking, TEXTS)
    for index, text in enumerate(TEXTS):
        voice = speaking.voices.lookup(torch.tensor([index % 2]))
        alone = speaking.plan(collate_text([text]), voice)
        count = alone.durations.shape[1]
        torch.testing.assert_close(
            together.durations[index, :count], alone.durations[0], atol=1e-4, rtol=0
        )
        assert not together.durations[index, count:].any()
        assert together.lengths[index] == alone.lengths[0]


@torch.inference_mode()
def test_speed_divides_every_duration(speaking: JepaModel) -> None:
    slow, fast = plan_of(speaking, TEXTS), plan_of(speaking, TEXTS, speed=2.0)
    torch.testing.assert_close(fast.durations * 2, slow.durations)
    assert torch.equal(fast.lengths, (slow.durations.sum(1) / 2).round().long())


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_speed_must_be_positive(speaking: JepaModel, speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be positive"):
        plan_of(speaking, TEXTS, speed)


@torch.inference_mode()
def test_a_plan_is_never_empty_nor_endless(model: JepaModel) -> None:
    for bias, bound in ((-50.0, 1), (50.0, None)):
        model.durations.out.bias.fill_(bias)
        plan = plan_of(model, TEXTS)
        longest = plan.mask.sum(1) * LONGEST_BYTE
        assert bool((plan.lengths >= 1).all())
        assert bool((plan.lengths <= (bound or longest)).all())


@pytest.mark.parametrize("stop", [-1e6, 1e6, float("nan")])
def test_generation_stops_within_the_bound(speaking: JepaModel, stop: float) -> None:
    with torch.no_grad():
        speaking.predictor.stop_out.weight.zero_()
        speaking.predictor.stop_out.bias.fill_(stop)
    plan = plan_of(speaking, TEXTS)
    latents, lengths = speaking.generate(plan)
    assert latents.shape[1] == int(lengths.max())
    # an eager stop head may end a frame early, a deaf one is cut after the slack
    want = plan.lengths - 1 if stop > 0 else plan.lengths + LENGTH_SLACK
    assert lengths.tolist() == want.clamp_min(1).tolist()


def test_generation_equals_teacher_forcing_on_itself(speaking: JepaModel) -> None:
    with torch.inference_mode():
        plan = plan_of(speaking, TEXTS)
        latents, _ = speaking.generate(plan)
        forced = speaking.predict(plan, latents).latents
    torch.testing.assert_close(latents, forced, atol=1e-5, rtol=0)


def test_a_batch_of_ragged_texts_equals_one_at_a_time(speaking: JepaModel) -> None:
    with torch.inference_mode():
        latents, lengths = speaking.generate(plan_of(speaking, TEXTS))
        for index, text in enumerate(TEXTS):
            voice = speaking.voices.lookup(torch.tensor([index % 2]))
            alone, count = speaking.generate(speaking.plan(collate_text([text]), voice))
            assert lengths[index] == count[0]
            got = latents[index, : int(count[0])]
            torch.testing.assert_close(got, alone[0, : int(count[0])], atol=1e-4, rtol=0)


def test_base_has_the_size_it_claims() -> None:
    assert JepaModel(SIZES["base"]).network_size() == pytest.approx(24e6, rel=0.1)
