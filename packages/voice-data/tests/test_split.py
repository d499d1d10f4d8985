from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voice_data.manifest import ManifestError, Utterance, manifest_hash, read_manifest
from voice_data.split import SplitConfig, SplitError, leaks, split, with_hashes, write_split
from voice_data.storage import file_sha256


def corpus(count: int = 200, speakers: int = 20) -> list[Utterance]:
    return [
        Utterance(
            id=f"clip{number:03}",
            audio=f"{number}.wav",
            text=f"sentence number {number}",
            speaker=f"s{number % speakers}",
            duration=1.0 + number % 5,
            sha256=f"{number:064x}",
        )
        for number in range(count)
    ]


def seconds(items: tuple[Utterance, ...]) -> float:
    return sum(item.duration or 0 for item in items)


def test_every_clip_is_on_one_side_and_says_so() -> None:
    result = split(corpus())
    assert {item.split for item in result.train} == {"train"}
    assert {item.split for item in result.validation} == {"validation"}
    both = sorted([*result.train, *result.validation], key=lambda item: item.id)
    assert [replace(item, split="") for item in both] == corpus()


def test_speakers_stay_apart() -> None:
    result = split(corpus(), SplitConfig(validation=0.2))
    assert not {i.speaker for i in result.train} & {i.speaker for i in result.validation}
    assert leaks(result.train, result.validation) == []
    assert result.groups == 20


def test_a_person_with_two_names_is_one_speaker() -> None:
    items = [
        replace(item, extra={"person": "Ada"}) if item.speaker in ("s3", "s7") else item
        for item in corpus()
    ]
    for seed in range(10):
        result = split(items, SplitConfig(validation=0.3, seed=seed))
        sides = {i.split for i in (*result.train, *result.validation) if i.extra}
        assert len(sides) == 1
        assert result.groups == 19
    first, second = (i for i in items if i.id in ("clip003", "clip007"))
    assert leaks([first], [second]) == ["speaker 'Ada' is in both: 'clip003' and 'clip007'"]


def test_share_is_met_by_duration() -> None:
    result = split(corpus(), SplitConfig(validation=0.1, speakers="shared"))
    share = seconds(result.validation) / (seconds(result.train) + seconds(result.validation))
    assert share == pytest.approx(0.1, abs=0.01)
    assert {i.speaker for i in result.train} & {i.speaker for i in result.validation}


def test_share_is_met_by_number_without_durations() -> None:
    items = [replace(item, duration=None) for item in corpus()]
    assert len(split(items, SplitConfig(validation=0.1, speakers="shared")).validation) == 20


def test_duplicates_stay_together_whatever_links_them() -> None:
    items = corpus(60, 60)
    items[1] = replace(items[1], sha256=items[0].sha256)  # the same sound
    items[2] = replace(items[2], text=f"{items[1].text.upper()} !!")  # the same words
    items[3] = replace(items[3], source="book", extra={"start_seconds": 1.0})  # one recording
    items[2] = replace(items[2], source="book", extra={"start_seconds": 9.0})
    for seed in range(20):
        result = split(items, SplitConfig(validation=0.3, seed=seed, speakers="shared"))
        sides = {item.split for item in (*result.train, *result.validation) if item.id < "clip004"}
        assert len(sides) == 1
        assert leaks(result.train, result.validation, result.config) == []


def test_same_source_without_cuts_is_no_link() -> None:
    items = [replace(item, source="LJSpeech") for item in corpus(20)]
    assert split(items, SplitConfig(speakers="shared")).groups == 20


def test_order_of_the_input_does_not_count() -> None:
    items = corpus()
    random.Random(1).shuffle(items)
    assert split(items) == split(corpus())


def test_seed_chooses_other_clips() -> None:
    first, second = (split(corpus(), SplitConfig(seed=seed)) for seed in (0, 1))
    assert first.validation_sha256 != second.validation_sha256


def test_hashes_are_those_of_the_manifests() -> None:
    result = split(corpus())
    assert result.train_sha256 == manifest_hash(result.train)
    assert result.validation_sha256 == manifest_hash(result.validation)


def test_rebuild_is_bit_identical(tmp_path: Path, clip: Callable[..., Path]) -> None:
    names = ("train.jsonl", "validation.jsonl", "split.json")
    clips = [replace(item, sha256="") for item in corpus(12, 4)]
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        for number, item in enumerate(clips):
            clip(folder / item.audio, 0.1, seed=number)
        write_split(folder, split(clips[:: 1 if folder.name == "a" else -1], folder=folder))
        contents.append([(folder / name).read_bytes() for name in names])
    assert contents[0] == contents[1]
    item = read_manifest(tmp_path / "a" / "train.jsonl")[0]
    assert item.sha256 == file_sha256(tmp_path / "a" / item.audio)


def test_leaks_are_named() -> None:
    a, b = corpus(2)
    b = replace(b, sha256=a.sha256, speaker=a.speaker)
    assert leaks([a], [b]) == [
        f"sound '{a.sha256}' is in both: 'clip000' and 'clip001'",
        "speaker 's0' is in both: 'clip000' and 'clip001'",
    ]
    assert len(leaks([a], [b], SplitConfig(speakers="shared"))) == 1


def test_smallest_group_is_taken_where_none_fits() -> None:
    items = [replace(item, duration=float(10 + index)) for index, item in enumerate(corpus(4))]
    result = split(items, SplitConfig(validation=0.01))
    assert [item.id for item in result.validation] == ["clip000"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "there are no clips to split"),
        (corpus(5, 1), r"all 5 clips are of one speaker \('s0'\): use speakers='shared'"),
        (corpus(1), "all 1 clips share speaker, words or recording: add other clips"),
        ([replace(corpus(1)[0], sha256="")], "'clip000' has no sha256: name the data set's folder"),
    ],
)
def test_what_cannot_be_split_is_said(items: list[Utterance], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(items)


def test_an_id_twice_is_refused() -> None:
    with pytest.raises(ManifestError, match="'clip000' is used twice"):
        split([*corpus(3), replace(corpus(1)[0], text="x", sha256="f" * 64)])


def test_hashing_refuses_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").symlink_to(tmp_path / "secret.wav")
    item = Utterance(id="a", audio="a.wav", text="x")
    with pytest.raises(ManifestError, match="leaves the data folder"):
        with_hashes([item], tmp_path / "data")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": 0}, "validation must be between 0 and 1, not 0"),
        ({"validation": 1.0}, "not 1.0"),
        ({"speakers": "both"}, "speakers must be apart or shared, not 'both'"),
        ({"seed": 0.5}, "seed must be an int, not 0.5"),
        ({"seed": True}, "seed must be an int, not True"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitConfig(**changes)
