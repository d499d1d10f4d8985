"""Settings: what is refused, which preset a set gets, and the recipes that ship."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tts_lora.config import LoraConfig, TrainConfig, preset, size_of
from tts_lora.recipe import load_prepare_config, load_train_config
from voice_data.config import ConfigError
from voice_data.encoded import PrepareConfig, SourceConfig, prepare


def test_defaults_are_those_of_the_medium_preset() -> None:
    config = TrainConfig(data="d", out="o")
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (8, 16.0, 0.05)
    assert (config.epochs, config.learning_rate, config.clips) == (20, 3e-4, 8)
    assert config == preset("medium", data="d", out="o")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, "LoraConfig.rank must be a whole number from 1 on, not 0"),
        ({"rank": True}, "LoraConfig.rank must be"),
        ({"alpha": 0.0}, "LoraConfig.alpha must be above 0, not 0.0"),
        ({"alpha": float("nan")}, "LoraConfig.alpha must be above 0, not nan"),
        ({"dropout": 1.0}, r"LoraConfig.dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": -0.1}, r"LoraConfig.dropout must be in \[0, 1\), not -0.1"),
        ({"method": "lore"}, "LoraConfig.method must be one of lora, dora, rslora, adalora"),
        ({"targets": ()}, "LoraConfig.targets must be a preset's name or a list"),
        ({"targets": ("q_proj", "")}, "LoraConfig.targets must be"),
        ({"train_also": "head"}, "LoraConfig.train_also must be a list"),
    ],
)
def test_impossible_adapters(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoraConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": ""}, "TrainConfig.data must be a folder, not ''"),
        ({"epochs": 0}, "TrainConfig.epochs must be at least 1, not 0"),
        ({"batch": -1}, "TrainConfig.batch must be at least 1, not -1"),
        ({"keep": 0}, "TrainConfig.keep must be at least 1, not 0"),
        ({"seed": -1}, "TrainConfig.seed must be at least 0, not -1"),
        ({"learning_rate": 0.0}, r"TrainConfig.learning_rate must be in \(0, 1\), not 0.0"),
        ({"final_rate": 2.0}, r"TrainConfig.final_rate must be in \[0, 1\], not 2.0"),
        ({"warm_up": 1.0}, r"TrainConfig.warm_up must be in \[0, 1\), not 1.0"),
        ({"clip": 0.0}, "TrainConfig.clip must be positive, not 0.0"),
        ({"loraplus_ratio": 0.5}, "TrainConfig.loraplus_ratio must be at least 1, not 0.5"),
        ({"amp": "int8"}, "TrainConfig.amp must be one of no, bf16, fp16, not 'int8'"),
        ({"voice": "mine"}, "TrainConfig.voice must be one of speaker, clip, not 'mine'"),
        ({"sentences": "Hello."}, "TrainConfig.sentences must be a list, not 'Hello.'"),
    ],
)
def test_impossible_runs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**({"data": "d", "out": "o"} | values))


@pytest.mark.parametrize(
    ("clips", "size"),
    [(1, "small"), (99, "small"), (100, "medium"), (499, "medium"), (500, "large")],
)
def test_the_number_of_clips_chooses_the_preset(clips: int, size: str) -> None:
    assert size_of(clips) == size


def test_fewer_clips_get_fewer_parameters_more_dropout_and_more_epochs() -> None:
    small, large = (preset(size, data="d", out="o") for size in ("small", "large"))  # type: ignore[arg-type]
    assert small.lora.rank < large.lora.rank
    assert small.lora.dropout > large.lora.dropout
    assert small.epochs > large.epochs
    with pytest.raises(ValueError, match="no preset 'huge': use one of small, medium, large"):
        preset("huge", data="d", out="o")  # type: ignore[arg-type]


def test_what_is_said_stands_over_the_preset(
    corpus: Callable[..., Path], toy_base: str, tmp_path: Path
) -> None:
    data = os.fspath(tmp_path / "set")
    source = SourceConfig(folder=os.fspath(corpus()))
    prepare(PrepareConfig(sources=(source,), base=toy_base, out=data))
    file = tmp_path / "run.yaml"
    file.write_text(f"train: {{data: {data}, out: run, lora: {{rank: 6}}}}\n", "utf-8")
    config = load_train_config(file, ["epochs=3", "lora.targets=[q_proj, v_proj]"])
    assert config.epochs == 3
    assert config.lora == LoraConfig(
        rank=6, alpha=8.0, dropout=0.1, targets=("q_proj", "v_proj")
    )  # the rest is the small preset's
    assert load_train_config(file, size="large").lora.dropout == 0.05
    assert load_train_config(file, ["lora.targets=all"]).lora.targets == "all"


@pytest.mark.parametrize("key", ["lora.rnak", "epoch"])
def test_unknown_keys_are_refused_with_the_valid_ones(key: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"unknown key 'train.{key}' in .*; valid: .*(rank|epochs)"
    ):
        load_train_config(None, ["data=d", "out=o", f"{key}=1"], size="small")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"TrainConfig.out is missing: give it a value"):
        load_train_config(None, ["data=d"])
    with pytest.raises(ConfigError, match=r"TrainConfig.data is missing"):
        load_train_config()
    with pytest.raises(ConfigError, match=r"PrepareConfig.sources is missing"):
        load_prepare_config()


def test_settings_of_prepare_need_no_file() -> None:
    config = load_prepare_config(None, ["sources=[{folder: a}, {folder: b}]", "base=toy", "out=o"])
    assert config == PrepareConfig(
        sources=(SourceConfig(folder="a"), SourceConfig(folder="b")), base="toy", out="o"
    )


RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_recipe_has_settings_for_both_verbs(path: Path) -> None:
    made = load_prepare_config(path)
    trained = load_train_config(path, size="small")
    assert trained.data == made.out
    assert trained.sentences


def test_the_recipes_that_ship() -> None:
    names = {path.stem for path in RECIPES}
    assert names == {"several_datasets", "single_voice", "small_language"}
    hmong = load_prepare_config(RECIPES[0].with_stem("small_language"))
    assert hmong.sources[0].language == "hmn"  # not English: no tone letter is spelled out
    assert len(load_prepare_config(RECIPES[0].with_stem("several_datasets")).sources) > 1
