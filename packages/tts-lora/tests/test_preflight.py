"""What a run would take, and runs that are refused before they begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from running import config_of, log_of, trained
from toy import ToySpeech

import tts_lora.preflight as preflight
import tts_lora.setting_up as setting_up
from tts_lora.preflight import PreflightError
from tts_lora.train import plan
from voice_data.encoded import EncodedSet

pytestmark = pytest.mark.usefixtures("one_thread")


def test_clips_beyond_the_context_are_listed(data: str, tmp_path: Path) -> None:
    lengths = {clip.id: clip.length for clip in EncodedSet(data).clips}
    longest = max(lengths, key=lambda name: lengths[name])
    context = lengths[longest] - 1
    config = config_of(data, tmp_path / "run")
    with pytest.raises(
        PreflightError, match=rf"context is {context} steps.*{longest} \({context + 1}\)"
    ):
        plan(config, model=ToySpeech(context=context))
    with pytest.raises(PreflightError, match=rf"batch is {context} steps.*raise batch"):
        plan(config_of(data, tmp_path / "run", batch=context), model=ToySpeech())
    with pytest.raises(PreflightError, match="no clip to use for train"):
        plan(config_of(data, tmp_path / "run", batch=5, drop_long=True), model=ToySpeech())
    found = plan(
        config_of(data, tmp_path / "run", drop_long=True), model=ToySpeech(context=context)
    )
    assert longest in found.left_out
    assert found.clips + found.validation_clips + len(found.left_out) == len(lengths)


def test_a_plan_says_what_a_run_would_take(data: str, tmp_path: Path) -> None:
    model = ToySpeech()
    config = config_of(data, tmp_path / "run", steps=0, epochs=4)
    found = plan(config, model=model)
    assert not (tmp_path / "run").exists()
    assert found.trained == 2 * 4 * 2 * (32 + 32)  # layers, projections, rank, in and out
    total = sum(parameter.numel() for parameter in model.network.parameters())
    assert found.total == total + found.trained
    assert (found.clips, found.validation_clips, found.epochs) == (9, 1, 4)
    result = trained(config, model=model)
    assert result.steps == found.steps
    assert found.memory > 12 * found.trained
    assert any("0.1" not in line and "%" in line for line in found.lines())
    assert json.dumps(found.to_dict())


def test_memory_grows_with_the_batch_and_is_checked(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (
        plan(config_of(data, tmp_path / "run", clips=clips), model=ToySpeech()).memory
        for clips in (1, 8)
    )
    assert large > 3 * small
    monkeypatch.setattr(setting_up, "available_memory", lambda device: small)
    with pytest.raises(PreflightError, match=r"a step needs about .* are free: set at_once to \d+"):
        plan(config_of(data, tmp_path / "run", clips=8), model=ToySpeech())
    assert (
        preflight.available_memory(torch.device("cpu")) is None
        or (preflight.available_memory(torch.device("cpu")) or 0) > 1 << 20
    )


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_on_a_cpu_is_refused(amp: str, data: str, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=rf"amp={amp} on a CPU.* up to 150 times slower"):
        plan(config_of(data, tmp_path / "run", amp=amp), model=ToySpeech())


def test_checkpointing_without_a_part_that_can(data: str, tmp_path: Path) -> None:
    model = ToySpeech()
    model.network.supports_gradient_checkpointing = False
    for module in model.network.modules():
        if hasattr(module, "supports_gradient_checkpointing"):
            module.supports_gradient_checkpointing = False  # type: ignore[assignment]
    with pytest.raises(PreflightError, match="no part of LlamaForCausalLM can: lower batch"):
        plan(config_of(data, tmp_path / "run", checkpointing=True), model=model)


def test_checkpointing_changes_nothing_but_memory(data: str, tmp_path: Path) -> None:
    for name, on in (("plain", False), ("less", True)):
        trained(config_of(data, tmp_path / name, checkpointing=on, steps=3))
    for plain, less in zip(log_of(tmp_path / "plain"), log_of(tmp_path / "less"), strict=True):
        assert less["loss"] == pytest.approx(plain["loss"], abs=1e-6)
    memory = [
        plan(config_of(data, tmp_path / "x", checkpointing=on), model=ToySpeech()).memory
        for on in (True, False)
    ]
    assert memory[0] < 0.7 * memory[1]


def test_another_base_is_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was prepared with 'toy'"):
        plan(config_of(data, tmp_path / "run"), model=ToySpeech(seed=1))


def test_the_base_is_found_by_the_data(data: str, tmp_path: Path, toy_base: str) -> None:
    assert plan(config_of(data, tmp_path / "run")).clips == 9


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("abacus", ValueError, "no tracker 'abacus'; there are .*tensorboard.*wandb"),
        ("clearml", ImportError, "report_to=clearml needs a package: pip install 'clearml'"),
    ],
)
def test_trackers_that_are_not_there(
    name: str, kind: type[Exception], message: str, data: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        plan(config_of(data, tmp_path / "run", report_to=(name,)), model=ToySpeech())
