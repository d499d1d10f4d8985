"""Every stage trains on another device: nothing is left behind on the CPU, nothing is different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from elsewhere import AWAY, Elsewhere, MixedDevicesError, There
from judges import small_judges as replace_judges
from torch import Tensor

from jepa_tts import device as module
from jepa_tts import drift, frames
from jepa_tts.checkpoint import load_model
from jepa_tts.corpus import Corpus
from jepa_tts.device import normal, open_device
from jepa_tts.frames import Frames
from jepa_tts.model import JepaModel, Plan
from jepa_tts.stages import decode, make_stage, predict
from jepa_tts.train import TrainConfig, optimise, show, train, validate

CASES: dict[str, dict[str, Any]] = {
    "pronounce": {},
    "autoencode": {},
    "autoencode-sigreg": {"regulariser": "sigreg"},
    "predict": {"feedback": 0.5},
    "predict-language": {"language": "xx", "rank": 2},
    "decode": {},
    "vocode": {},
    "vocode-adversarial": {"adversarial": True},
    "shrink": {"layers": 1},
}
BATCH = {
    "pronounce": 60, "autoencode": 384, "predict": 90, "decode": 90, "vocode": 128, "shrink": 192,
}  # fmt: skip


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """The pretended device; it draws the same noise as the CPU, and holds the cache's files."""

    def drawn(shape: Any, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(tuple(shape), generator=generator).to(device)

    def two_frames(network: JepaModel, plan: Plan, count: int) -> Tensor:
        """Free running frame by frame takes long, and every frame is the same to a device."""
        return drift.free_run(network, plan, 2).repeat(1, count, 1)[:, :count]

    monkeypatch.setattr(module, "_drawn_there", drawn)
    monkeypatch.setattr(frames, "_room", lambda device: 1e9 if device == AWAY else 0.0)
    for stage in (predict, decode):
        monkeypatch.setattr(stage, "free_run", two_frames)
    return AWAY


def settings(case: str, folders: dict[str, Path], out: Path, **values: Any) -> TrainConfig:
    stage = case.partition("-")[0]
    base: dict[str, Any] = {
        "stage": stage,
        "cache": str(folders["cache"]),
        "out": str(out),
        "size": "tiny",
        "start": "" if stage == "pronounce" else str(folders["start"]),
        "vocoder": str(folders["vocoder"]),
        "batch": BATCH[stage],
        "warm_up": 0,
        "threads": 1,
    }
    return TrainConfig(**(base | CASES[case] | values))


@pytest.fixture
def small_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    from jepa_tts.stages import adversary

    monkeypatch.setattr(adversary.Judges, "__init__", adversary.Judges.__init__)  # put back later
    replace_judges()


@pytest.fixture
def folders(training_cache: Path, start: Path, tiny_vocoder: Path) -> dict[str, Path]:
    return {"cache": training_cache, "start": start, "vocoder": tiny_vocoder}


def losses(config: TrainConfig, steps: int = 2) -> list[float]:
    """Totals of a few steps, then the held-out figures."""
    stage = make_stage(config)
    parameters = stage.trained()
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    stage.network.train()
    found = []
    for batch in stage.epoch(0, 0)[:steps]:
        loss = optimise(stage, batch, optimizer, parameters, generator, config, 9_000)
        found.append(float(loss.total.detach()))
    media = show(stage)
    assert all(shown.size for shown in (*media.pictures.values(), *media.sounds.values()))
    return [*found, *validate(stage).values()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_every_stage_trains_elsewhere_as_on_the_cpu(
    case: str, folders: dict[str, Path], away: torch.device, small_judges: None, tmp_path: Path
) -> None:
    with Elsewhere():
        there = losses(settings(case, folders, tmp_path, device=str(away)))
    here = losses(settings(case, folders, tmp_path, device="cpu"))
    assert there == pytest.approx(here, rel=2e-3, abs=1e-4, nan_ok=True)


def test_what_is_left_behind_is_refused(away: torch.device) -> None:
    """The pretended device is as strict as a real one."""
    with Elsewhere():
        held = torch.ones(3).to(away)
        assert isinstance(held, There)
        assert held.device == away
        assert float((held + 1).sum()) == 6.0
        for mixed in (lambda: held + torch.ones(3), lambda: torch.cat((held, torch.ones(3)))):
            with pytest.raises(MixedDevicesError):
                mixed()
        with pytest.raises((RuntimeError, TypeError, NotImplementedError)):
            held.numpy()


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # it does copy here
def test_a_run_goes_on_on_another_device(
    folders: dict[str, Path],
    away: torch.device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = torch.optim.AdamW  # which fuses on real devices alone
    monkeypatch.setattr(torch.optim, "AdamW", lambda *a, **k: plain(*a, **(k | {"fused": False})))
    for device, steps in (("cpu", 1), (str(away), 2), ("cpu", 3)):
        config = settings("predict", folders, tmp_path, device=device, steps=steps, log_every=1)
        with Elsewhere():
            train(config, progress=False)
    ended, begun = (load_model(x).predictor for x in (tmp_path / "model", folders["start"]))
    assert not torch.equal(ended.latent_out.weight, begun.latent_out.weight)
    assert (tmp_path / "log.jsonl").read_text("utf-8").count('"train"') == 3


def test_batches_are_the_same_in_memory_and_memory_mapped(
    training_cache: Path, away: torch.device
) -> None:
    mapped, rows = Corpus(training_cache), list(range(5))
    with Elsewhere():
        there = Corpus(training_cache, device=away).text_audio(rows, ())
    for ours, theirs in zip(mapped.text_audio(rows, ()), there, strict=True):
        assert isinstance(theirs, There)
        assert torch.equal(ours, theirs.held)
    spans = [(0, 3), (7, 9)]
    got = Frames(mapped.mel, torch.device("cpu")).padded(spans, length=12, fill=-2.0)
    assert got.shape == (2, 12, 100)
    assert torch.equal(got[1, :9], torch.from_numpy(mapped.mel[7:16].astype("float32")))
    assert bool((got[0, 3:] == -2.0).all())


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert open_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert open_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert open_device("auto") == open_device("cpu") == torch.device("cpu")


def test_unknown_device(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"device must be auto or a device of torch .* not 'gpu'"):
        train(settings("predict", folders, tmp_path, device="gpu"), progress=False)


def test_missing_device() -> None:
    with pytest.raises(ValueError, match=r"device 'cuda:77' is not there \(.*\): use auto or cpu"):
        open_device("cuda:77")


def test_noise_is_decided_by_the_generator() -> None:
    cpu, shape = torch.device("cpu"), (5, 16)
    made = normal(shape, torch.Generator().manual_seed(3), cpu)
    assert torch.equal(made, torch.randn(shape, generator=torch.Generator().manual_seed(3)))
    first, again, other = (
        module._drawn_there(shape, torch.Generator().manual_seed(seed), cpu) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_half_precision_changes_a_loss_by_little(
    case: str, folders: dict[str, Path], small_judges: None, tmp_path: Path
) -> None:
    plain, less = (
        losses(settings(case, folders, tmp_path, device="cpu", amp=amp), steps=1)[0]
        for amp in (False, True)
    )
    assert less == pytest.approx(plain, rel=0.05)
    assert less != plain
