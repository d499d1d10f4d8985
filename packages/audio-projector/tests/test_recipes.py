"""Every recipe is a configuration that its command takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_projector.cache import CacheConfig
from audio_projector.caching import read_lines
from audio_projector.train_config import TrainConfig
from voice_data.config import load_config

RECIPES = Path(__file__).parents[1] / "recipes"
NAMES = sorted(path.name for path in RECIPES.glob("*.yaml"))


def test_there_are_recipes() -> None:
    assert {"cache.yaml", "default.yaml", "gated.yaml"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_understood(name: str) -> None:
    kind = CacheConfig if name == "cache.yaml" else TrainConfig
    load_config(kind, RECIPES / name)


def test_the_homographs_to_train_on_are_respelled() -> None:
    lines = read_lines(RECIPES / "homographs.jsonl")
    assert sum(line.respelled != "" for line in lines) > 400
