"""From recordings to a set: what is kept, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tone_model import RATE, ToneSpeech, tone, write_tones

import voice_data.encoded.shards as shards
from voice_data.audio import Audio, read, write
from voice_data.encoded import (
    INDEX,
    EncodedSet,
    PrepareConfig,
    PrepareError,
    SourceConfig,
    prepare,
    survey,
)
from voice_data.manifest import ManifestError
from voice_data.speech import SpeechModelError


def config_of(*folders: Path, out: Path, **values: Any) -> PrepareConfig:
    sources = tuple(SourceConfig(folder=os.fspath(folder)) for folder in folders)
    return PrepareConfig(**({"sources": sources, "base": "tones", "out": os.fspath(out)} | values))


def files_of(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_same_recordings_give_the_same_bytes(
    tones: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = tmp_path / "a" / "set", tmp_path / "b" / "set"
    folder = tones()
    for out in (first, second):
        out.parent.mkdir()
        prepare(config_of(folder, out=out), model=ToneSpeech())
        assert [path.name for path in out.parent.iterdir()] == ["set"]  # nothing is left over
    assert files_of(first) == files_of(second)


def test_terms_go_along(tones: Callable[..., Path], tmp_path: Path) -> None:
    source = SourceConfig(folder=os.fspath(tones()), licence="cc by 4.0", consent="granted")
    made = prepare(config_of(out=tmp_path / "set", sources=(source,)), model=ToneSpeech())
    assert (made.index.licence, made.index.consent) == ("CC-BY-4.0", "granted")
    refused = SourceConfig(folder=source.folder, licence="MIT", consent="refused")
    with pytest.raises(PrepareError, match=r"the speaker of 'ann\d' refused"):
        prepare(config_of(out=tmp_path / "no", sources=(refused,)), model=ToneSpeech())
    assert not (tmp_path / "no").exists()


def test_no_text_is_on_both_sides(tones: Callable[..., Path], tmp_path: Path) -> None:
    folders = [tones("ann", clips=8, seed=1), tones("bob", clips=8, seed=1)]  # equal texts
    made = prepare(config_of(*folders, out=tmp_path / "set"), model=ToneSpeech())
    sides = {
        side: {text for text, split in zip(made.texts, made.splits, strict=True) if split == side}
        for side in ("train", "validation")
    }
    assert sides["validation"]
    assert not sides["train"] & sides["validation"]


def test_several_data_sets_keep_what_was_said_of_them(
    tones: Callable[..., Path], tmp_path: Path
) -> None:
    sources = (
        SourceConfig(folder=os.fspath(tones("ann", seed=1)), weight=2.0, language="hmn"),
        SourceConfig(folder=os.fspath(tones("bob", seed=2)), emotion=(0.5, 0.0), speaker="Bob"),
    )
    made = prepare(config_of(out=tmp_path / "set", sources=sources), model=ToneSpeech())
    assert [(each.name, each.weight) for each in made.index.sources] == [("ann", 2.0), ("bob", 1.0)]
    assert {(c.source, c.speaker, c.language, c.emotion) for c in made.clips} == {
        (0, "ann", "hmn", ""),
        (1, "Bob", "", (0.5, 0.0)),
    }
    assert len({clip.id for clip in made.clips}) == 12


def test_tone_letters_of_a_small_language_stay(tmp_path: Path) -> None:
    folder = write_tones(tmp_path / "hmong", 2)
    texts = ["Nyob zoo os, koj nyob li cas?", "Ua tsaug ntau rau koj qhov kev pab."]
    rows = ["filename|text", *(f"ann{i}.wav|{text}" for i, text in enumerate(texts))]
    (folder / "metadata.csv").write_text("\n".join(rows), "utf-8")
    source = SourceConfig(folder=os.fspath(folder), language="hmn")
    made = prepare(config_of(out=tmp_path / "set", sources=(source,)), model=ToneSpeech())
    assert made.texts == texts


def test_another_rate_is_resampled(tmp_path: Path) -> None:
    folder = write_tones(tmp_path / "ann", 3)
    path = folder / "wavs" / "ann0.wav"
    write(path, read(path).resample(22_050))
    made = prepare(config_of(folder, out=tmp_path / "set"), model=ToneSpeech())
    assert len(made) == 3
    assert {read(made.audio_of(i)).rate for i in range(3)} == {RATE}


def test_what_the_base_cannot_encode_is_left_out_and_told(
    tones: Callable[..., Path], tmp_path: Path
) -> None:
    class Picky(ToneSpeech):
        def encode(self, example: Any) -> Any:
            if example.utterance.id == "ann1":
                raise SpeechModelError("clip 'ann1' is not to my taste")
            return super().encode(example)

    made = prepare(config_of(tones(), out=tmp_path / "set"), model=Picky())
    assert dict(made.index.skipped) == {"ann1": "clip 'ann1' is not to my taste"}
    assert len(made) == 5


@pytest.mark.parametrize("clips", [0, 1])
def test_an_empty_set_and_one_clip_are_refused(clips: int, tmp_path: Path) -> None:
    folder = write_tones(tmp_path / "ann", clips)
    expected = (ManifestError, "holds no clips") if not clips else (PrepareError, "needs two")
    with pytest.raises(expected[0], match=expected[1]):
        prepare(config_of(folder, out=tmp_path / "set"), model=ToneSpeech())
    assert not (tmp_path / "set").exists()


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    folder = write_tones(tmp_path / "ann", 2)
    for path in (folder / "wavs").iterdir():
        write(path, Audio(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(PrepareError, match=r"ann: no clip can be used: silent \(2\)"):
        prepare(config_of(folder, out=tmp_path / "set"), model=ToneSpeech())


def test_a_model_that_encodes_too_little_is_a_reason(
    tones: Callable[..., Path], tmp_path: Path
) -> None:
    class Mute(ToneSpeech):
        def encode(self, example: Any) -> Any:
            raise SpeechModelError(f"not {example.utterance.id}")

    with pytest.raises(PrepareError, match=r"encode 0 of 6 clips.* it refuses: not ann"):
        prepare(config_of(tones(), out=tmp_path / "set"), model=Mute())


def test_a_finished_set_is_returned_and_others_are_kept(
    tones: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = tones(), tmp_path / "set"
    prepare(config_of(folder, out=out), model=ToneSpeech())
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert len(prepare(config_of(folder, out=out), model=ToneSpeech())) == 6
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    with pytest.raises(PrepareError, match=r"other seed 0, not 1; it is kept: choose another"):
        prepare(config_of(folder, out=out, seed=1), model=ToneSpeech())
    with pytest.raises(PrepareError, match="other base_sha256"):
        prepare(config_of(folder, out=out), model=ToneSpeech(seed=1))
    write(folder / "wavs" / "ann0.wav", tone(3))
    with pytest.raises(PrepareError, match="was made with other sources;"):
        prepare(config_of(folder, out=out), model=ToneSpeech())


def test_a_folder_with_other_things_is_kept(tones: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    out.mkdir()
    (out / "note.txt").write_text("mine")
    with pytest.raises(PrepareError, match="exists and is no prepared set"):
        prepare(config_of(tones(), out=out), model=ToneSpeech())
    assert (out / "note.txt").read_text() == "mine"


def test_the_source_is_only_read(tones: Callable[..., Path], tmp_path: Path) -> None:
    folder = tones()
    with pytest.raises(PrepareError, match=r"lies in the data set .*, which is only read"):
        prepare(config_of(folder, out=folder / "set"), model=ToneSpeech())
    before = files_of(folder)
    prepare(config_of(folder, out=tmp_path / "set"), model=ToneSpeech())
    assert files_of(folder) == before


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interruption_loses_no_finished_shard(
    after: int, tones: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tones()
    whole = prepare(config_of(folder, out=tmp_path / "whole", shard_clips=2), model=ToneSpeech())
    plain, made = shards._encode, []

    def dying(*arguments: Any) -> Any:
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(arguments[2])
        return plain(*arguments)

    config = config_of(folder, out=tmp_path / "set", shard_clips=2)
    monkeypatch.setattr(shards, "_encode", dying)
    with pytest.raises(KeyboardInterrupt):
        prepare(config, model=ToneSpeech())
    assert not (tmp_path / "set").exists()
    half = tmp_path / ".set.partial" / "shard-00002.safetensors"
    half.write_bytes(b"cut short")  # as if killed while writing without an atomic rename
    again: list[str] = []

    def counting(*arguments: Any) -> Any:
        again.append(arguments[2])
        return plain(*arguments)

    monkeypatch.setattr(shards, "_encode", counting)
    prepare(config, model=ToneSpeech())
    assert not set(again) & set(made)
    assert files_of(tmp_path / "set") == files_of(whole.folder)


def test_a_survey_writes_nothing(tones: Callable[..., Path], tmp_path: Path) -> None:
    folder = tones(clips=3)
    write(folder / "wavs" / "ann0.wav", Audio(np.zeros(RATE, np.float32), RATE))
    config = config_of(folder, out=tmp_path / "set", base="no-such-model")
    before = sorted(tmp_path.rglob("*"))
    (found,) = survey(config)
    assert sorted(tmp_path.rglob("*")) == before
    assert (found.name, found.usable, found.statuses["reject"]) == ("ann", 2, 1)
    assert found.codes["silent"] == 1
    assert found.seconds > 1.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": ()}, "PrepareConfig.sources is empty"),
        ({"base": ""}, "PrepareConfig.base is empty"),
        ({"validation": 0.0}, "PrepareConfig.validation must be between 0 and 1, not 0.0"),
        ({"shard_clips": 0}, "PrepareConfig.shard_clips must be 1 or more, not 0"),
    ],
)
def test_impossible_settings(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        config_of(tmp_path, out=tmp_path / "set", **values)


@pytest.mark.parametrize("values", [{"folder": ""}, {"folder": "a", "weight": 0.0}])
def test_impossible_sources(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"SourceConfig.{list(values)[-1]} "):
        SourceConfig(**values)


def test_the_index_is_plain_json(tones: Callable[..., Path], tmp_path: Path) -> None:
    made = prepare(config_of(tones(), out=tmp_path / "set"), model=ToneSpeech())
    values = json.loads((made.folder / INDEX).read_text("utf-8"))
    assert values["base_sha256"] == ToneSpeech().weights_sha256
    assert len(values["manifest_sha256"]) == 64
    assert os.fspath(tmp_path) not in json.dumps(values)  # no paths of the maker's machine
    assert EncodedSet(made.folder).index == made.index


def test_progress_is_told_shard_by_shard(tones: Callable[..., Path], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    config = config_of(tones(), out=tmp_path / "set", shard_clips=4)
    prepare(config, model=ToneSpeech(), on_clip=lambda done, total: told.append((done, total)))
    assert told == [(4, 6), (6, 6)]


def test_what_is_cached_trains_a_model(tones: Callable[..., Path], tmp_path: Path) -> None:
    model = ToneSpeech()
    made = prepare(config_of(tones(), out=tmp_path / "set"), model=model)
    batch = model.collate([made[i] for i in made.of_split("train")])
    optimizer = torch.optim.Adam(model.network.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.parts["codes"])
    assert losses[-1] < losses[0] / 2
