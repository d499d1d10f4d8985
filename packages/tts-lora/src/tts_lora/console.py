"""What the verbs share: settings from the options of a call, and their results as lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voice_data.console import sources_json

if TYPE_CHECKING:
    from tts_lora.config import TrainConfig
    from tts_lora.search import Trial
    from voice_data.encoded import PrepareConfig

_OF_SOURCE = ("speaker", "language", "licence", "consent")


def prepare_config(
    file: Path | None,
    overrides: Sequence[str],
    folders: Sequence[Path],
    options: Mapping[str, Any],
) -> PrepareConfig:
    """A recipe's settings, then --set, then FOLDER... and the options of the verb.

    Raises:
        click.UsageError: naming what is missing or wrong.
    """
    from tts_lora.recipe import load_prepare_config
    from voice_data.config import ConfigError

    given = {name: options.get(name) for name in ("base", "out", "seed")}
    told = {name: str(options.get(name) or "") for name in _OF_SOURCE}
    given["sources"] = sources_json(folders, told)
    if file is None:
        _require({"FOLDER": folders, "--base": given["base"], "--out": given["out"]})
    try:
        return load_prepare_config(file, [*overrides, *_assigned(given)])
    except (ConfigError, ValueError) as error:
        raise click.UsageError(str(error)) from error


def train_config(
    file: Path | None, overrides: Sequence[str], options: Mapping[str, Any], size: Any
) -> TrainConfig:
    """A recipe's settings, then --set, then the options of the verb.

    Raises:
        click.UsageError: naming what is missing or wrong.
        EncodedSetError: if the training set cannot be read.
    """
    from tts_lora.recipe import load_train_config
    from voice_data.encoded import EncodedSetError

    names = ("data", "base", "out", "epochs", "device", "seed")
    if file is None:
        _require({"--data": options.get("data"), "--out": options.get("out")})
    try:
        given = _assigned({name: options.get(name) for name in names})
        return load_train_config(file, [*overrides, *given], size=size)
    except EncodedSetError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def weighted(adapters: Sequence[str]) -> dict[Path, float]:
    """``DIR`` or ``DIR=WEIGHT`` as folders with weights.

    Raises:
        click.UsageError: if a weight is no number, or a folder is not there.
    """
    from tts_lora.narration import NarrationError, parse_adapter

    try:
        parsed = dict(parse_adapter(each) for each in adapters)
    except NarrationError as error:
        raise click.UsageError(str(error)) from error
    for folder in parsed:
        if not folder.is_dir():
            raise click.UsageError(f"--adapter: {str(folder)!r} is no folder")
    return parsed


def check_sound(out: Path) -> None:
    """Refuse a file name that no sound format goes with, before any work.

    Raises:
        click.UsageError: listing the endings that do.
    """
    from voice_data.container import SUFFIXES

    if out.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--out: {out.name!r} must end in one of {', '.join(SUFFIXES)}")


def listed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as settings; a repeated one becomes a list in YAML."""
    values = {name: value for name, value in options.items() if value not in (None, ())}
    return {
        name: json.dumps(list(value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def tell_trial(trial: Trial) -> None:
    """One line per trial, on standard error."""
    loss = "" if trial.loss is None else f", loss {trial.loss:.4f}"
    click.echo(f"trial {trial.number}: {trial.state}{loss}", err=True)


def plain(result: Any) -> dict[str, Any]:
    """A result as plain values for JSON."""
    values = result.to_dict() if hasattr(result, "to_dict") else asdict(result)
    return json.loads(json.dumps(values, default=str))


def _assigned(values: Mapping[str, Any]) -> list[str]:
    """``key=value`` for what was given."""
    return [f"{name}={value}" for name, value in values.items() if value not in (None, "")]


def _require(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not value:
            raise click.UsageError(f"Missing {name}: give it, or a --config that has it")
