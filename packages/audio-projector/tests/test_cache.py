"""The cache: equal to fresh states, resumed where it stopped, refused where it does not belong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from tiny_models import TEXTS, make_llm_folder

from audio_projector import caching
from audio_projector.cache import CacheConfig, CacheError, Line, StatesCache
from audio_projector.caching import build_cache, read_lines
from audio_projector.states import capture

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel

LINES = [Line(text=text) for text in TEXTS]
CONFIG = CacheConfig(layers=(0, 2, 3), together=2, shard=4)


def test_cached_states_are_the_fresh_ones(states: StatesCache, llm: LanguageModel) -> None:
    assert len(states) == len(TEXTS)
    for start in range(0, len(TEXTS), 2):
        fresh = capture(llm, TEXTS[start : start + 2], (0, 2, 3))
        for offset, each in enumerate(fresh):
            found = states[start + offset]
            torch.testing.assert_close(found.values, each.values, atol=2e-3, rtol=2e-3)
            assert torch.equal(found.spans, each.spans)


def test_the_split_is_kept(states: StatesCache) -> None:
    assert states.of_split("validation") == [len(TEXTS) - 1]
    assert states.layers == (0, 2, 3)


def test_an_interrupted_cache_goes_on_and_ends_alike(
    states: StatesCache, llm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(LINES, tmp_path / "a", llm, CONFIG, on_text=stop)
    written = []
    real = caching._write_shard
    monkeypatch.setattr(
        caching, "_write_shard", lambda path, *rest: written.append(path.name) or real(path, *rest)
    )
    done = build_cache(LINES, tmp_path / "a", llm, CONFIG)
    assert written == ["states-00001.safetensors"]
    whole = build_cache(LINES, tmp_path / "b", llm, CONFIG)
    assert done.index.shards == whole.index.shards == states.index.shards


def test_a_cache_of_another_model_is_refused(states: StatesCache, llm: LanguageModel) -> None:
    states.require(llm)
    for field, name in (("llm_sha256", "weights"), ("tokenizer_sha256", "tokenizer")):
        other = StatesCache(states.folder)
        other.index = replace(states.index, **{field: "f" * 64})
        with pytest.raises(CacheError, match=f"made with other {name}"):
            other.require(llm)


def test_other_weights_do_not_continue_a_cache(
    states: StatesCache, tmp_path: Path, llm: LanguageModel
) -> None:
    from audio_projector.llm import LanguageModel as Model

    folder = tmp_path / "states"
    shutil.copytree(states.folder, folder)
    other = Model.from_pretrained(make_llm_folder(tmp_path / "llm", seed=1))
    with pytest.raises(CacheError, match="other texts or settings"):
        build_cache(LINES, folder, other, CONFIG)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_shard_is_refused(states: StatesCache, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "states"
    shutil.copytree(states.folder, folder)
    shard = folder / "states-00000.safetensors"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-8])
    else:
        shard.unlink()
    cache = StatesCache(folder)
    with pytest.raises(CacheError, match="missing, cut short or changed"):
        cache[0]
    assert len(cache[4].spans) > 0
    with pytest.raises(IndexError):
        cache[99]


def test_a_folder_without_a_cache_is_refused(states: StatesCache, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="run `audio-projector cache`"):
        StatesCache(tmp_path)
    values = json.loads((states.folder / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**values, "format": 9}))
    with pytest.raises(CacheError, match="format 9"):
        StatesCache(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(CacheError, match="cannot be read"):
        StatesCache(tmp_path)


def test_nothing_and_a_strange_folder_are_refused(llm: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no texts"):
        build_cache([], tmp_path, llm, CONFIG)
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CacheError, match="not empty"):
        build_cache(LINES, tmp_path, llm, CONFIG)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"together": 0}, "together must be at least 1"),
        ({"layers": ()}, "layers is empty"),
        ({"together": 3, "shard": 4}, "multiple of together"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(CacheError, match=message):
        CacheConfig(**values)  # type: ignore[arg-type]


def test_lines_are_read_from_text_and_json(tmp_path: Path) -> None:
    text, rows = tmp_path / "a.txt", tmp_path / "a.jsonl"
    text.write_text("One.\n\nTwo.\n")
    rows.write_text('{"text": "I read it.", "respelled": "I redd it.", "speaker": "ann"}\n')
    assert [line.text for line in read_lines(text)] == ["One.", "Two."]
    (line,) = read_lines(rows)
    assert (line.sound, line.split) == ("I redd it.", "train")
    rows.write_text('{"text": "I read it.", "respelled": "I red it."}\n')
    with pytest.raises(CacheError, match=r"a\.jsonl:1: respelled .* as many bytes"):
        read_lines(rows)
    rows.write_text('{"text": "One.", "split": "test"}\n')
    with pytest.raises(CacheError, match="split must be"):
        read_lines(rows)
    text.write_text("\n")
    with pytest.raises(CacheError, match="holds no text"):
        read_lines(text)
