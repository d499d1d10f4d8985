"""What the README and the recipes promise: commands parse, names exist, settings are valid."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from voice_data.config import load_config
from voice_hypernet.cli import main
from voice_hypernet.config import TrainConfig

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, code in BLOCKS if kind == "bash" for line in code.splitlines()]
RECIPES = sorted((PACKAGE / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("t2a-")])
def test_every_command_parses(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("encoded", "voices", "run", "deep-calm-man", "warm"):
        (tmp_path / name).mkdir()
    for name in ("clip.wav", "held-out.txt"):
        (tmp_path / name).touch()
    program, *words = shlex.split(line)
    command = main.commands[program.removeprefix("t2a-")]
    assert not command.make_context(program, words, parent=click.Context(main)).args


def test_every_verb_is_shown() -> None:
    shown = {line.split()[0] for line in COMMANDS}
    assert shown == {"voice-data", *(f"t2a-{verb}" for verb in main.commands)}


def test_every_name_in_the_program_exists() -> None:
    (program,) = [code for kind, code in BLOCKS if kind == "python"]
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert all(hasattr(module, each.name) for each in node.names)


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_recipe_is_valid(path: Path) -> None:
    config = load_config(TrainConfig, path)
    assert (config.data, config.voices) == ("encoded", "voices")


def test_the_recipes_that_ship() -> None:
    assert {path.stem for path in RECIPES} == {"korean_encoder", "small"}
    wide = load_config(TrainConfig, PACKAGE / "recipes" / "korean_encoder.yaml")
    assert (wide.encoder, wide.model.text) == ("klue/roberta-large", 1024)
