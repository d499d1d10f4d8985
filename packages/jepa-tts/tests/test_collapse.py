"""What is said of the spread of embeddings, and that a guarded run ends while its state is good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from jepa_tts.collapse import CollapseError, refuse_collapse, spread
from jepa_tts.stages import make_stage
from jepa_tts.train import train, validate
from jepa_tts.train_config import TrainConfig

KEYS = {"rank", "variance_min", "variance_median", "normality"}


@pytest.fixture
def settings(training_cache: Path, start: Path, tmp_path: Path) -> dict[str, Any]:
    every = {"log_every": 1, "save_every": 2, "validate_every": 3, "media_every": 9}
    return every | {
        "stage": "autoencode", "cache": str(training_cache), "start": str(start), "size": "tiny",
        "out": str(tmp_path / "run"), "batch": 384, "steps": 6, "warm_up": 4, "threads": 1,
    }  # fmt: skip


def effective(latents: np.ndarray) -> float:
    """The effective rank, from the singular values themselves."""
    sizes = np.linalg.svd(latents - latents.mean(0), compute_uv=False)
    shares = sizes / sizes.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def test_rank_and_variances_are_numpys() -> None:
    latents = torch.randn(200, 5, dtype=torch.float64) @ torch.randn(5, 5, dtype=torch.float64)
    found = spread(latents)
    variances = latents.numpy().var(0, ddof=1)
    assert found["rank"] == pytest.approx(effective(latents.numpy()) / 5, rel=1e-4)
    assert found["variance_min"] == pytest.approx(variances.min(), rel=1e-5)
    assert found["variance_median"] == pytest.approx(np.median(variances), rel=1e-5)


def test_a_gaussian_is_full_and_normal_and_a_line_or_a_point_is_not() -> None:
    cloud = torch.randn(4_000, 8)
    full = spread(cloud)
    assert full["rank"] > 0.99
    assert full["normality"] < 0.002
    line = spread(cloud[:, :1] * torch.ones(8))
    assert line["rank"] == pytest.approx(1 / 8, abs=0.01)
    assert line["normality"] > 20 * full["normality"]
    point = spread(torch.ones(10, 8))
    assert (point["rank"], point["variance_min"], point["variance_median"]) == (0.0, 0.0, 0.0)
    at_zero = spread(torch.zeros(10, 8))["normality"]
    assert at_zero == pytest.approx(0.41, abs=0.01)  # as the docstring says


@pytest.mark.parametrize("regulariser", ["kl", "sigreg"])
def test_a_run_records_the_spread(regulariser: Any, settings: dict[str, Any]) -> None:
    train(TrainConfig(**settings, regulariser=regulariser, collapse_guard=True), progress=False)
    path = Path(settings["out"]) / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for part in ("train", "validation"):
        assert all(set(line) >= KEYS for line in lines if line["part"] == part)
    assert all(({"kl", "sigreg"} & set(line)) == {regulariser} for line in lines[:2])


def test_predictions_are_watched_too(settings: dict[str, Any]) -> None:
    stage = make_stage(TrainConfig(**settings | {"stage": "predict", "batch": 90}))
    figures = validate(stage)
    assert set(figures) >= {f"{kind}_{key}" for kind in ("true", "forced", "free") for key in KEYS}
    loss = stage.loss(stage.epoch(0, 0)[0], 0.0, torch.Generator().manual_seed(0))
    assert set(loss.parts) >= KEYS


def test_sigreg_reads_the_means_and_leaves_the_pitch_alone(settings: dict[str, Any]) -> None:
    from jepa_tts.audio_encoder import PITCH_DIMENSIONS, Gaussian
    from jepa_tts.sigreg import sigreg
    from jepa_tts.stages.autoencode import Autoencode

    stage = Autoencode(TrainConfig(**settings, regulariser="sigreg"))
    width = stage.network.config.latent
    gaussian = Gaussian(torch.randn(2, 9, width), torch.zeros(2, 9, width))
    decoded, found = stage._regularised(gaussian, torch.Generator().manual_seed(3))
    assert decoded is gaussian.mean
    rest = gaussian.mean[..., PITCH_DIMENSIONS:].reshape(18, -1)
    assert float(found) == float(sigreg(rest, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"least_rank": 1.0}, r"rank is 0\.\d+ at step 5, under least_rank \(1\)"),
        ({"least_variance": 1e6}, r"variance_median is [\d.]+ at step 5, under least_variance"),
    ],
)
def test_a_guarded_run_ends_and_can_be_resumed(
    values: dict[str, Any], message: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(CollapseError, match=message) as caught:
        train(TrainConfig(**settings, **values, collapse_guard=True), progress=False)
    assert "raise the weight of the regulariser (kl)" in str(caught.value)
    out = Path(settings["out"])
    state = load_file(out / "state.safetensors")
    assert int(state["step"]) == 4  # warm_up: until then nobody looks
    assert (out / "model" / "model.safetensors").is_file()
    train(TrainConfig(**settings, **values), progress=False)  # without the guard it goes on
    assert int(load_file(out / "state.safetensors")["step"]) == 6


def test_stages_without_embeddings_are_let_be(settings: dict[str, Any]) -> None:
    config = TrainConfig(**settings, collapse_guard=True, least_rank=1.0)
    refuse_collapse({"l1": 0.5}, 5, config)
    refuse_collapse({"rank": 0.5}, 4, config)
    with pytest.raises(CollapseError):
        refuse_collapse({"rank": 0.5}, 5, config)
