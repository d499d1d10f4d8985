"""The parts of tools/train_base.py that need no model: joined caches, the clock, the schedule."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from train_base import FULL, STAGES, TOY, OutOfTimeError, Slice, held_out, join, run, steps

TEXTS = ("so it goes", "ünder", "a third", "and one more")


def part(folder: Path, texts: tuple[str, ...], first: float) -> Path:
    """A cache whose mels count up from ``first``: four frames of 100 bands per text."""
    folder.mkdir(parents=True)
    frames = np.arange(4 * len(texts), dtype=np.float16) + first
    np.repeat(frames, 100).astype(np.float16).tofile(folder / "mel.f16")
    frames.tofile(folder / "pitch.f16")
    rows, byte_start = [], 0
    for index, text in enumerate(texts):
        rows.append({"id": text, "audio": "", "text": text, "speaker": "a", "split": "train",
                     "phonemes": "", "seconds": [], "start": 4 * index, "frames": 4,
                     "byte_start": byte_start})  # fmt: skip
        byte_start += len(text.encode()) + 2
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def test_joined_parts_are_the_whole(tmp_path: Path) -> None:
    from jepa_tts.corpus import Corpus

    parts = [part(tmp_path / "a", TEXTS[:2], 0), part(tmp_path / "b", TEXTS[2:], 8)]
    join(parts, tmp_path / "joined")
    whole = Corpus(part(tmp_path / "whole", TEXTS, 0))
    joined = Corpus(tmp_path / "joined")
    assert joined.rows == whole.rows
    for name in ("mel", "pitch"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))


def test_a_command_ends_with_its_slice() -> None:
    with pytest.raises(OutOfTimeError):
        run(["-c", "pass"], Slice(0.0))
    with pytest.raises(click.ClickException, match="failed with status 3"):
        run(["-c", "raise SystemExit(3)"], Slice(5.0))


def test_every_stage_has_a_schedule() -> None:
    assert list(FULL) == list(TOY) == list(STAGES)
    names = [name for name, _ in steps()]
    assert names == ["corpus", "preprocess", "pronounce", "align", "autoencode", "encode",
                     "predict", "decode", "vocode", "sharpen", "shrink", "pack"]  # fmt: skip


def test_a_small_corpus_holds_out_more() -> None:
    rows = [{"text": f"sentence number {k}"} for k in range(400)]
    shares = [
        sum(held_out(row, few)["split"] == "validation" for row in rows) / len(rows)
        for few in (False, True)
    ]
    assert shares[0] < 0.04 < 0.18 < shares[1] < 0.32
