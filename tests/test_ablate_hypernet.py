"""The runs of the ablation differ in one thing each, and begin alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ablate_hypernet import runs, table

from voice_hypernet.checkpoint import Hypernet, load_hypernet, save_hypernet
from voice_hypernet.config import HypernetConfig, VoiceConfig
from voice_hypernet.network import VoiceNetwork
from voice_hypernet.targets import Group


@pytest.fixture
def start(tmp_path: Path) -> str:
    """A toy's folder, no weight of which is zero."""
    shape = HypernetConfig(condition=8, width=8, inner=8, blocks=1)
    config = VoiceConfig(hypernet=shape, text=4, clip=4)
    groups = (Group(kind="q", names=("0.q",), inputs=4, outputs=4),)
    network = VoiceNetwork(config, groups, {"voice": torch.ones(3)})
    for value in network.parameters():
        value.data += torch.randn_like(value)
    save_hypernet(tmp_path / "start", Hypernet(network=network, base="jepa-tts",
                                               base_sha256="0" * 64, sample_rate=8))  # fmt: skip
    return str(tmp_path / "start")


def test_the_runs_differ_in_one_thing(start: str, tmp_path: Path) -> None:
    options = {"data": "d", "voices": "v", "base": "jepa-tts", "batch": 9, "phrases": 2, "seed": 0,
               "threads": 1}  # fmt: skip
    found = runs(tmp_path / "out", start=start, steps=4, **options)
    assert list(found) == [
        "fusion concat", "fusion add", "fusion cross-attention", "en alone", "ko alone",
    ]  # fmt: skip
    whole = found["fusion concat"]
    assert found["ko alone"] == replace(
        whole, languages=("ko",), out=found["ko alone"].out, start=found["ko alone"].start
    )
    trained = load_hypernet(start).network.state_dict()
    for name, config in found.items():
        begun = load_hypernet(config.start).network
        assert (
            begun.config.fusion
            == config.model.fusion
            == (name.removeprefix("fusion ") if name.startswith("fusion") else "concat")
        )
        state = begun.state_dict()
        same = {key: torch.equal(value, trained[key]) for key, value in state.items()
                if key in trained}  # fmt: skip
        assert all(value for key, value in same.items() if not key.startswith("conditioner"))
        assert not same["conditioner.text.0.weight"]
    first, other = (load_hypernet(found[name].start).network.state_dict()
                    for name in ("fusion concat", "fusion add"))  # fmt: skip
    assert torch.equal(first["conditioner.text.0.weight"], other["conditioner.text.0.weight"])


def test_the_table_has_a_line_for_each_run() -> None:
    text = table({"a": {"clip": 0.3, "heard en": 0.5}, "b": {"clip": 0.25, "heard en": 1.0}})
    assert text.splitlines() == [
        "| run | clip | heard en |", "|---|---|---|",
        "| a | 0.3000 | 50.0% |", "| b | 0.2500 | 100.0% |",
    ]  # fmt: skip
