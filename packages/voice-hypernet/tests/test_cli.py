"""The commands, as a person types them."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from humming import HumModel
from safetensors.numpy import load_file
from toy import save_toy

import voice_data.speech
from voice_data.audio import Audio, read, write
from voice_hypernet import Voice, VoiceHypernet
from voice_hypernet.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of something like speech."""
    times = np.arange(32_000) / 16_000
    loud = np.abs(np.sin(2 * np.pi * 2 * times)) ** 3
    noise = np.random.default_rng(0).normal(size=len(times))
    samples = loud * (0.3 * np.sin(2 * np.pi * 200 * times) + 0.02 * noise)
    path = tmp_path / "clip.wav"
    write(path, Audio(samples.astype(np.float32), 16_000))
    return path


@pytest.fixture(autouse=True)
def _humming(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only base that there is."""
    monkeypatch.setattr(voice_data.speech, "load_speech_model", lambda name: HumModel())


def run(*words: object, text: str | None = None) -> Result:
    """Run `voice-hypernet` in this process."""
    return CliRunner().invoke(main, [str(word) for word in words], input=text)


def test_generate_writes_what_the_library_makes(folder: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "v"
    done = run("generate", "--model", folder, "--text", "a calm man", "--like", clip, "--out", out,
               "--consent", "asked")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: rank 3, alpha 6, for hum")
    wanted = VoiceHypernet.from_pretrained(folder).generate_lora_adapters("a calm man", clip)
    found = Voice.load(out)
    for name, change in wanted.deltas():
        np.testing.assert_allclose(dict(found.deltas())[name], change, atol=1e-5)
    assert (found.description, found.origin.consent) == ("a calm man", "asked")


def test_generate_makes_a_folder_for_each_of_several_texts(folder: Path, tmp_path: Path) -> None:
    texts = ["A calm, deep man!", "여자 목소리", "x" * 90]
    words = [part for text in texts for part in ("--text", text)]
    done = run("generate", "--model", folder, *words, "--output", tmp_path / "v", "--json")
    assert done.exit_code == 0, done.output
    names = ["1-a-calm-deep-man", "2-여자-목소리", f"3-{'x' * 40}"]
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == names
    made = json.loads(done.stdout)["voices"]
    assert [Path(each["folder"]).name for each in made] == names
    assert [each["description"] for each in made] == texts
    assert all(len(each["sha256"]) == 64 for each in made)


def test_generate_takes_rank_alpha_and_format(folder: Path, tmp_path: Path) -> None:
    base = ["generate", "--model", folder, "--text", "a calm man"]
    large = run(*base, "--rank", 32, "--alpha", 64, "--format", "safetensors", "--out",
                tmp_path / "large")  # fmt: skip
    assert large.exit_code == 0, large.output
    assert "warning: rank 32 is above the 3 that was made" in large.stderr
    small = run(*base, "--rank", 2, "--format", "safetensors-f16", "--out", tmp_path / "small")
    assert small.exit_code == 0, small.output
    assert (Voice.load(tmp_path / "large").rank, Voice.load(tmp_path / "large").alpha) == (32, 64)
    assert (Voice.load(tmp_path / "small").rank, Voice.load(tmp_path / "small").alpha) == (2, 4)
    stored = load_file(tmp_path / "small" / "adapter_model.safetensors")
    assert {value.dtype for value in stored.values()} == {np.dtype(np.float16)}


def test_generate_blends_saved_voices(folder: Path, tmp_path: Path) -> None:
    texts = ["--text", "a calm man", "--text", "a loud woman"]
    assert run("generate", "--model", folder, *texts, "--out", tmp_path).exit_code == 0
    first, second = sorted(path for path in tmp_path.iterdir())
    done = run("generate", "--model", folder, "--blend", f"{first}=0.5", "--blend", f"{second}=0.5",
               "--out", tmp_path / "b")  # fmt: skip
    assert done.exit_code == 0, done.output
    blended = dict(Voice.load(tmp_path / "b").deltas())
    other = dict(Voice.load(second).deltas())
    for name, change in Voice.load(first).deltas():
        np.testing.assert_allclose(blended[name], (change + other[name]) / 2, atol=1e-4)


def test_generate_says_what_is_odd_and_dry_runs_write_nothing(folder: Path, tmp_path: Path) -> None:
    done = run("generate", "--model", folder, "--text", "a deep high voice", "--out",
               tmp_path / "v", "--dry-run")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "warning: 'deep' and 'high' exclude each other (pitch): low is taken" in done.stderr
    assert done.stdout.endswith("nothing was written (dry run)\n")
    assert list(tmp_path.iterdir()) == []


def test_of_ten_thousand_words_as_many_are_shown_as_are_kept(folder: Path, tmp_path: Path) -> None:
    done = run("generate", "--model", folder, "--text", "calm " * 10_000, "--out", tmp_path / "v",
               "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "only the first 96 of 10000 words are used" in done.stderr
    shown = json.loads(done.stdout)["voices"][0]["description"]
    assert shown == Voice.load(tmp_path / "v").description == "calm " * 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "--out", "v"], "say what voice"),
        (["generate", "--text", "a man"], "Missing --out"),
        (["generate", "--text", "...", "--out", "v"], "holds no word"),
        (["generate", "--text", "a man", "--blend", "x", "--out", "v"], "--blend excludes"),
        (["generate", "--blend", "nothing=1", "--out", "v"], "is no DIR=WEIGHT"),
        (["generate", "--like", "none.wav", "--out", "v"], "does not exist"),
        (["generate", "--text", "a man", "--format", "pt", "--out", "v"], "is not one of"),
        (["generate", "--text", "a man", "--rank", "0", "--out", "v"], "not in the range"),
        (["generate", "--text", "a man", "--strength", "9", "--out", "v"], "not in the range"),
        (["prepare", "--out", "v"], "Missing --data"),
        (["train", "--out", "v"], "Missing --data"),
        (["train", "--resume", "."], "is no run"),
        (["train", "--set", "data=d", "--set", "steps=x"], "Missing --data"),
        (["evaluate", "--out", "v"], "Missing --data"),
        (["evaluate", "--metrics", "mse"], "is not one of"),
        (["demo", "--out", "v"], "say what voice"),
        (["demo", "--text", "", "--out", "v"], "holds no word"),
        (["sing"], "No such command"),
    ],
)
def test_wrong_calls_exit_with_two(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["--model", str(folder)] if words[0] in ("generate", "demo") else []
    done = run(*words[:1], *models, *words[1:])
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_failed_jobs_exit_with_one_and_one_line(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "silent.wav", Audio(np.zeros(32_000, np.float32), 16_000))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    base = ["generate", "--model", folder]
    for words, message in {
        (*base, "--like", tmp_path / "silent.wav", "--out", tmp_path / "v"): "the clip is silent",
        (*base, "--text", "a man", "--out", tmp_path / "full"): "holds other files than a voice",
        (*base, "--text", "a man", "--out", tmp_path / "file"): "is a file",
        (
            "generate",
            "--model",
            tmp_path,
            "--text",
            "a man",
            "--out",
            tmp_path / "v",
        ): "config.json",
    }.items():
        done = run(*words)
        assert done.exit_code == 1, done.output
        assert done.stderr.startswith("Error: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "v").exists()


def test_prepare_train_and_generate_follow_each_other(
    hummed: Path, folder: Path, tmp_path: Path
) -> None:
    prepared = run("prepare", "--data", hummed / "set", "--out", tmp_path / "voices", "--clips", 1,
                   "--seed", 1, "--json")  # fmt: skip
    assert prepared.exit_code == 0, prepared.output
    assert json.loads(prepared.stdout)["voices"] == 12
    settings = {"model.clip": 400, "model.text": 12, "model.hypernet.width": 8,
                "model.hypernet.inner": 8, "model.hypernet.blocks": 1, "warm_up": 1,
                "validate_every": 2, "validation_steps": 1, "held_out": 0.3,
                "encoder": folder.parent / "text"}  # fmt: skip
    words = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    train = ["train", "--data", hummed / "set", "--voices", tmp_path / "voices", "--base", "hum",
             "--steps", 2, "--rank", 2, "--out", tmp_path / "run", *words]  # fmt: skip
    dry = run(*train, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "2 steps of 1000 frames" in dry.stdout
    assert "rank 2" in dry.stdout
    assert not (tmp_path / "run").exists()
    done = run(*train, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 2
    again = run("train", "--resume", tmp_path / "run", "--steps", 3, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["steps"] == 3
    made = run("generate", "--model", tmp_path / "run", "--text", "a calm man", "--out",
               tmp_path / "v")  # fmt: skip
    assert made.exit_code == 0, made.output
    Voice.load(tmp_path / "v").require(HumModel())


def test_evaluate_hands_over_its_options(
    hummed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    row = {"similarity": 0.5, "of_ceiling": 0.75, "wer": 0.0, "distillmos": 4.0, "sentences": 2}
    report = {
        "clips": {"clip": row},
        "descriptions": {"description": {"pitch": {"right": 1.0, "of": 3}, "main": 1.0, "wer": 0}},
    }
    monkeypatch.setattr("voice_hypernet.judgement.evaluate",
                        lambda config: (seen.append(config), report)[1])  # fmt: skip
    (tmp_path / "texts.txt").write_text("A sentence.\n")
    words = ["evaluate", "--test-data", hummed / "set", "--voices", hummed / "voices", "--texts",
             tmp_path / "texts.txt", "--output", tmp_path / "out", "--seed", 3]  # fmt: skip
    done = run(*words, "--metrics", "similarity", "--metrics", "pitch")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "clips, clip: similarity 0.500", "descriptions, description: pitch 1.000",
    ]  # fmt: skip
    assert (seen[0].data, seen[0].seed) == (str(hummed / "set"), 3)
    whole = run(*words)
    assert "| clip | 0.500 | 0.750 |" in whole.stdout
    assert json.loads(run(*words, "--json").stdout) == report


def test_demo_speaks_in_every_described_voice(folder: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "heard"
    done = run("demo", "--model", folder, "--text", "a calm man", "--text", "a deep high voice",
               "--say", "abcdefgh", "--out", out)  # fmt: skip
    assert done.exit_code == 0, done.output
    first, second = sorted(out.iterdir())
    assert (first.name, second.name) == ("01-a-calm-man.wav", "02-a-deep-high-voice.wav")
    assert not np.array_equal(read(first).samples, read(second).samples)
    assert "warning: 'deep' and 'high' exclude each other" in done.stdout
    model = HumModel()
    voice = VoiceHypernet.from_pretrained(folder).generate_lora_adapters("a calm man")
    with voice.worn(model) as told:
        wanted = model.speak("abcdefgh", voice=told)
    np.testing.assert_allclose(read(first).samples, wanted.samples.clip(-1, 1), atol=1e-3)
    alone = run("demo", "--model", folder, "--like", clip, "--out", tmp_path / "like")
    assert alone.exit_code == 0, alone.output
    assert [path.name for path in (tmp_path / "like").iterdir()] == ["01-clip.wav"]


def test_demo_converses_until_an_empty_line(folder: Path, tmp_path: Path) -> None:
    typed = "a calm man\n...\na loud woman\n\na fast man\n"
    done = run("demo", "--model", folder, "--interactive", "--out", tmp_path / "d", text=typed)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == [
        "01-a-calm-man.wav", "02-a-loud-woman.wav",
    ]  # fmt: skip
    assert "the description '...' holds no word" in done.stderr


def test_the_seeds_commands_are_the_verbs() -> None:
    scripts = {
        entry.name: entry.value
        for entry in importlib.metadata.distribution("voice-hypernet").entry_points
    }
    verbs = ("demo", "evaluate", "generate", "prepare", "train")
    wanted = {f"t2a-{verb}": f"voice_hypernet.cli:{verb}" for verb in verbs}
    assert scripts == wanted | {"voice-hypernet": "voice_hypernet.cli:main"}
    assert set(main.commands) == set(verbs)


def test_help_and_wrong_calls_load_no_torch() -> None:
    code = (
        "import sys\nfrom voice_hypernet.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    for words in (["--help"], ["generate", "--text", "..."], ["train", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "False", words
