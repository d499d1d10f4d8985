"""Steps: what they count, their rates, and what stops them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from running import _PEFT_WARNS, assert_same_run, config_of, log_of, states, trained
from toy import ToySpeech

from tts_lora.batches import StepPlan
from tts_lora.checkpoint import read_state
from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.descent import NotFiniteError, make_optimizer, schedule
from voice_data.encoded import EncodedSet
from voice_data.schedule import Schedule
from voice_data.speech import Loss

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_step_counts_every_position_once(data: str, tmp_path: Path) -> None:
    """Two clips in one pass give the same weights as in two passes of unequal length."""
    results = []
    for clips, accumulation in ((9, 1), (2, 5), (1, 9)):
        out = tmp_path / str(clips)
        values = {"lora": LoraConfig(rank=2, dropout=0.0), "steps": 1, "save_every": 1}
        trained(config_of(data, out, clips=clips, accumulation=accumulation, **values))
        results.append(log_of(out)[0])
    for other in results[1:]:
        assert other["loss"] == pytest.approx(results[0]["loss"], abs=1e-6)
        assert other["norm"] == pytest.approx(results[0]["norm"], rel=1e-5)


def test_a_pass_in_parts_has_the_same_gradient(data: str, tmp_path: Path) -> None:
    results = []
    for at_once in (0, 200, 1):
        out = tmp_path / str(at_once)
        values = {"lora": LoraConfig(rank=2, dropout=0.0), "steps": 1, "save_every": 1}
        trained(config_of(data, out, clips=9, at_once=at_once, **values))
        results.append(log_of(out)[0])
    for other in results[1:]:
        assert other["loss"] == pytest.approx(results[0]["loss"], abs=1e-6)
        assert other["norm"] == pytest.approx(results[0]["norm"], rel=1e-5)


def test_parts_keep_to_the_limit_and_leave_the_steps_as_they_are() -> None:
    lengths = [int(x) for x in np.random.default_rng(0).integers(5, 90, 40)]
    values = {"batch": 1000, "clips": 8, "group": 2, "seed": 0}
    places = range(100, 140)
    whole = StepPlan(places, lengths, [1.0] * 40, **values)
    parts = StepPlan(places, lengths, [1.0] * 40, **values, at_once=100)
    assert parts.largest() <= 100 < whole.largest()
    assert parts.fingerprint != whole.fingerprint
    assert parts.total(3) == whole.total(3)
    for mine, theirs in zip(parts.steps(0, 12), whole.steps(0, 12), strict=True):
        assert sorted(sum(mine.passes, ())) == sorted(sum(theirs.passes, ()))
        assert len(mine.passes) > len(theirs.passes)
        for part in mine.passes:
            assert len(part) * max(lengths[place - 100] for place in part) <= 100


class Breaking(ToySpeech):
    """A model whose loss or gradient breaks at its third training batch."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.seen = where, 0

    def loss(self, batch: Any) -> Loss:
        loss = super().loss(batch)
        self.seen += loss.total.requires_grad
        if self.seen != 4:  # the first is the preflight's
            return loss
        weight = next(p for p in self.network.parameters() if p.requires_grad)
        if self.where == "loss":
            return Loss(total=loss.total * math.nan, parts={})
        return Loss(total=loss.total + (weight - weight.detach()).abs().sum().sqrt(), parts={})


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_and_keeps_the_last_good_state(
    where: str, data: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    config = config_of(data, out, save_every=5)
    with pytest.raises(NotFiniteError, match=rf"the {where}.* nan at step 3, in the batch") as info:
        trained(config, model=Breaking(where))
    assert "step-000002: lower learning_rate (0.003) and run again" in str(info.value)
    assert isinstance(info.value, RuntimeError)  # a command says what it says, and no more
    ids = {clip.id for clip in EncodedSet(data).clips}
    assert info.value.step == 3
    assert set(info.value.clips) <= ids
    assert len(info.value.clips) == 3
    assert all(value.isfinite().all() for value in states(out).values())
    assert read_state(out / "checkpoints" / "step-000002").values["progress"]["step"] == 2
    trained(config)  # by a model that does not break
    trained(config_of(data, tmp_path / "whole", save_every=5))
    assert_same_run(tmp_path / "whole", out)


def test_the_warm_up_is_a_share_of_the_steps() -> None:
    config = TrainConfig(data="d", out="o", learning_rate=0.01, warm_up=0.1, final_rate=0.2)
    wanted = Schedule(learning_rate=0.01, steps=250, warm_up=25, final_rate=0.2)
    assert schedule(config, 250) == wanted


@_PEFT_WARNS
def test_lora_plus_groups_are_those_of_peft(data: str) -> None:
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model
    from peft.optimizers import create_loraplus_optimizer

    model = get_peft_model(ToySpeech().network, PeftConfig(target_modules=["q_proj"], r=2))
    theirs = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0, loraplus_weight_decay=0.01
    )
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    config = TrainConfig(data="d", out="o", learning_rate=1e-3, loraplus_ratio=16.0)
    mine = make_optimizer(parameters, config)

    def rates(optimizer: torch.optim.Optimizer) -> dict[int, tuple[float, float]]:
        return {
            id(p): (group["lr"], group["weight_decay"])
            for group in optimizer.param_groups
            for p in group["params"]
        }

    assert rates(mine) == rates(theirs)
    assert [group["ratio"] for group in mine.param_groups] == [1.0, 16.0]
