"""Small runs of the toy, and what they leave behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy import ToySpeech

from tts_lora.checkpoint import STATE
from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.train import Trained, train

STEPS = 6

# PEFT asks transformers 5 by the name that transformers 4 had
_PEFT_WARNS = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")


def config_of(data: str, out: Path, **values: Any) -> TrainConfig:
    base: dict[str, Any] = {
        "data": data,
        "out": os.fspath(out),
        "steps": STEPS,
        "clips": 3,
        "save_every": 2,
        "log_every": 1,
        "learning_rate": 3e-3,
        "lora": LoraConfig(rank=2, alpha=4.0, dropout=0.1),
        "report_to": (),
        "device": "cpu",
    }
    return TrainConfig(**(base | values))


def trained(config: TrainConfig, **options: Any) -> Trained:
    return train(config, model=options.pop("model", None) or ToySpeech(), **options)


def states(out: Path) -> dict[str, torch.Tensor]:
    folder = max(out.glob("checkpoints/step-*"))
    return {**load_file(folder / STATE), **load_file(folder / "adapter_model.safetensors")}


def log_of(out: Path) -> list[dict[str, Any]]:
    """The lines of the log, without the time at which they were written."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "time"} for line in lines]


def assert_same_run(first: Path, second: Path) -> None:
    one, other = states(first), states(second)
    assert sorted(one) == sorted(other)
    assert all(torch.equal(other[name], value) for name, value in one.items())
    assert log_of(first) == log_of(second)
    name = "adapter_model.safetensors"
    assert (first / name).read_bytes() == (second / name).read_bytes()
