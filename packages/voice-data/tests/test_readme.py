"""What the README and the recipes promise: their code runs, their tables are complete."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from voice_data.checks import CODES
from voice_data.cli import main
from voice_data.config import load_config
from voice_data.encoded import PrepareConfig as EncodeConfig
from voice_data.encoded import SourceConfig
from voice_data.formats import DIALECTS
from voice_data.manifest import Utterance, write_manifest
from voice_data.pipeline import PrepareConfig

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
WORDS = ("Red", "Green", "Blue", "White", "Black", "Brown", "Grey", "Pink", "Gold", "Silver")


def test_the_code_runs_in_the_order_of_the_page(
    tmp_path: Path,
    clip: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    utterances = []
    for index, word in enumerate(WORDS):
        clip(tmp_path / f"recordings/wavs/{index}.wav", 2.0 + index / 10, seed=index)
        text = f"{word} is the colour of the day."
        utterances.append(Utterance(id=str(index), audio=f"wavs/{index}.wav", text=text))
    write_manifest(tmp_path / "recordings" / "manifest.jsonl", utterances)
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
        elif language == "bash":
            run_commands(code)
    assert "torch.Size([" in capsys.readouterr().out
    assert (tmp_path / "lj" / "metadata.csv").is_file()
    assert (tmp_path / "model" / "model.safetensors").is_file()


def run_commands(code: str) -> None:
    for line in code.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "voice-data"
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, f"{line}\n{result.output}"


def test_there_is_code_to_run() -> None:
    languages = [language for language, _ in BLOCKS]
    assert languages.count("python") == 3
    assert languages.count("bash") == 2


def test_the_first_program_is_short() -> None:
    first = next(code for language, code in BLOCKS if language == "python")
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


def test_every_reason_code_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", README, re.MULTILINE)
    assert dict(rows) == {code: severity for code, (severity, _) in CODES.items()}


def test_every_dialect_is_named() -> None:
    line = README[README.index("finding out its dialect:") : README.index("Errors name file")]
    assert set(re.findall(r"`(\w+)`", line)) == set(DIALECTS)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert all((PACKAGE / link).exists() for link in links)


def test_the_recipe_holds_the_defaults() -> None:
    path = PACKAGE / "recipes" / "prepare.yaml"
    assert load_config(PrepareConfig, path) == PrepareConfig(language="en")
    named = set(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert named == set(PrepareConfig.__dataclass_fields__)


def test_the_recipe_of_encode_holds_the_defaults() -> None:
    path = PACKAGE / "recipes" / "encode.yaml"
    source = SourceConfig(folder="recordings")
    assert load_config(EncodeConfig, path) == EncodeConfig(
        sources=(source,), base="jepa-tts", out="encoded"
    )
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(values["sources"][0]) == set(SourceConfig.__dataclass_fields__)
    assert {*values, "check", "segment"} == set(EncodeConfig.__dataclass_fields__)
