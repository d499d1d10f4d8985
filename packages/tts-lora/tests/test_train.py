"""Training: it learns, and it says and keeps what it did."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from running import _PEFT_WARNS, config_of, log_of, states, trained
from toy import ToySpeech

from tts_lora.adapter import detach, disabled, load
from tts_lora.checkpoint import read_state
from tts_lora.config import LoraConfig
from tts_lora.train import Event
from voice_data.encoded import EncodedSet

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_learns_and_is_an_adapter_folder(data: str, tmp_path: Path) -> None:
    events: list[Event] = []
    model = ToySpeech()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    out = tmp_path / "run"
    lora = LoraConfig(rank=4, alpha=8.0, targets=("v_proj", "lm_head"))
    config = config_of(data, out, steps=40, save_every=20, learning_rate=3e-2, lora=lora)
    result = trained(config, model=model, on_event=events.append)
    after = model.network.state_dict()
    assert sorted(after) == sorted(before)  # the adapter is off again
    assert all(torch.equal(after[name], value) for name, value in before.items())
    losses = [each["loss"] for each in log_of(out) if each["part"] == "train"]
    assert len(losses) == 40
    assert losses[-1] < losses[0] - 1.0
    assert result.loss == losses[-1]
    assert [path.name for path in result.checkpoints] == ["step-000020", "step-000040"]
    assert [each.step for each in events if each.kind == "checkpoint"] == [20, 40]
    assert events[0].figures["loss"] == losses[0]
    for folder in (result.folder, *result.checkpoints):
        load(model, folder, folder.name)
        detach(model, folder.name)
    adapter = load(model, out)
    card = adapter.card
    assert (card.base, card.provenance.licence) == ("toy", "CC0-1.0")
    assert card.provenance.data_manifest_sha256 == EncodedSet(data).index.manifest_sha256
    assert card.metrics["validation_loss"] == result.validation
    assert adapter.condition is not None
    with torch.no_grad():
        set_ = EncodedSet(data)
        (held,) = set_.of_split("validation")
        batch = model.collate([set_[held]], [adapter.condition])
        assert float(model.loss(batch).total) == pytest.approx(result.validation, abs=1e-5)
        with disabled(model):
            assert float(model.loss(batch).total) != pytest.approx(result.validation, abs=1e-3)


@_PEFT_WARNS
def test_the_folder_loads_in_plain_peft(data: str, tmp_path: Path) -> None:
    from peft import PeftModel

    out = tmp_path / "run"
    trained(config_of(data, out))
    mine, theirs = ToySpeech(), ToySpeech()
    load(mine, out)
    wrapped = PeftModel.from_pretrained(theirs.network, out)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(mine.network(ids).logits, wrapped(input_ids=ids).logits)


def test_the_caller_keeps_its_random_numbers(data: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(config_of(data, tmp_path / "run", steps=1))
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_is_another_run(data: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        trained(config_of(data, tmp_path / str(seed), steps=1, seed=seed))
    one, other = states(tmp_path / "0"), states(tmp_path / "1")
    assert any(not torch.equal(other[name], value) for name, value in one.items())


def test_tensorboard_shows_scalars_sounds_and_mels(data: str, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    config = config_of(data, out, steps=2, sentences=("Hello there.",), report_to=("tensorboard",))
    trained(config)
    events = EventAccumulator(os.fspath(out / "events" / "run"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/norm", "train/rate", "validation/loss"} <= set(tags["scalars"])
    assert tags["audio"] == ["spoken/0"]
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2]


def test_a_preview_that_fails_does_not_end_the_run(
    data: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(ToySpeech):
        def speak(self, *arguments: Any, **options: Any) -> Any:
            raise RuntimeError("no voice today")

    trained(config_of(data, tmp_path / "run", steps=2, sentences=("Hi.",)), model=Silent())
    assert "'Hi.' cannot be spoken now: no voice today" in caplog.text


def test_adalora_ends_as_a_plain_lora(data: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(config_of(data, out, steps=20, lora=LoraConfig(rank=2, method="adalora")))
    settings = json.loads((out / "adapter_config.json").read_text("utf-8"))
    assert settings["peft_type"] == "LORA"
    state = read_state(max(out.glob("checkpoints/step-*"))).values
    ranks = [sum(kept) for kept in state["rank_pattern"].values()]
    assert sum(ranks) == 2 * len(ranks)  # the budget
