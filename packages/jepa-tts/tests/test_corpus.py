"""The cache, its batches, and the split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jepa_tts.alphabet import PAD, to_bytes
from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus, buckets, split_of

SIZES = [int(s) for s in np.random.default_rng(0).integers(3, 60, 200)]


@pytest.mark.parametrize("budget", [64, 200, 1000])
def test_buckets_cover_every_row_once_within_the_budget(budget: int) -> None:
    rows = list(range(5, 180))
    batches = buckets(SIZES, rows, budget, seed=1, epoch=2)
    assert sorted(i for batch in batches for i in batch) == rows
    for batch in batches:
        assert len(batch) * max(SIZES[i] for i in batch) <= budget


def test_buckets_hold_similar_sizes() -> None:
    batches = buckets(SIZES, range(200), 400, 0, 0)
    padded = sum(len(b) * max(SIZES[i] for i in b) for b in batches)
    assert padded < 1.25 * sum(SIZES)


def test_buckets_are_seeded() -> None:
    first, again = (buckets(SIZES, range(200), 300, 3, 1) for _ in range(2))
    assert first == again
    assert first != buckets(SIZES, range(200), 300, 4, 1)
    assert first != buckets(SIZES, range(200), 300, 3, 2)


def test_a_row_above_the_budget_stands_alone() -> None:
    batches = buckets([500, 10, 10], range(3), 40, 0, 0)
    assert sorted(sorted(batch) for batch in batches) == [[0], [1, 2]]


def test_no_rows_no_batches() -> None:
    assert buckets([], [], 100, 0, 0) == []


def test_split_keeps_sentences_apart() -> None:
    """A sentence never stands in both parts, whatever text it stands in."""
    sentences = [f"Sentence number {i} is here." for i in range(600)]
    rng = np.random.default_rng(0)
    texts = sentences + [
        " ".join(sentences[i] for i in rng.integers(0, 600, 3)) for _ in range(300)
    ]
    held_out = {s for s in sentences if split_of(s, 0.2) == "validation"}
    assert 0.1 < len(held_out) / len(sentences) < 0.3
    for text in texts:
        if split_of(text, 0.2) == "train":
            assert not any(s in text for s in held_out)


def test_split_ignores_case_and_the_end() -> None:
    for i in range(300):
        forms = (f"This is text {i}.", f"this is text {i}", f"THIS IS TEXT {i}!")
        assert len({split_of(form, 0.3) for form in forms}) == 1


def test_split_share() -> None:
    share = np.mean([split_of(f"text {i}") == "validation" for i in range(20_000)])
    assert share == pytest.approx(0.01, abs=0.003)


def test_reads_what_was_written(training_cache: Path, manifest: Path) -> None:
    corpus = Corpus(training_cache)
    described = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
    assert [r.text for r in corpus.rows] == [d["text"] for d in described]
    assert corpus.part("validation") == [8, 9]
    assert corpus.part("train", ["low"]) == [1, 3, 5, 7]
    for index, row in enumerate(corpus.rows):
        assert corpus.mel_of(index).shape == (row.frames, 100)
        assert corpus.latents_of(index).shape == (row.frames // STRIDE, 24)
        assert corpus.durations_of(index).shape == (len(to_bytes(row.text)),)


def test_a_batch_is_padded(training_cache: Path) -> None:
    corpus = Corpus(training_cache)
    data = corpus.text_audio([0, 3], ("low",))
    assert data.voices.tolist() == [-1, 0]
    for k, index in enumerate((0, 3)):
        count, frames = corpus.rows[index].bytes, corpus.rows[index].latent_frames
        assert data.ids[k, :count].tolist() == to_bytes(corpus.rows[index].text)
        assert bool((data.ids[k, count:] == PAD).all())
        assert torch.equal(data.latents[k, :frames], corpus.latents_of(index))
        assert not data.latents[k, frames:].any()
        assert torch.equal(data.durations[k, :count], corpus.durations_of(index))
    assert data.lengths.tolist() == [corpus.rows[i].latent_frames for i in (0, 3)]


def test_missing_cache_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"rows\.jsonl is missing: run `jepa-tts prepro"):
        Corpus(tmp_path)


@pytest.mark.parametrize(
    ("name", "command"),
    [("mel", "preprocess"), ("pitch", "preprocess"), ("byte_durations", "align")],
)
def test_missing_array_names_the_command(tmp_path: Path, name: str, command: str) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(FileNotFoundError, match=f"is missing: run `jepa-tts {command}`"):
        getattr(Corpus(tmp_path), name)


def test_missing_latents_name_the_command(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(FileNotFoundError, match=r"latents\.json is missing: run `jepa-tts encode`"):
        _ = Corpus(tmp_path).latents
