from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from voice_data.checks import CheckConfig
from voice_data.manifest import Utterance
from voice_data.verdict import Report, Step, judge

MakeClip = Callable[..., Path]


def item(name: str, text: str = "", **fields: Any) -> Utterance:
    return Utterance(
        **{"id": name, "audio": f"{name}.wav", "text": text or f"text {name}", **fields}
    )


def codes(report: Report) -> dict[str, tuple[str, ...]]:
    return {verdict.id: verdict.codes for verdict in report.verdicts if verdict.codes}


@pytest.fixture
def mixed(tmp_path: Path, clip: MakeClip) -> tuple[Path, list[Utterance]]:
    """A good clip, a fixable one, one of no use, and a file that nobody names."""
    clip(tmp_path / "good.wav")
    stereo = np.random.default_rng(5).standard_normal((88_200, 2)) * 0.1
    soundfile.write(tmp_path / "fixable.wav", stereo, 44_100)
    clip(tmp_path / "useless.wav", 0.1)
    clip(tmp_path / "sub" / "orphan.flac")
    return tmp_path, [item("good"), item("fixable", "Hi 😀 there."), item("useless")]


def test_verdicts_counts_and_orphans(mixed: tuple[Path, list[Utterance]]) -> None:
    report = judge(mixed[1], mixed[0])
    assert [verdict.status for verdict in report.verdicts] == ["accept", "fix", "reject"]
    assert report.statuses == {"accept": 1, "fix": 1, "reject": 1}
    assert codes(report)["fixable"] == ("channels", "rate", "emoji")
    assert "short" in codes(report)["useless"]
    assert report.orphans == ("sub/orphan.flac",)
    assert report.codes["rate"] == 1


def test_plan_lists_the_steps_in_order(mixed: tuple[Path, list[Utterance]]) -> None:
    assert judge(mixed[1], mixed[0]).plan() == [
        Step(id="fixable", action="convert", codes=("channels",)),
        Step(id="fixable", action="resample", codes=("rate",)),
        Step(id="fixable", action="normalize_text", codes=("emoji",)),
        Step(id="useless", action="drop", codes=("short", "pace")),
    ]


def test_nothing_is_modified(mixed: tuple[Path, list[Utterance]]) -> None:
    folder, items = mixed
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    judge(items, folder).plan()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_report_is_plain_json(mixed: tuple[Path, list[Utterance]]) -> None:
    values = json.loads(json.dumps(judge(mixed[1], mixed[0]).to_dict()))
    assert values["statuses"] == {"accept": 1, "fix": 1, "reject": 1}
    assert values["verdicts"][1]["findings"][0] == {
        "code": "channels",
        "severity": "fix",
        "detail": "2 channels instead of one: they are averaged",
    }
    assert values["plan"][0] == {"id": "fixable", "action": "convert", "codes": ["channels"]}


def test_chosen_utterances_carry_their_measures(mixed: tuple[Path, list[Utterance]]) -> None:
    (good,) = judge(mixed[1], mixed[0]).utterances("accept")
    assert (good.id, good.duration, good.rate, len(good.sha256)) == ("good", 2.0, 24_000, 64)


def test_inspections_can_run_elsewhere(mixed: tuple[Path, list[Utterance]]) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert judge(mixed[1], mixed[0], map_with=executor.map) == judge(mixed[1], mixed[0])


def test_duplicates_of_sound_and_words(tmp_path: Path, clip: MakeClip) -> None:
    clip(tmp_path / "a.wav", seed=1)
    clip(tmp_path / "b.flac", seed=1)
    clip(tmp_path / "c.wav", seed=2)
    clip(tmp_path / "d.wav", seed=3)
    items = [
        item("a", "Hello, you."),
        item("b", "Other words.", audio="b.flac"),
        item("c", "hello YOU"),
        item("d", "Hello, you.", speaker="other"),
    ]
    report = judge(items, tmp_path)
    assert codes(report) == {"b": ("duplicate_audio",), "c": ("duplicate_text",)}
    assert [verdict.status for verdict in report.verdicts] == [
        "accept",
        "reject",
        "accept",
        "accept",
    ]
    assert "the same sound as 'a': keep one" in report.verdicts[1].inspection.findings[0].detail


def test_pace_out_of_bounds(tmp_path: Path, clip: MakeClip) -> None:
    for seed, name in enumerate("ab"):
        clip(tmp_path / f"{name}.wav", 3.0, seed=seed)
    report = judge([item("a", "x"), item("b", "word " * 60)], tmp_path)
    assert codes(report) == {"a": ("pace",), "b": ("pace",)}
    detail = report.verdicts[0].inspection.findings[0].detail
    assert detail.startswith("0.3 letters per second, 1.0 to 40.0 expected: the text may belong")


def test_pace_far_from_the_others_of_its_language(tmp_path: Path, clip: MakeClip) -> None:
    generator = np.random.default_rng(0)
    items = []
    for number in range(30):
        clip(tmp_path / f"{number}.wav", 2.0, seed=number)
        letters = "abcdefghij" * 4 + "k" * int(generator.integers(0, 8)) + str(number)
        items.append(
            item(f"{number}", letters[: 2 * 15 + int(generator.integers(0, 8))] + f" {number}")
        )
    clip(tmp_path / "odd.wav", 2.0, seed=50)
    clip(tmp_path / "foreign.wav", 2.0, seed=51)
    items += [item("odd", "only four"), item("foreign", "only five", language="ko")]
    assert codes(judge(items, tmp_path)) == {"odd": ("pace",)}
    lenient = CheckConfig(pace_min_clips=100)
    assert codes(judge(items, tmp_path, lenient)) == {}


def test_spelled_letters_are_slow_and_right(tmp_path: Path, clip: MakeClip) -> None:
    """A letter or abbreviation takes as long as a word: real telephone prompts are full of them."""
    items = []
    for number in range(30):
        clip(tmp_path / f"{number}.wav", 2.0, seed=number)
        items.append(item(f"{number}", "abcdefghij" * 3 + f" {number}"))
    for seed, (name, text) in enumerate([("w", "W"), ("pm", "P. M."), ("slow", "eleven")]):
        clip(tmp_path / f"{name}.wav", 0.8, seed=60 + seed)
        items.append(item(name, text))
    clip(tmp_path / "wrong.wav", 3.0, seed=70)
    items.append(item("wrong", "V"))
    assert codes(judge(items, tmp_path)) == {"slow": ("pace",), "wrong": ("pace",)}
    strict = CheckConfig(pace_min_letters=0)
    assert set(codes(judge(items, tmp_path, strict))) == {"w", "pm", "slow", "wrong"}


def test_one_bad_clip_does_not_stop_the_rest(tmp_path: Path, clip: MakeClip) -> None:
    clip(tmp_path / "b.wav")
    (tmp_path / "a.wav").write_bytes(b"not audio")
    report = judge([item("a"), item("b"), item("c")], tmp_path)
    assert codes(report) == {"a": ("unreadable",), "c": ("missing",)}
    assert report.statuses["accept"] == 1
