"""The settings of training: what is refused, how the rate runs, and the recipes that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jepa_tts.train import TrainConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stage": "sing"}, "TrainConfig.stage must be one of pronounce, .*, not 'sing'"),
        ({"size": "huge"}, "TrainConfig.size must be one of tiny, small, base, not 'huge'"),
        ({"steps": 0}, "TrainConfig.steps must be at least 1, not 0"),
        ({"batch": -4}, "TrainConfig.batch must be at least 1, not -4"),
        ({"save_every": 0}, "TrainConfig.save_every must be at least 1, not 0"),
        ({"warm_up": -1}, "TrainConfig.warm_up must be at least 0, not -1"),
        ({"kl": float("nan")}, "TrainConfig.kl must be at least 0, not nan"),
        ({"learning_rate": 0.0}, r"TrainConfig.learning_rate must be in \(0, 1\), not 0.0"),
        ({"learning_rate": 3.0}, r"TrainConfig.learning_rate must be in \(0, 1\), not 3.0"),
        ({"feedback": 1.5}, r"TrainConfig.feedback must be in \[0, 1\], not 1.5"),
        ({"history_drop": -0.5}, r"TrainConfig.history_drop must be in \[0, 1\], not -0.5"),
        ({"regulariser": "l2"}, "TrainConfig.regulariser must be one of kl, sigreg, not 'l2'"),
        ({"sigreg": -1.0}, "TrainConfig.sigreg must be at least 0, not -1.0"),
        ({"least_variance": -1.0}, "TrainConfig.least_variance must be at least 0, not -1.0"),
        ({"least_rank": 2.0}, r"TrainConfig.least_rank must be in \[0, 1\], not 2.0"),
        ({"minutes": -1.0}, "TrainConfig.minutes must be at least 0, not -1.0"),
        ({"clip": 0.0}, "TrainConfig.clip must be positive, not 0.0"),
    ],
)
def test_impossible_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**({"stage": "predict", "cache": "c", "out": "o"} | values))


RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_recipe_is_a_configuration(path: Path) -> None:
    from voice_data.config import load_config

    config = load_config(TrainConfig, path)
    assert path.stem in (config.stage, f"language-{config.stage}", "tiny")
