"""The verbs from folder to report: files that can be read again, exit codes, one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from listening import ToneEncoder, make_run
from toy import ToySpeech

from tts_lora import cli
from tts_lora.card import VoiceCard
from voice_data.audio import read
from voice_data.encoded import EncodedSet
from voice_data.score import scorer


def run(*words: object) -> Result:
    """Run `tts-lora` in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def done(*words: object) -> Any:
    """The JSON of a call that must succeed."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    return make_run(tmp_path_factory.mktemp("run")).folder


@pytest.fixture(autouse=True)
def _base(toy_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "SpeakerEncoder", ToneEncoder)


def test_from_recordings_to_speech(corpus: Callable[..., Path], tmp_path: Path) -> None:
    folder, data, out = corpus(clips=8), tmp_path / "set", tmp_path / "voice"
    planned = run("prepare", folder, "--base", "toy", "--out", data, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "ann: 8 clips" in planned.output
    assert "nothing was written (dry run)" in planned.output
    assert not data.exists()
    made = done("prepare", folder, "--base", "toy", "--out", data, "--licence", "MIT")
    assert (made["clips"], made["speakers"]) == (8, ["ann"])
    assert EncodedSet(data).index.licence == "MIT"
    words = ("train", "--data", data, "--base", "toy", "--epochs", 1, "--out", out,
             "--size", "small", "--device", "cpu", "--set", "report_to=[]")  # fmt: skip
    planned = run(*words, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert not out.exists()
    trained = done(*words)
    assert trained["folder"] == str(out)
    assert VoiceCard.read(out).base == "toy"
    assert json.loads((out / "train.json").read_text())["epochs"] == 1
    sound = tmp_path / "hello.wav"
    spoken = done("speak", "--adapter", out, "Hello.", "--out", sound)
    assert spoken["seconds"] == pytest.approx(read(sound).duration, abs=1e-3)


def test_merging_writes_weights_that_need_no_adapter(finished: Path, tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    made = done("merge", "--adapter", finished, "--out", tmp_path / "merged")
    merged = LlamaForCausalLM.from_pretrained(made["folder"]).state_dict()
    base = ToySpeech().network.state_dict()
    changed = [name for name in base if not torch.equal(base[name], merged[name])]
    assert changed
    assert all("_proj" in name for name in changed)


def test_exporting_for_other_programs(finished: Path, tmp_path: Path) -> None:
    made = done("export", "--adapter", finished, "--format", "vllm", "--out", tmp_path / "vllm")
    assert (Path(made["out"]) / "adapter_model.safetensors").is_file()
    out = tmp_path / "adapter.gguf"
    made = done("export", "--adapter", finished, "--format", "gguf", "--out", out)
    assert made["format"] == "gguf"
    assert out.read_bytes()[:4] == b"GGUF"
    assert run("export", "--adapter", finished, "--format", "onnx", "--out", out).exit_code == 2


def test_speaking_with_several_weights(finished: Path, tmp_path: Path) -> None:
    def sound(*words: object) -> np.ndarray:
        out = tmp_path / "out.wav"
        result = run("speak", "Hello there.", "--out", out, *words)
        assert result.exit_code == 0, result.output
        return read(out).samples

    whole = sound("--adapter", finished)
    halves = sound("--adapter", f"{finished}=0.5", "--adapter", f"{finished / '.'}/../run=0.5")
    np.testing.assert_array_equal(whole, halves)  # the same adapter, in two halves
    none = sound("--adapter", f"{finished}=0")
    again = sound("--adapter", finished, "--seed", 1)
    assert none.shape != whole.shape or not np.array_equal(none, whole)
    assert not np.array_equal(again, whole)
    assert sound("--adapter", finished, "--voice-from", "base").size


def test_validating_and_comparing(finished: Path, tmp_path: Path) -> None:
    found = done(
        "validate", "--adapter", finished, "--metric", "similarity", "--limit", 2, "--out",
        tmp_path / "report", "--seed", 3, "--set", "players=1",
    )  # fmt: skip
    kinds = [row["kind"] for row in found["rows"]]
    assert kinds == ["recording", "base", "prompt", "adapter", "checkpoint"]
    assert found["settings"]["seed"] == 3
    assert found["probe"]["ok"] is True
    assert (tmp_path / "report" / "validation.html").is_file()
    plain = run("validate", "--adapter", finished, "--metric", "rate", "--limit", 1,
                "--out", tmp_path / "report", "--set", "checkpoints=false")  # fmt: skip
    assert plain.exit_code == 0, plain.output
    assert "words/s" in plain.output
    other = sorted((finished / "checkpoints").iterdir())[0]
    compared = done("compare", finished, other, "--out", tmp_path / "both")
    assert compared["pairs"][0]["cosine"] > 0
    assert (tmp_path / "both" / "comparison.html").is_file()


def test_searching(finished: Path, tmp_path: Path) -> None:
    data = json.loads((finished / "train.json").read_text())["data"]
    found = done(
        "search", "--data", data, "--out", tmp_path / "study", "--trials", 1, "--epochs", 1,
        "--size", "small", "--device", "cpu", "--set", "report_to=[]", "--space", "ranks=[2]",
    )  # fmt: skip
    assert found["best"]["settings"]["lora"]["rank"] == 2
    assert Path(found["file"]).is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare",), "Missing FOLDER"),
        (("prepare", "."), "Missing --base"),
        (("prepare", "nowhere", "--base", "toy", "--out", "x"), "does not exist"),
        (("train",), "Missing --data"),
        (("train", "--data", ".", "--out", "x", "--size", "huge"), "'huge' is not one of"),
        (("speak", "Hi.", "--adapter", "nowhere", "--out", "a.wav"), "'nowhere' is no folder"),
        (("speak", "Hi.", "--adapter", "nowhere=x", "--out", "a.wav"), "'x' is no number"),
        (("speak", "Hi.", "--adapter", ".", "--out", "a.txt"), "must end in one of .wav"),
        (("validate",), "Missing option '--adapter'"),
        (("validate", "--adapter", ".", "--set", "limit=0"), "limit must be at least 1"),
        (("validate", "--adapter", ".", "--set", "lmit=1"), "unknown key 'lmit'"),
        (("compare", "."), "at least two adapters"),
        (("search", "--data", ".", "--out", "x", "--space", "rank=1"), "unknown key 'rank'"),
        (("mend",), "No such command"),
    ],
)
def test_a_wrong_call(words: tuple[str, ...], message: str, tmp_path: Path,
                      monkeypatch: pytest.MonkeyPatch, finished: Path) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if words[0] == "search":
        data = json.loads((finished / "train.json").read_text())["data"]
        words = tuple(data if word == "." else word for word in words)
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_failed_job(tmp_path: Path, finished: Path) -> None:
    for words, message in (
        (("train", "--data", tmp_path, "--out", tmp_path / "x"), "is no prepared set"),
        (("validate", "--adapter", tmp_path), "voice.json"),
        (("compare", finished, tmp_path), "is no adapter"),
        (("speak", "Hi.", "--adapter", tmp_path, "--out", tmp_path / "a.wav"), "voice.json"),
    ):
        result = run(*words)
        assert result.exit_code == 1, result.output
        assert message in result.output
        assert result.output.count("\n") == 1  # one line, no traceback
    broken = run("compare", finished, tmp_path, "--debug")
    assert broken.exit_code == 1
    assert type(broken.exception).__name__ == "DeltaError"  # --debug lets it through


def test_an_adapter_that_did_nothing_is_a_failure(finished: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    from tts_lora.card import rewrite

    adapter = Path(shutil.copytree(finished, tmp_path / "run"))
    path = adapter / "adapter_model.safetensors"
    tensors = {
        key: value * 0 if "lora_B" in key else value for key, value in load_file(path).items()
    }
    save_file(tensors, path)
    rewrite(adapter, VoiceCard.read(adapter))
    result = run("validate", "--adapter", adapter, "--metric", "rate", "--limit", 1,
                 "--set", "checkpoints=false")  # fmt: skip
    assert result.exit_code == 1, result.output
    assert "error  no-effect: all 8 deltas are zero" in result.output


def test_help_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys, time\n"
        "start = time.process_time()\n"
        "from tts_lora.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(time.process_time() - start)\n"
        "heavy = {'torch', 'peft', 'transformers', 'optuna', 'accelerate', 'librosa'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    *listed, seconds, heavy = finished.stdout.splitlines()
    assert heavy == "[]"
    assert float(seconds) < 0.5
    verbs = ("prepare", "train", "speak", "validate", "compare", "search", "merge", "export")
    assert all(any(line.strip().startswith(verb) for line in listed) for verb in verbs)


def test_the_module_is_the_command() -> None:
    words = [sys.executable, "-m", "tts_lora", "compare"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "Usage: tts-lora compare" in finished.stderr
