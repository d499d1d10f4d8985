"""Whole data sets: new manifests, resumption, speakers, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio, write
from voice_data.cli import main
from voice_data.describe import Measures, Tags, annotation, parse
from voice_data.describe.annotation import DescribeConfig, annotate
from voice_data.describe.measures import DescribeError
from voice_data.manifest import Utterance, read_manifest, write_manifest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A man's two clips, a woman's one, and one of silence."""
    folder = tmp_path / "set"
    (folder / "wavs").mkdir(parents=True)
    clips = {
        "a": (voice(pulses(105.0, 1.0)), "man"), "b": (voice(pulses(125.0, 1.0)), "man"),
        "c": (voice(pulses(210.0, 1.0), tract=14.5), "woman"),
        "d": (Audio(np.zeros(RATE, np.float32), RATE), "woman"),
    }  # fmt: skip
    for name, (audio, _) in clips.items():
        write(folder / "wavs" / f"{name}.wav", audio)
    rows = [
        Utterance(id=n, audio=f"wavs/{n}.wav", text="La la la.", speaker=s, extra={"kept": 1})
        for n, (_, s) in clips.items()
    ]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["describe", *map(str, words)])


def test_a_new_manifest_appears_and_the_old_one_stays(source: Path) -> None:
    before = (source / "manifest.jsonl").read_bytes()
    result = run(source / "manifest.jsonl", "--out", source / "described.jsonl", "--count", "3")
    assert result.exit_code == 0, result.output
    assert "3 clips described, 1 not" in result.output
    assert "left out  d  nobody speaks in the clip: drop it" in result.output
    assert (source / "manifest.jsonl").read_bytes() == before
    rows = {row.id: row for row in read_manifest(source / "described.jsonl")}
    assert list(rows) == ["a", "b", "c", "d"]
    assert rows["d"].extra == {"kept": 1}
    extra = rows["a"].extra
    assert extra["kept"] == 1
    tags = Tags.from_list(extra["tags"])  # type: ignore[arg-type]
    assert tags.gender == "male"
    assert [each["language"] for each in extra["descriptions"]] == ["en"] * 3 + ["ko"] * 3  # type: ignore
    for each in extra["descriptions"]:  # type: ignore[union-attr]
        assert parse(each["text"]).tags.to_list() == each["tags"]
    assert any(item.startswith("f0=105") for item in extra["measures"])  # type: ignore[union-attr]


def test_one_voice_per_speaker(source: Path) -> None:
    done = annotate(source, config=DescribeConfig(per="speaker", count=1))
    man = [voice.measures for voice in done.voices if voice.utterance.speaker == "man"]
    assert man[0] == man[1]
    assert man[0].f0 == pytest.approx(115.0, rel=0.02)


def test_an_interrupted_call_goes_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, real, measured = source / "new.jsonl", annotation.measure_file, []

    def failing(item: Utterance, folder: Path) -> Measures | str:
        if item.id == "c" and len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(item.id)
        return real(item, folder)

    monkeypatch.setattr(annotation, "measure_file", failing)
    with pytest.raises(KeyboardInterrupt):
        annotate(source, out)
    assert not out.exists()
    journal = source / ".new.jsonl.partial"
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"key": "cut o')  # as a crash leaves it
    measured.append("crash")
    annotate(source, out)
    assert measured == ["a", "b", "crash", "c", "d"]
    assert not journal.exists()
    annotate(source, source / "whole.jsonl")
    assert out.read_bytes() == (source / "whole.jsonl").read_bytes()


def test_two_processes_say_the_same(source: Path) -> None:
    one, two = (
        annotate(source, config=DescribeConfig(count=1, workers=workers)).to_dict()
        for workers in (1, 2)
    )
    assert one == two


def test_a_folder_of_audio_and_a_file_need_no_list(source: Path) -> None:
    (source / "manifest.jsonl").unlink()
    done = annotate(source, config=DescribeConfig(count=1))
    assert [voice.utterance.id for voice in done.voices] == ["wavs_a", "wavs_b", "wavs_c"]
    result = run(source / "wavs" / "c.wav", "--json", "--language", "ko", "--count", "1")
    clip = json.loads(result.stdout)["clips"][0]
    assert clip["tags"]["gender"] == "female"
    assert [each["language"] for each in clip["descriptions"]] == ["ko"]


def test_paths_follow_the_manifest(source: Path) -> None:
    out = source.parent / "above.jsonl"
    annotate(source, out, DescribeConfig(count=1))
    assert read_manifest(out)[0].path_in(out.parent).is_file()


def test_what_cannot_be_done_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DescribeError, match="exists and is kept: choose another name"):
        annotate(source, source / "manifest.jsonl")
    (tmp_path / "other").mkdir()
    with pytest.raises(DescribeError, match=r"lies outside the data set.*write it into"):
        annotate(source, tmp_path / "other" / "m.jsonl")
    with pytest.raises(DescribeError, match="no clip could be described: nobody speaks"):
        annotate(source / "wavs" / "d.wav")


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="languages must be of en, ko, not fr"):
        DescribeConfig(languages=("fr",))
    with pytest.raises(ValueError, match="count and workers must be 1 or more, not 0 and 1"):
        DescribeConfig(count=0)
    with pytest.raises(ValueError, match="per must be clip or speaker, not 'word'"):
        DescribeConfig(per="word")  # type: ignore[arg-type]


def test_the_command_says_what_is_wrong(source: Path) -> None:
    assert "SOURCE is missing" in run().output
    assert run().exit_code == 2
    wrong = run(source, "--language", "fr")
    assert (wrong.exit_code, "not fr" in wrong.output) == (2, True)
    existing = run(source, "--out", source / "manifest.jsonl")
    assert (existing.exit_code, "exists and is kept" in existing.output) == (1, True)


def test_the_edges_are_printed() -> None:
    result = run("--edges")
    assert result.exit_code == 0
    assert "very low < 95 <= low < 135" in result.output
    assert json.loads(run("--edges", "--json").stdout)["rate"]["unit"].startswith("syllables")
