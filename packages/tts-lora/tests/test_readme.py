"""What the README promises: its commands parse, its names exist, its tables are complete."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import tts_lora
from tts_lora.cli import main
from tts_lora.finding import CODES

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, code in BLOCKS if kind == "bash" for line in code.splitlines()]
SOURCE = Path(tts_lora.__file__).parent


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("recordings", "ann-set", "ann"):
        (tmp_path / name).mkdir()
    program, verb, *words = shlex.split(line)
    assert program == "tts-lora"
    command = main.commands[verb]
    context = command.make_context(verb, words, parent=click.Context(main))
    assert not context.args


def test_every_name_in_the_program_exists() -> None:
    (program,) = [code for kind, code in BLOCKS if kind == "python"]
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, name.name) for name in node.names)


def test_every_verb_and_every_code_is_explained() -> None:
    verbs = set(re.findall(r"^\| `(\w+)[ `]", README, re.MULTILINE))
    assert set(main.commands) <= verbs
    rows = re.findall(r"^\| `([\w-]+)` \| (error|warning) \|", README, re.MULTILINE)
    assert dict(rows) == {code: severity for code, (severity, _) in CODES.items()}


def test_public_names() -> None:
    assert sorted(tts_lora.__all__) == [
        "EncodedSet", "LoraConfig", "Mixer", "PrepareConfig", "TrainConfig", "assess", "load",
        "narrate",
    ]  # fmt: skip
    for name in tts_lora.__all__:
        assert callable(getattr(tts_lora, name))
        assert name in dir(tts_lora)
    with pytest.raises(AttributeError, match="no attribute 'Lora'; it has EncodedSet, "):
        _ = tts_lora.Lora


def test_importing_the_package_does_not_load_torch() -> None:
    code = "import sys, tts_lora; sys.exit('torch' in sys.modules or 'peft' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.stem)
def test_every_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 300
