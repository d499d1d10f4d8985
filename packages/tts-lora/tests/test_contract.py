"""The contract is green where training and generation agree, and red for each planted fault."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import ToyBatch, ToySpeech, encoded_clip

import tts_lora.contract
from tts_lora.contract import check_alignment
from voice_data.speech import Trace

CLIPS = [encoded_clip([3, 1, 4, 1, 5]), encoded_clip([9, 2, 6], "Two, and more.")]


class Altered(ToySpeech):
    """A toy whose traces pass through ``alter(trace, path)`` first."""

    def __init__(self, alter: Any) -> None:
        super().__init__()
        self._alter = alter

    def trace(self, batch: ToyBatch, path: Any = "loss") -> Trace:
        return self._alter(super().trace(batch, path), path)


class TwoHeads(ToySpeech):
    """A toy with a second head, whose loss is ``weight`` times its mean square."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.network.second = nn.Linear(32, 3, bias=False)
        self._weight = weight

    def terms(self, batch: ToyBatch) -> Mapping[str, Tensor]:
        hidden = self.network.model(input_ids=batch.ids).last_hidden_state
        second = (self.network.second(hidden) ** 2).mean() * self._weight
        return {"codes": self.trace(batch).outputs.square().mean(), "second": second}


def in_cached(**parts: Any) -> Any:
    """Replace parts of the cached trace by functions of themselves."""

    def alter(trace: Trace, path: str) -> Trace:
        if path != "cached":
            return trace
        return replace(trace, **{name: f(getattr(trace, name)) for name, f in parts.items()})

    return alter


def test_a_sound_model_passes_and_says_what_was_compared() -> None:
    report = check_alignment(ToySpeech(), CLIPS)
    assert report.ok
    assert report.findings == ()
    assert set(report.differences) == {"cached", "uncached"}
    assert all(value <= 1e-5 for value in report.differences.values())
    assert report.terms == ("total",)
    assert {"embed_tokens", "q_proj", "down_proj", "norm", "lm_head"} <= set(report.groups)


def test_a_planted_double_shift_is_found_and_named() -> None:
    report = check_alignment(ToySpeech(shift=1), CLIPS)
    assert not report.ok
    assert report.findings[0] == (
        "labels differ at 10 of 10 positions, first row 0, step 0: the loss has 258 and cached "
        "generation is fed 260; the labels of step t are those of step t+1: they are shifted twice"
    )
    assert "uncached generation is fed 260" in report.findings[1]
    assert len(report.findings) == 2


def test_a_label_that_differs_somewhere_is_located() -> None:
    def alter(labels: Tensor) -> Tensor:
        changed = labels.clone()
        changed[1, 2] = 7
        return changed

    (finding,) = check_alignment(Altered(in_cached(labels=alter)), CLIPS).findings
    assert finding == (
        "labels differ at 1 of 10 positions, first row 1, step 2: the loss has 263 and cached "
        "generation is fed 7"
    )


def test_outputs_that_differ_are_located() -> None:
    def alter(outputs: Tensor) -> Tensor:
        changed = outputs.clone()
        changed[0, 3, 5] += 0.25
        return changed

    report = check_alignment(Altered(in_cached(outputs=alter)), CLIPS)
    assert report.findings == (
        "outputs differ by up to 0.25 from cached generation (1e-05 is allowed), first row 0, "
        "step 3",
    )
    assert report.differences["cached"] == pytest.approx(0.25, abs=1e-4)
    assert check_alignment(Altered(in_cached(outputs=alter)), CLIPS, tolerance=0.3).ok


def test_an_output_that_is_no_number_differs() -> None:
    report = check_alignment(Altered(in_cached(outputs=lambda x: x * math.nan)), CLIPS)
    assert "outputs differ by up to inf from cached generation" in report.findings[0]


def test_padding_may_differ() -> None:
    def alter(trace: Trace, path: str) -> Trace:
        outputs = trace.outputs.masked_fill(~trace.mask[..., None], len(path))
        labels = trace.labels.masked_fill(~trace.mask, len(path))
        return Trace(outputs=outputs, labels=labels, mask=trace.mask)

    assert check_alignment(Altered(alter), CLIPS).ok


def test_other_shapes_and_other_positions_are_findings() -> None:
    shorter = in_cached(outputs=lambda x: x[:, :-1], labels=lambda x: x[:, :-1],
                        mask=lambda x: x[:, :-1])  # fmt: skip
    report = check_alignment(Altered(shorter), CLIPS)
    assert (
        "shapes ([2, 6, 282], [2, 6]) in the loss and ([2, 5, 282], [2, 5])" in report.findings[0]
    )
    fewer = in_cached(mask=lambda x: x & (torch.arange(x.shape[1]) > 0))
    report = check_alignment(Altered(fewer), CLIPS)
    assert report.findings == (
        "the loss and cached generation count different positions, first row 0, step 0: True and "
        "False",
    )


def test_a_loss_that_counts_nothing_is_a_finding() -> None:
    nothing = Altered(lambda trace, _: replace(trace, mask=torch.zeros_like(trace.mask)))
    report = check_alignment(nothing, CLIPS)
    assert "the mask of the loss counts no position: nothing would be learnt" in report.findings


def test_regressed_values_are_compared_like_units() -> None:
    def alter(trace: Trace, path: str) -> Trace:
        labels = trace.labels[..., None].float().repeat(1, 1, 3)
        if path == "uncached":
            labels[0, 4, 2] += 1e-3
        return replace(trace, labels=labels)

    finding, unlearnt = check_alignment(Altered(alter), CLIPS).findings
    assert unlearnt.startswith("loss raised")  # the toy's own loss wants units
    assert "first row 0, step 4" in finding
    assert "the loss has [262, 262, 262, ...]" in finding


def test_each_head_must_teach_each_group() -> None:
    report = check_alignment(TwoHeads(weight=1.0), CLIPS)
    assert report.terms == ("total", "codes", "second")
    assert "the loss's second gives 'lm_head' no gradient" in report.findings
    assert "the loss's codes gives 'second' no gradient" in report.findings
    model = TwoHeads(weight=1.0)
    model.network.requires_grad_(False)
    model.network.model.layers[1].self_attn.q_proj.requires_grad_(True)
    report = check_alignment(model, CLIPS)
    assert report.ok
    assert report.groups == ("q_proj",)
    silent = TwoHeads(weight=0.0)
    silent.network.requires_grad_(False)
    silent.network.model.layers[1].self_attn.q_proj.requires_grad_(True)
    assert check_alignment(silent, CLIPS).findings == (
        "the loss's second gives 'q_proj' no gradient",
    )


def test_a_gradient_or_loss_that_is_no_number_is_a_finding() -> None:
    findings = check_alignment(TwoHeads(weight=math.nan), CLIPS).findings
    assert "the loss's second is nan" in findings
    assert "the loss's second gives 'q_proj' a gradient that is not finite" in findings


def test_an_adapter_is_grouped_by_the_modules_that_it_sits_on() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    model = ToySpeech()
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"])
    inject_adapter_in_model(config, model.network)
    report = check_alignment(model, CLIPS)
    assert report.ok, report.findings
    assert set(report.groups) == {"q_proj", "v_proj", "lm_head"}


def test_a_network_without_anything_to_train_is_a_finding() -> None:
    model = ToySpeech()
    model.network.requires_grad_(False)
    assert check_alignment(model, CLIPS).findings == (
        "no parameter of the network is trainable: attach an adapter first",
        "the loss's total depends on no trainable parameter",
    )


def test_what_the_model_raises_becomes_a_finding() -> None:
    def alter(trace: Trace, path: str) -> Trace:
        if path == "uncached":
            raise KeyError("past")
        return trace

    assert check_alignment(Altered(alter), CLIPS).findings == (
        "trace(batch, 'uncached') raised KeyError: 'past'",
    )
    flat = Altered(lambda trace, _: replace(trace, mask=trace.mask.flatten()))
    assert "must begin with [B, T], not [2, 6, 282]" in check_alignment(flat, CLIPS).findings[0]
    (finding,) = check_alignment(ToySpeech(), []).findings
    assert finding.startswith("collate raised")


def test_nothing_is_changed() -> None:
    model = ToySpeech()
    model.network.train()
    model.network.model.norm.eval()
    weight = model.network.lm_head.weight
    weight.grad = torch.ones_like(weight)
    before = torch.get_rng_state()
    check_alignment(model, CLIPS)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.network.training
    assert not model.network.model.norm.training
    assert bool((weight.grad == 1).all())
    assert model.network.model.embed_tokens.weight.grad is None


def test_no_family_is_known_by_name() -> None:
    assert "families" not in inspect.getsource(tts_lora.contract)
