"""The commands as a user types them: results, exit statuses, errors in one line."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tone_model
from click.testing import CliRunner, Result

from voice_data import __version__, cli
from voice_data.audio import Audio, read, write
from voice_data.encoded import EncodedSet
from voice_data.formats import DIALECTS, read_dataset
from voice_data.manifest import Utterance, read_manifest, write_manifest

COMMANDS = [
    "prepare",
    "encode",
    "validate",
    "convert",
    "segment",
    "split",
    "stats",
    "describe",
    "score",
]


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


@pytest.fixture
def source(tmp_path: Path, clip: Callable[..., Path]) -> Path:
    """Four clips of two speakers."""
    folder = tmp_path / "source"
    utterances = []
    for index, word in enumerate(("Alpha", "Bravo", "Charlie", "Delta")):
        clip(folder / "wavs" / f"{index}.wav", 2.0, seed=index)
        utterances.append(
            Utterance(
                id=str(index),
                audio=f"wavs/{index}.wav",
                text=f"{word} comes to the gate.",
                speaker="ab"[index % 2],
                licence="CC0-1.0",
            )
        )
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder


def test_prepare_makes_a_training_set(source: Path, tmp_path: Path) -> None:
    result = run("prepare", source, "--out", tmp_path / "out", "--json", "--seed", "3")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert (done["clips"], done["skipped"]) == (4, {})
    assert len(read_manifest(tmp_path / "out" / "train.jsonl")) < 4
    assert json.loads((tmp_path / "out" / "split.json").read_text())["config"]["seed"] == 3
    assert result.stderr == ""  # no progress bar where there is no terminal


def test_prepare_takes_settings_from_file_and_line(source: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("rate: 16000\nsplit: {validation: 0.6}\n")
    result = run(
        *("prepare", source, "--out", tmp_path / "out", "--config", tmp_path / "settings.yaml"),
        *("--set", "rate=22050", "--set", "split.speakers=shared"),
    )
    assert result.exit_code == 0, result.output
    assert "4 clips, 0.00 h, 0 left out" in result.stdout
    assert read(tmp_path / "out" / "wavs" / "0.wav").rate == 22_050
    assert len(read_manifest(tmp_path / "out" / "validation.jsonl")) == 2


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    (source / "wavs" / "2.wav").unlink()
    result = run("prepare", source, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "drop            2  (missing)" in result.stdout
    assert "3 accept, 0 fix, 1 reject" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_encode_makes_a_set_for_one_model(
    tones: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone_model.register(monkeypatch)
    folders = tones("ann"), tones("bob", seed=1)
    call = ("encode", *folders, "--base", "tones", "--out", tmp_path / "p")
    planned = run(*call, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert planned.output.startswith("ann: 6 clips, 0.1 minutes\n")
    assert planned.output.endswith("bob: 6 clips, 0.1 minutes\nnothing was written (dry run)\n")
    assert not (tmp_path / "p").exists()
    terms = ("--licence", "cc0", "--consent", "self")
    result = run(*call, *terms, "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert (done["base"], done["clips"], done["speakers"]) == ("tones", 12, ["ann", "bob"])
    made = EncodedSet(tmp_path / "p")
    assert (len(made), made.index.licence, made.index.consent) == (12, "CC0-1.0", "self")
    assert done["train"] == len(made.of_split("train"))
    again = run(*call, *terms)  # finished already: only said again
    assert again.output.startswith(f"{done['train']} clips to train on, ")


def test_encode_takes_settings_from_a_file(
    tones: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone_model.register(monkeypatch)
    file = tmp_path / "encode.yaml"
    sources = [{"folder": str(tones()), "weight": 2.0}]
    file.write_text(json.dumps({"sources": sources, "base": "tones:1", "out": str(tmp_path / "p")}))
    result = run("encode", "--config", file, "--seed", "5", "--json")
    assert result.exit_code == 0, result.output
    made = EncodedSet(tmp_path / "p").index
    assert (made.base, made.sources[0].weight, made.settings["seed"]) == ("tones:1", 2.0, 5)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["encode"], 2, "is missing"),
        (["encode", ".", "--out", "p"], 2, "base"),
        (
            ["encode", "--speaker", "ann", "--base", "b", "--out", "p"],
            2,
            "--speaker says something",
        ),
        (["encode", "nowhere", "--base", "b", "--out", "p"], 2, "does not exist"),
        (["encode", "{}", "--base", "tone", "--out", "p"], 1, "no speech model 'tone'"),
    ],
)
def test_encode_refuses(
    words: list[str], status: int, message: str, tones: Callable[..., Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tone_model.register(monkeypatch)
    folder = str(tones())
    monkeypatch.chdir(tmp_path)
    result = run(*(word.format(folder) for word in words))
    assert result.exit_code == status, result.output
    assert message in result.stderr
    assert not (tmp_path / "p").exists()


def test_validate_says_what_is_wrong(source: Path, tmp_path: Path) -> None:
    good = run("validate", source)
    assert (good.exit_code, good.stdout) == (0, "4 accept, 0 fix, 0 reject\n")
    (source / "wavs" / "3.wav").write_bytes(b"")
    bad = run("validate", source, "--out", tmp_path / "report.json")
    assert bad.exit_code == 1
    assert "reject  3  unreadable: " in bad.stdout
    assert json.loads((tmp_path / "report.json").read_text())["statuses"]["reject"] == 1
    assert json.loads(run("validate", source, "--json").stdout)["codes"] == {"unreadable": 1}


def test_convert_changes_the_dialect(source: Path, tmp_path: Path) -> None:
    lost = run("convert", source, "--out", tmp_path / "lj", "--to", "ljspeech")
    assert lost.exit_code == 1
    assert "ljspeech cannot hold" in lost.stderr
    result = run(
        *("convert", source, "--out", tmp_path / "lj", "--to", "ljspeech"),
        *("--drop", "speaker", "--drop", "licence", "--json"),
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["clips"] == 4
    assert [item.id for item in read_dataset(tmp_path / "lj", "ljspeech")] == list("0123")


def test_segment_cuts_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "long" / "day1"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    speech = [(generator.standard_normal(16_000 * 5) * 0.1).astype(np.float32) for _ in range(4)]
    pause = np.zeros(8_000, np.float32)
    sound = np.concatenate([part for each in speech for part in (each, pause)])
    write(folder / "talk.wav", Audio(sound, 16_000))
    result = run(
        "segment", tmp_path / "long", "--out", tmp_path / "out", "--rate", "24000", "--json"
    )
    assert result.exit_code == 0, result.output
    chunks = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert json.loads(result.stdout)["chunks"] == len(chunks) >= 2
    assert chunks[0].id == "day1/talk_0001"
    assert {chunk.source for chunk in chunks} == {"day1/talk.wav"}
    assert sum(chunk.duration or 0 for chunk in chunks) == pytest.approx(22.0, abs=0.01)
    assert read(chunks[0].path_in(tmp_path / "out")).rate == 24_000
    again = run("segment", tmp_path / "long", "--out", tmp_path / "out")
    assert again.exit_code == 1
    assert "exists and is kept" in again.stderr
    one = run("segment", folder / "talk.wav", "--out", tmp_path / "one", "--set", "max_seconds=7")
    assert one.exit_code == 0, one.output
    assert len(read_manifest(tmp_path / "one" / "manifest.jsonl")) >= 3


def test_segment_refuses_what_it_cannot_name(tmp_path: Path, clip: Callable[..., Path]) -> None:
    (tmp_path / "empty").mkdir()
    none = run("segment", tmp_path / "empty", "--out", tmp_path / "out")
    assert (none.exit_code, "holds no recording" in none.stderr) == (1, True)
    clip(tmp_path / "two" / "a.wav")
    clip(tmp_path / "two" / "a.flac")
    two = run("segment", tmp_path / "two", "--out", tmp_path / "out")
    assert (two.exit_code, "would give chunks of one name" in two.stderr) == (1, True)
    (tmp_path / "two" / "a.flac").write_bytes(b"")
    assert run("segment", tmp_path / "two", "--out", tmp_path / "out").exit_code == 1
    assert not list(tmp_path.glob(".out*"))


def test_split_writes_both_sides(source: Path) -> None:
    result = run("split", source, "--json", "--set", "validation=0.4", "--seed", "1")
    assert result.exit_code == 0, result.output
    sides = json.loads(result.stdout)
    assert sides["train"]["clips"] == sides["validation"]["clips"] == 2
    voices = [
        {item.speaker for item in read_manifest(source / f"{name}.jsonl")}
        for name in ("train", "validation")
    ]
    assert voices[0].isdisjoint(voices[1])


def test_stats_counts(source: Path) -> None:
    figures = json.loads(run("stats", source, "--json").stdout)
    assert (figures["clips"], figures["seconds"]) == (4, 8.0)
    assert figures["speakers"] == {"a": 2, "b": 2}
    assert figures["rates"] == {"24000": 4}
    assert "speakers    a (2), b (2)" in run("stats", source).stdout


def test_score_measures_pitch_and_pace(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voice_data import score

    seen: dict[str, Any] = {}

    class Report:
        def to_dict(self) -> dict[str, Any]:
            return {"summary": {}}

        def table(self) -> str:
            return "a table"

        def save(self, folder: Path) -> None:
            folder.mkdir()

    def record(rows: Path, **options: Any) -> Report:
        seen.update(options, rows=rows)
        return Report()

    monkeypatch.setattr(score, "score", record)
    manifest = source / "manifest.jsonl"
    words = ("--metric", "f0", "--metric", "rate", "--threads", "1", "--out", tmp_path / "scores")
    result = run("score", manifest, *words)
    assert (result.exit_code, result.stdout) == (0, "a table\n"), result.output
    assert seen["rows"] == manifest
    assert (seen["metrics"], seen["threads"], seen["recogniser"]) == (("f0", "rate"), 1, None)
    assert (tmp_path / "scores").is_dir()


def test_score_really_scores(source: Path) -> None:
    result = run("score", source / "manifest.jsonl", "--metric", "rate", "--threads", "1", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["rows"]) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Usage: "),
        (["nonsense"], "No such command 'nonsense'"),
        (["prepare"], "Missing argument 'SOURCE'"),
        (["prepare", "."], "Missing option '--out'"),
        (["prepare", "no-such-folder", "--out", "x"], "'no-such-folder' does not exist"),
        (["prepare", ".", "--out", "x", "--set", "rtae=1"], "unknown key 'rtae' in PrepareConfig"),
        (["prepare", ".", "--out", "x", "--set", "rate"], "write key=value"),
        (["prepare", ".", "--out", "x", "--set", "rate=10"], "must be 8000 Hz or more, not 10"),
        (["prepare", ".", "--out", "x", "--config", "gone.yaml"], "'gone.yaml' does not exist"),
        (["prepare", ".", "--out", "x", "--dialect", "klingon"], "'klingon' is not one of"),
        (["prepare", ".", "--out", "x", "--seed", "-1"], "-1 is not in the range"),
        (["convert", ".", "--out", "x", "--to", "klingon"], "'klingon' is not one of"),
        (["score", ".", "--metric", "wer"], "is a directory"),
    ],
)
def test_a_wrong_call_has_exit_status_2(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_failed_job_has_exit_status_1_and_one_line(source: Path, tmp_path: Path) -> None:
    (source / "manifest.jsonl").write_text('{"id": "0"}\n')
    result = run("prepare", source, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "manifest.jsonl:1: " in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_an_error_nobody_foresaw_is_one_line_too(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voice_data import statistic

    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(statistic, "summarize", broken)
    result = run("stats", source)
    assert result.exit_code == 1
    assert result.stderr == "Error: unexpected KeyError: 'surprise'; --debug shows where\n"


def test_debug_shows_the_traceback(source: Path) -> None:
    (source / "manifest.jsonl").write_text("nonsense")
    result = run("stats", source, "--debug")
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError)


def test_a_write_error_names_file_and_remedy(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("prepare", source, "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert f"{tmp_path / 'file' / 'out'}: cannot write the file" in result.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_quick_and_loads_no_torch(command: str) -> None:
    code = (
        "import sys; from voice_data.cli import main\n"
        f"main([*{command.split()!r}, '--help'], standalone_mode=False)\n"
        "assert not {'torch', 'librosa', 'numpy', 'soundfile'} & set(sys.modules), 'heavy import'"
    )
    start = children_seconds()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout
    assert children_seconds() - start < 0.5  # of processor time, which a busy machine keeps


def children_seconds() -> float:
    """Processor time of the processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def test_every_command_is_there() -> None:
    assert sorted(cli.main.commands) == sorted(COMMANDS)
    assert tuple(sorted(cli.DIALECTS)) == tuple(sorted(DIALECTS))
    from voice_data.score.scorer import METRICS

    assert cli.METRICS == METRICS


def test_commands_are_short() -> None:
    tree = ast.parse(inspect.getsource(cli))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 25, node.name


def test_the_version_is_the_package_s() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voice_data", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"voice-data, version {__version__}\n"
