"""A run that was stopped loses nothing, and does not go on as another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from running import STEPS, assert_same_run, config_of, trained

from tts_lora.checkpoint import STATE, CheckpointError
from tts_lora.config import LoraConfig
from tts_lora.resume import TrainError
from tts_lora.train import Event

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lora": LoraConfig(rank=2, method="dora", dropout=0.1)},
        {"lora": LoraConfig(rank=2, method="rslora"), "loraplus_ratio": 4.0, "accumulation": 2},
        {"lora": LoraConfig(rank=2, method="adalora"), "steps": 12, "save_every": 11},
        {"checkpointing": True, "lora": LoraConfig(rank=2, train_also=("lm_head",))},
    ],
    ids=["lora", "dora", "rslora+", "adalora", "checkpointing"],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    values: dict[str, Any], data: str, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(config_of(data, whole, **values))

    class Stop(Exception):  # noqa: N818
        pass

    def stop(event: Event) -> None:
        if event.kind == "log" and event.step == stops[0]:
            stops.pop(0)
            raise Stop

    steps = values.get("steps", STEPS)
    stops = [1, 3, steps] if steps == STEPS else [5, steps]
    while stops:
        torch.manual_seed(len(stops))  # what was drawn before does not matter
        with pytest.raises(Stop):
            trained(config_of(data, parts, **values), on_event=stop)
    trained(config_of(data, parts, **values))
    assert_same_run(whole, parts)


def test_killed_at_random_moments_equals_uninterrupted(data: str, tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    config = config_of(data, tmp_path / "run", steps=20, save_every=2)
    settings = tmp_path / "config.json"
    settings.write_text(json.dumps(asdict(config)), "utf-8")
    script = os.fspath(Path(__file__).with_name("training.py"))
    done = subprocess.run(
        [sys.executable, script, "kill", settings, "0", "4"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("killed True") >= 2  # the others had finished just before
    assert_same_run(tmp_path / "run-whole", tmp_path / "run")
    left = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert left == {"step-000016", "step-000018", "step-000020"}


def test_a_finished_run_is_returned(data: str, tmp_path: Path) -> None:
    config = config_of(data, tmp_path / "run")
    first = trained(config)
    before = (first.checkpoints[-1] / STATE).stat().st_mtime_ns
    assert trained(config) == first
    assert (first.checkpoints[-1] / STATE).stat().st_mtime_ns == before
    with pytest.raises(TrainError, match="holds a run: choose another folder, or resume it"):
        trained(config, resume=False)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"lora": LoraConfig(rank=3)}, r"lora.rank \d, not 3"),
        ({"clips": 2}, "clips 3, not 2"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"accumulation": 2}, "accumulation x processes 1, not 2"),
    ],
)
def test_other_settings_do_not_resume(
    values: dict[str, Any], named: str, data: str, tmp_path: Path
) -> None:
    trained(config_of(data, tmp_path / "run", steps=2))
    with pytest.raises(TrainError, match=rf"was made with {named}.* choose another folder"):
        trained(config_of(data, tmp_path / "run", **values))


def test_a_damaged_checkpoint_is_named(data: str, tmp_path: Path) -> None:
    result = trained(config_of(data, tmp_path / "run", steps=2))
    path = result.checkpoints[-1] / STATE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"step-000002.* cannot be read .* from an older one"):
        trained(config_of(data, tmp_path / "run"))
