"""The commands: they do their work, say it as JSON, and tell wrong calls from failed jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tiny_models import TEXTS

from audio_projector import generation
from audio_projector.cli import main
from voice_data.audio import read

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def call(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


@pytest.fixture
def wordy(llm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy, whose weights are random, writes words."""
    tokens = cycle(llm.tokens(" the old fox ran over a frozen field,").ids)
    monkeypatch.setattr(generation, "_pick", lambda *_: next(tokens))


@pytest.mark.usefixtures("wordy")
def test_the_whole_way_from_texts_to_speech(llm_folder: Path, tmp_path: Path) -> None:
    texts, states, run = tmp_path / "t.jsonl", tmp_path / "states", tmp_path / "run"
    rows = [{"text": text} for text in TEXTS[:5]] + [{"text": TEXTS[5], "split": "validation"}]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call("cache", texts, "--out", states, "--llm", llm_folder, "--layers", "0,2", "--json")
    assert (done["texts"], done["layers"]) == (6, [0, 2])
    options = ("--set", "layers=[2]", "--set", "width=16", "--set", "heads=2", "--set", "blocks=1")
    done = call(
        "train", "--states", states, "--out", run, "--target", "hum", "--steps", 3, *options,
        "--set", f"llm={llm_folder}", "--json",
    )  # fmt: skip
    assert done["steps"] == 3
    assert done["speech_model_unchanged"] is True
    out = tmp_path / "a.wav"
    done = call("speak", "--text", TEXTS[0], "--out", out, "--projector", run, "--json")
    assert done["text"] == TEXTS[0]
    assert read(out).duration == pytest.approx(done["seconds"], abs=0.01)
    done = call(
        "speak", "--prompt", "Say it.", "--tokens", 12, "--temperature", 2.0, "--seed", 3,
        "--out", out, "--projector", run, "--json",
    )  # fmt: skip
    assert done["first_audio_ms"] > 0
    done = call("export", "--projector", run, "--out", tmp_path / "p.gguf", "--json")
    assert done["largest_difference"] <= 1e-6
    done = call("measure", "Say it.", "--projector", run, "--tokens", 8, "--json")
    (answer,) = done["answers"]
    assert answer["first_audio_ms"] > 0
    assert 0 < answer["first_tokens"] <= 8
    assert 0 < answer["share"] < 1
    assert answer["peak_mb"] > 0.9 * answer["resident_mb"] > 0
    done = call(
        "epoch", "--states", states, "--llm", llm_folder, "--target", "hum", "--texts", 2, "--json"
    )
    assert done["texts"] == 2
    assert done["training_ratio"] > 0
    done = call("agree", llm_folder, llm_folder, "--texts", texts, "--layers", "0,3", "--json")
    assert [each["layer"] for each in done["layers"]] == [0, 3]
    assert done["layers"][1]["least_cosine"] == pytest.approx(1.0)


def test_homographs_are_evaluated(run_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    row = {"text": "I read it.", "word": "read", "right": "redd", "wrong": "zzzz"}
    path.write_text(json.dumps(row) + "\n")
    out = tmp_path / "out"
    arguments = ("--projector", f"a={run_folder}", "--homographs", path, "--out", out)
    done = call("evaluate", *arguments, "--json")
    assert [each["system"] for each in done["systems"]] == ["a", "text"]
    assert "| a | " in call("evaluate", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("speak", "--out", "a.wav"), "give either --text or --prompt"),
        (("speak", "--text", "a", "--prompt", "b", "--out", "a.wav"), "give either"),
        (("speak", "--text", "a", "--out", "a.txt"), "must end in one of"),
        (("export", "--out", "a.gguf", "--from", "nowhere"), "--from"),
        (("evaluate", "--projector", "a=nowhere", "--out", "o"), "has no folder 'nowhere'"),
        (("train", "--steps", "0"), "--steps"),
        (("train", "--states", ".", "--set", "colour=red"), "unknown key 'colour'"),
        (("train",), "states"),
    ],
)
def test_a_wrong_call_ends_with_two(arguments: tuple[str, ...], message: str) -> None:
    assert message in call(*arguments, code=2)


def test_a_failed_job_ends_with_one_and_a_line(tmp_path: Path) -> None:
    output = call("train", "--states", tmp_path, "--out", tmp_path / "o", "--target", "hum", code=1)
    assert "run `audio-projector cache`" in output
    assert "Traceback" not in output
    output = call("speak", "--text", "a", "--out", "a.wav", "--projector", tmp_path, code=1)
    assert "is not an artefact" in output


def test_help_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from audio_projector.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
