"""The training loop: exact resume after a kill, equal runs, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from judges import small_judges
from safetensors.torch import load_file
from torch import Tensor

from jepa_tts import train as training
from jepa_tts.stages import make_stage
from jepa_tts.stages.stage import Loss
from jepa_tts.train import TrainConfig, train
from voice_data.mel import log_mel

STAGES = ("pronounce", "autoencode", "predict", "decode", "vocode", "adversarial")
BATCH = {"pronounce": 60, "autoencode": 384, "predict": 90, "decode": 90}
STEPS, SAVED, KILLED = 5, 2, 4


def settings(stage: str, folders: dict[str, str], out: Path, **values: Any) -> TrainConfig:
    """A few steps of a tiny model; ``adversarial`` is ``vocode`` with judges."""
    base: dict[str, Any] = {
        "stage": stage.replace("adversarial", "vocode"),
        "cache": folders["cache"],
        "out": str(out),
        "size": "tiny",
        "start": "" if stage == "pronounce" else folders["start"],
        "vocoder": folders["vocoder"],
        "adversarial": stage == "adversarial",
        "batch": BATCH.get(stage, 128),
        "steps": STEPS,
        "warm_up": 2,
        "threads": 1,
    }
    every = {"log_every": 1, "save_every": SAVED, "validate_every": 3, "media_every": 3}
    return TrainConfig(**(base | every | values))


def die_in_training(config: TrainConfig) -> None:
    """Train, and kill this process hard in the middle of a step, after the last save."""
    plain, calls = training.optimise, []

    def dying(*arguments: Any) -> Loss:
        calls.append(1)
        if len(calls) == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*arguments)

    training.optimise = dying
    train(config, progress=False)


def main(folders: dict[str, str], out: Path) -> None:
    """Fork a process per stage, each of which dies; this one only watches."""
    torch.set_num_threads(1)
    small_judges()
    for slow in ("PIL.Image", "torch._dynamo", "torch.utils.tensorboard", "vocos.discriminators"):
        import_module(slow)  # once here instead of once in every child
    log_mel(torch.zeros(1, 1024))
    for stage in STAGES:
        child = os.fork()
        if not child:
            die_in_training(settings(stage, folders, out / stage))
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            raise SystemExit(f"{stage} ended with {status} instead of being killed")


@pytest.fixture(scope="module")
def folders(training_cache: Path, start: Path, tiny_vocoder: Path) -> dict[str, str]:
    return {"cache": str(training_cache), "start": str(start), "vocoder": str(tiny_vocoder)}


@pytest.fixture(scope="module")
def killed(folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all stages that were killed with -9 between two saves."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    out = tmp_path_factory.mktemp("killed")
    command = [sys.executable, __file__, json.dumps(folders), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(autouse=True)
def _judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from jepa_tts.stages import adversary

    plain, threads = adversary.Judges.__init__, torch.get_num_threads()
    small_judges()
    yield
    monkeypatch.setattr(adversary.Judges, "__init__", plain)
    torch.set_num_threads(threads)


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "state.safetensors")


@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_resumed_equals_uninterrupted(
    stage: str, folders: dict[str, str], killed: Path, tmp_path: Path
) -> None:
    assert int(weights(killed / stage)["step"]) == SAVED
    train(settings(stage, folders, killed / stage), progress=False)
    train(settings(stage, folders, tmp_path), progress=False)
    resumed, whole = weights(killed / stage), weights(tmp_path)
    assert sorted(resumed) == sorted(whole)
    assert int(whole["step"]) == STEPS
    assert any(name.startswith("optimizer.") for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name
    for folder in (killed / stage, tmp_path):
        assert (folder / "model").resolve().name in ("model-0", "model-1")
    model = load_file(tmp_path / "model" / "model.safetensors")
    again = load_file(killed / stage / "model" / "model.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in model.items())


def test_two_runs_agree_and_another_seed_does_not(folders: dict[str, str], tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(len(runs))  # what happened before must not matter
        train(settings("predict", folders, tmp_path / name, steps=2, seed=seed), progress=False)
        runs.append(weights(tmp_path / name))
    assert all(torch.equal(runs[0][name], tensor) for name, tensor in runs[1].items())
    assert any(not torch.equal(runs[0][name], tensor) for name, tensor in runs[2].items())


def test_a_run_is_a_folder(folders: dict[str, str], tmp_path: Path) -> None:
    config = settings("autoencode", folders, tmp_path, steps=4)
    figures = train(config, progress=False)
    described = json.loads((tmp_path / "train.json").read_text("utf-8"))
    assert TrainConfig(**described) == config
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert [x["step"] for x in lines if x["part"] == "train"] == [1, 2, 3, 4]
    assert [x["step"] for x in lines if x["part"] == "validation"] == [3, 4]
    last = lines[-1]
    assert {name: last[name] for name in figures} == pytest.approx(figures, abs=1e-5)
    assert list((tmp_path / "events").iterdir())
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}


def test_tensorboard_shows_figures_and_pictures(folders: dict[str, str], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(settings("vocode", folders, tmp_path, steps=2), progress=False)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert "train/stft" in events.Tags()["scalars"]
    assert "validation/mel" in events.Tags()["scalars"]
    assert "vocoded/0" in events.Tags()["audio"]


def test_the_two_model_folders_take_turns(folders: dict[str, str], tmp_path: Path) -> None:
    seen = []
    for steps in (1, 2, 3):
        train(settings("predict", folders, tmp_path, steps=steps, save_every=1), progress=False)
        seen.append((tmp_path / "model").resolve().name)
    assert seen == ["model-0", "model-1", "model-0"]


def test_a_finished_run_is_not_trained_further(folders: dict[str, str], tmp_path: Path) -> None:
    config = settings("predict", folders, tmp_path, steps=2)
    first = train(config, progress=False)
    before = (tmp_path / "state.safetensors").read_bytes()
    assert train(config, progress=False) == pytest.approx(first)
    assert (tmp_path / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_is_refused(
    where: str, folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings("pronounce", folders, tmp_path, steps=4)
    plain, kept = training.make_stage, {}

    class Broken:
        def __init__(self) -> None:
            self.stage = plain(config)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stage, name)

        def loss(self, batch: Any, progress: float, generator: torch.Generator) -> Loss:
            loss = self.stage.loss(batch, progress, generator)
            if progress < 0.7:
                return loss
            head = self.stage.network.text_encoder.phoneme_head.bias
            kept["head"], kept["before"] = head, head.detach().clone()
            if where == "loss":
                return Loss(loss.total * float("inf"), loss.parts)
            return Loss(loss.total + ((head - head.detach()).abs().sum()).sqrt(), loss.parts)

    monkeypatch.setattr(training, "make_stage", lambda _: Broken())
    with pytest.raises(FloatingPointError, match=rf"the {where}.* at step 3: lower learning_rate"):
        train(config, progress=False)
    assert torch.equal(kept["head"], kept["before"])
    assert int(weights(tmp_path)["step"]) == 2


def test_batches_continue_across_epochs(folders: dict[str, str], tmp_path: Path) -> None:
    stage = make_stage(settings("predict", folders, tmp_path))
    plan = [batch for epoch in range(4) for batch in stage.epoch(0, epoch)]
    for step in range(len(plan)):
        follow = training.batches(stage, 0, step)
        assert next(follow) == plan[step]


def test_minutes_end_a_run_that_the_same_command_goes_on_with(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step lasts 30 s here, so after two of them there is no room for a third and for saving."""
    config = settings("predict", folders, tmp_path / "sliced", save_every=100, minutes=1.8)
    steps = []
    for _ in range(3):
        seconds = iter(range(0, 10_000, 10))  # three looks at the watch a step
        watch = SimpleNamespace(perf_counter=lambda seconds=seconds: float(next(seconds)))
        monkeypatch.setattr(training, "time", watch)
        train(config, progress=False)
        steps.append(int(weights(tmp_path / "sliced")["step"]))
    assert steps == [2, 4, STEPS]
    train(settings("predict", folders, tmp_path / "whole", save_every=100), progress=False)
    sliced, whole = weights(tmp_path / "sliced"), weights(tmp_path / "whole")
    assert all(torch.equal(sliced[name], tensor) for name, tensor in whole.items())


def test_too_few_rows_for_a_batch(folders: dict[str, str], tmp_path: Path) -> None:
    config = settings("autoencode", folders, tmp_path, batch=1_000_000)
    with pytest.raises(ValueError, match="too few training rows for one batch: add recordings"):
        train(config, progress=False)


def test_no_validation_rows(folders: dict[str, str], tmp_path: Path) -> None:
    source, cache = Path(folders["cache"]), tmp_path / "cache"
    cache.mkdir()
    for path in source.iterdir():
        (cache / path.name).write_bytes(path.read_bytes())
    text = (source / "rows.jsonl").read_text("utf-8").replace('"validation"', '"train"')
    (cache / "rows.jsonl").write_text(text, "utf-8")
    for stage in STAGES:
        config = settings(stage, folders | {"cache": str(cache)}, tmp_path / "out")
        with pytest.raises(ValueError, match=r"has no validation rows that .* can use"):
            train(config, progress=False)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
