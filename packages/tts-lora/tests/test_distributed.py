"""Two processes on the CPU train as one does, at the same clips per step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy import ToySpeech, write_corpus

from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.train import train
from voice_data.encoded import PrepareConfig, SourceConfig, prepare

SCRIPT = Path(__file__).with_name("training.py")
_NO_NETWORK = ("Gloo connectFullMesh", "EADDRNOTAVAIL", "Address family not supported", "bind(")


def launch(processes: int, arguments: Sequence[str | os.PathLike[str]]) -> None:
    """Run the script with torchrun; skip where this machine has no network of its own."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [sys.executable, *run, SCRIPT, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode and any(sign in done.stderr for sign in _NO_NETWORK):
        pytest.skip(f"gloo cannot bind on this machine: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]


def test_two_processes_are_as_one(tmp_path: Path) -> None:
    source = SourceConfig(folder=os.fspath(write_corpus(tmp_path / "ann", 12)))
    data = os.fspath(tmp_path / "set")
    prepare(PrepareConfig(sources=(source,), base="toy", out=data), model=ToySpeech())
    lora = LoraConfig(rank=2, alpha=4.0, dropout=0.1)  # the dropout, too, must be the same

    def settings(name: str, accumulation: int) -> TrainConfig:
        # 11 clips make 4 passes: the groups of two are uneven, and so are the passes
        return TrainConfig(
            data=data, out=os.fspath(tmp_path / name), lora=lora, epochs=5, clips=3, log_every=1,
            learning_rate=1e-2, accumulation=accumulation, report_to=(), device="cpu",
        )  # fmt: skip

    pair = settings("two", 1)
    file = tmp_path / "two.json"
    file.write_text(json.dumps(asdict(pair)), "utf-8")
    launch(2, ["train", file])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(settings("one", 2), model=ToySpeech())
    torch.set_num_threads(threads)
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert [(each["step"], each["part"]) for each in one] == [
        (each["step"], each["part"]) for each in two
    ]
    assert len(one) >= 10
    for mine, theirs in zip(one, two, strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=1e-4)
    name = "adapter_model.safetensors"
    weights = load_file(tmp_path / "two" / name)
    for key, value in load_file(tmp_path / "one" / name).items():
        torch.testing.assert_close(weights[key], value, atol=1e-4, rtol=0)
    losses = [each["loss"] for each in one if each["part"] == "train"]
    assert losses[-1] < losses[0]
