"""Recipes: one YAML file with the settings of `prepare` and of `train`, each in its section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tts_lora.config import Size, TrainConfig, preset, size_of
from voice_data.encoded import PrepareConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The sections of the file."""

    prepare: PrepareConfig | None = None
    train: TrainConfig | None = None


def load_prepare_config(
    path: str | Path | None = None, overrides: Iterable[str] = ()
) -> PrepareConfig:
    """The section ``prepare`` of a recipe, then ``key=value`` overrides without its name.

    Raises:
        voice_data.config.ConfigError: naming the key, its value and what is valid.
    """
    from voice_data.config import from_mapping, load_config

    recipe = load_config(Recipe, path, [f"prepare.{each}" for each in overrides])
    return recipe.prepare or from_mapping(PrepareConfig, {}, where=str(path or ""))


def load_train_config(
    path: str | Path | None = None, overrides: Iterable[str] = (), *, size: Size | None = None
) -> TrainConfig:
    """The preset for the data, then the section ``train`` of a recipe, then overrides.

    Without ``size`` the number of training clips in ``data`` chooses the preset.

    Raises:
        voice_data.config.ConfigError: naming the key, its value and what is valid.
        EncodedSetError: if the data cannot be read.
    """
    from voice_data.config import from_mapping, load_config

    overrides = [f"train.{each}" for each in overrides]
    given = load_config(Recipe, path, overrides)
    train = given.train or from_mapping(TrainConfig, {}, where=str(path or ""))
    if size is None:
        from voice_data.encoded import EncodedSet

        size = size_of(len(EncodedSet(train.data).of_split("train")))
    base = Recipe(prepare=given.prepare, train=preset(size, data=train.data, out=train.out))
    return load_config(Recipe, path, overrides, base=base).train or train
