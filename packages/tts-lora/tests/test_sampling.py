"""Drawing units: the likeliest, the share that each has, and what stays out of play."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tts_lora.families.sampling import SamplingConfig, draw

LOGITS = torch.tensor([0.6, 0.3, 0.06, 0.04]).log()


def shares(config: SamplingConfig, **options: Any) -> list[float]:
    """How often each unit comes in a thousand draws."""
    generator = torch.Generator().manual_seed(0)
    found = [draw(LOGITS, config, generator=generator, **options) for _ in range(1000)]
    return [found.count(unit) / 1000 for unit in range(4)]


def test_greedy_takes_the_likeliest() -> None:
    assert draw(LOGITS) == 0
    assert draw(LOGITS.flip(0)) == 3


def test_shares_are_those_of_the_softmax() -> None:
    assert shares(SamplingConfig()) == pytest.approx([0.6, 0.3, 0.06, 0.04], abs=0.04)
    hot = (LOGITS / 2).softmax(0).tolist()
    assert shares(SamplingConfig(temperature=2.0)) == pytest.approx(hot, abs=0.04)


def test_what_is_out_of_play_never_comes() -> None:
    assert shares(SamplingConfig(top_k=2)) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.04)
    assert shares(SamplingConfig(top_p=0.89))[2:] == [0, 0]
    assert shares(SamplingConfig(top_p=0.91))[2] > 0
    assert shares(SamplingConfig(top_p=0.01))[0] == 1
    assert shares(SamplingConfig(top_k=9, temperature=0.0))[0] == 1


def test_what_was_said_is_less_likely() -> None:
    config = SamplingConfig(temperature=0.0, repetition_penalty=3.0)
    assert draw(torch.tensor([2.0, 1.0, -1.0]), config) == 0
    assert draw(torch.tensor([2.0, 1.0, -1.0]), config, said=[0, 0]) == 1
    assert draw(torch.tensor([-1.0, -2.0, -4.0]), config, said=[0]) == 1


def test_it_is_transformers_penalty() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    logits, said = torch.randn(50, generator=torch.Generator().manual_seed(1)), [4, 7, 7, 30]
    scores = RepetitionPenaltyLogitsProcessor(2.5)(torch.tensor([said]), logits[None].clone())[0]
    for seed in range(20):
        first, second = (torch.Generator().manual_seed(seed) for _ in range(2))
        config = SamplingConfig(repetition_penalty=2.5)
        assert draw(logits, config, said=said, generator=first) == draw(
            scores, SamplingConfig(), generator=second
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", -1.0), ("top_k", -1), ("top_p", 0.0), ("repetition_penalty", 0.5)],
)
def test_refusals_name_the_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .*, not {value}"):
        SamplingConfig(**{field: value})
