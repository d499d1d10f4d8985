"""Training: it learns, stops when it must, and loses nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy import ToySpeech, write_corpus

import tts_lora.preflight as preflight
import tts_lora.setting_up as setting_up
from tts_lora.adapter import detach, disabled, load
from tts_lora.checkpoint import STATE, CheckpointError, read_state
from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.descent import NotFiniteError, learning_rate, make_optimizer
from tts_lora.preflight import PreflightError
from tts_lora.resume import TrainError
from tts_lora.train import Event, Trained, plan, train
from voice_data.encoded import EncodedSet, PrepareConfig, SourceConfig, prepare
from voice_data.speech import Loss

STEPS = 6
# PEFT asks transformers 5 by the name that transformers 4 had
_PEFT_WARNS = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Nine clips for training and one held out, of one speaker."""
    root = tmp_path_factory.mktemp("data")
    source = SourceConfig(folder=os.fspath(write_corpus(root / "ann", 10)), licence="CC0-1.0")
    out = root / "set"
    prepare(PrepareConfig(sources=(source,), base="toy", out=os.fspath(out)), model=ToySpeech())
    return os.fspath(out)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    return [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]


def assert_same_run(first: Path, second: Path) -> None:
    one, other = states(first), states(second)
    assert sorted(one) == sorted(other)
    assert all(torch.equal(other[name], value) for name, value in one.items())
    assert log_of(first) == log_of(second)
    name = "adapter_model.safetensors"
    assert (first / name).read_bytes() == (second / name).read_bytes()


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
        ({"lora": LoraConfig(rank=3)}, "lora"),
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
    ids = {clip.id for clip in EncodedSet(data).clips}
    assert info.value.step == 3
    assert set(info.value.clips) <= ids
    assert len(info.value.clips) == 3
    assert all(value.isfinite().all() for value in states(out).values())
    assert read_state(out / "checkpoints" / "step-000002").values["progress"]["step"] == 2
    trained(config)  # by a model that does not break
    trained(config_of(data, tmp_path / "whole", save_every=5))
    assert_same_run(tmp_path / "whole", out)


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
    with pytest.raises(PreflightError, match=r"a step needs about .* are free: lower batch to \d+"):
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


def test_a_preview_that_fails_does_not_end_the_run(
    data: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(ToySpeech):
        def speak(self, *arguments: Any, **options: Any) -> Any:
            raise RuntimeError("no voice today")

    trained(config_of(data, tmp_path / "run", steps=2, sentences=("Hi.",)), model=Silent())
    assert "'Hi.' cannot be spoken now: no voice today" in caplog.text


def test_the_rate_warms_up_then_follows_a_cosine() -> None:
    config = TrainConfig(data="d", out="o", learning_rate=0.01, warm_up=0.1)
    rates = [learning_rate(config, step, 1000) for step in range(1100)]
    assert rates[:100] == pytest.approx([0.0001 * (k + 1) for k in range(100)])
    assert max(rates) == rates[100] == pytest.approx(0.01)
    assert rates[550] == pytest.approx(0.01 * 1.05 / 2)
    assert rates[1000:] == pytest.approx([0.0005] * 100)


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


def test_adalora_ends_as_a_plain_lora(data: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(config_of(data, out, steps=20, lora=LoraConfig(rank=2, method="adalora")))
    settings = json.loads((out / "adapter_config.json").read_text("utf-8"))
    assert settings["peft_type"] == "LORA"
    state = read_state(max(out.glob("checkpoints/step-*"))).values
    ranks = [sum(kept) for kept in state["rank_pattern"].values()]
    assert sum(ranks) == 2 * len(ranks)  # the budget
