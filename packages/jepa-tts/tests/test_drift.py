"""Free-running against teacher-forced speech: the measure itself, and the shipped model's drift."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from jepa_tts.catalogue import shipped
from jepa_tts.checkpoint import load_model
from jepa_tts.cli import main
from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus
from jepa_tts.drift import Passage, drawn, drift, joined, passages, table
from jepa_tts.model import JepaModel, Plan

HELD_OUT = Path(__file__).parent / "data" / "passages.npz"
"""Twelve seconds of the voices `heart` and `adam` (hibari, Apache-2.0) saying WordNet sentences
that training never saw: 16 (log-mel + 12) in eight bits, byte ids, latent frames of each byte."""


@pytest.fixture(scope="module")
def corpus(training_cache: Path) -> Corpus:
    return Corpus(training_cache)


@pytest.fixture
def spoken(corpus: Corpus) -> list[Passage]:
    return list(passages(corpus, 2, 93.75, split="train"))


def test_rows_are_joined_to_one_text_and_recording(corpus: Corpus) -> None:
    rows = corpus.part("train", ["high"])[:3]
    whole = joined(corpus, rows)
    texts = " ".join(corpus.rows[i].text for i in rows)
    assert bytes(whole.ids[1:-1].numpy().astype(np.uint8) - 3).decode() == texts
    assert len(whole.durations) == len(whole.ids)
    assert torch.equal(whole.mel, torch.cat([corpus.mel_of(i) for i in rows]))
    # float16 durations of bytes are rounded, one latent frame is 43 ms
    assert float(whole.durations.sum()) == pytest.approx(len(whole.mel) / STRIDE, abs=0.1)
    first, second = (corpus.durations_of(i) for i in rows[:2])
    space = len(corpus.rows[rows[0]].text) + 1
    assert float(whole.durations[space]) == float(first[-1] + second[0])
    assert torch.equal(whole.durations[: space - 1], first[: space - 1])
    assert torch.equal(whole.durations[space + 1 : space + 3], second[1:3])


def test_passages_are_of_one_speaker_and_long_enough(spoken: list[Passage]) -> None:
    assert {p.speaker for p in spoken} == {"high", "low"}
    assert all(len(p.mel) >= 2 * 93.75 for p in spoken)


def by_hand(model: JepaModel, passage: Passage, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of every mel frame, forced and free, one passage alone: no padding."""
    true = passage.mel[: frames * STRIDE].T[None]
    voice = model.voices.named(passage.speaker)
    mask = torch.ones(1, len(passage.ids), dtype=torch.bool)
    text = model.text_encoder(passage.ids[None])
    plan = Plan(text, mask, voice, passage.durations[None], torch.tensor([frames]))
    forced = model.predict(plan, model.audio_encoder(true).mean).latents
    made = torch.zeros(1, 0, forced.shape[2])
    for frame in range(frames):  # without a cache: the whole past is predicted again
        padded = torch.cat((made, torch.zeros(1, 1, forced.shape[2])), dim=1)
        made = torch.cat((made, model.predict(plan, padded).latents[:, frame:]), dim=1)
    decoded = (model.mel_decoder(latents) for latents in (forced, made))
    return tuple((mel - true).abs().mean(1)[0].numpy() for mel in decoded)  # pyright: ignore


@torch.inference_mode()
def test_distances_are_those_of_each_passage_alone(model: JepaModel, spoken: list[Passage]) -> None:
    found = drift(model, spoken, 2)
    frames = int(2 * model.config.latent_rate)
    alone = np.array([by_hand(model, p, frames) for p in spoken])  # [passages, kind, mel frames]
    edges = (0, 94, frames * STRIDE)
    for kind, distances in enumerate((found.forced, found.free)):
        want = [alone[:, kind, a:b].mean() for a, b in pairwise(edges)]
        assert distances == pytest.approx(want, rel=1e-4)
    assert found.free_growth == pytest.approx(found.free[1] / found.free[0])
    assert found.growth == pytest.approx(found.free_growth / found.forced_growth)
    assert found.passages == len(spoken)
    assert all(value > 0 for value in found.apart)


def test_what_cannot_be_measured(model: JepaModel, spoken: list[Passage]) -> None:
    with pytest.raises(ValueError, match="no passage lasts 9 s: ask for fewer seconds"):
        drift(model, [], 9)
    with pytest.raises(ValueError, match="seconds must be at least 2, not 1: growth compares"):
        drift(model, spoken, 1)


def test_table_and_picture_show_every_second(model: JepaModel, spoken: list[Passage]) -> None:
    found = drift(model, spoken[:1], 2)
    shown = table(found)
    for value in (*found.forced, *found.free, *found.apart, found.growth):
        assert f"{value:.3f}" in shown
    assert drawn(found).count("<polyline") == 3


def test_the_command(training_cache: Path, start: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for path in training_cache.iterdir():
        (cache / path.name).write_bytes(path.read_bytes())
    rows = cache / "rows.jsonl"
    rows.write_text(rows.read_text("utf-8").replace('"train"', '"validation"'), "utf-8")
    plot = tmp_path / "drift.svg"
    words = [str(cache), "--model", str(start), "--seconds", "2", "--passages", "2", "--json"]
    done = CliRunner().invoke(main, ["drift", *words, "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (len(found["free"]), found["passages"]) == (2, 2)
    assert plot.read_text("utf-8").startswith("<svg")
    words[0] = str(training_cache)
    none = CliRunner().invoke(main, ["drift", *words])
    assert none.exit_code == 1
    assert "no passage lasts 2 s" in none.output


def test_the_shipped_model_does_not_drift() -> None:
    with np.load(HELD_OUT) as data:
        spoken = [
            Passage(
                torch.from_numpy(data[f"{name}.ids"].astype(np.int64)),
                torch.from_numpy(data[f"{name}.durations"].astype(np.float32)),
                torch.from_numpy(data[f"{name}.mel"].astype(np.float32) / 16 - 12),
                name,
            )
            for name in ("heart", "adam")
        ]
    found = drift(load_model(shipped()).eval(), spoken, 12)
    assert found.growth < 1.2
    assert max(found.free) < 2 * max(found.forced)
    assert max(found.apart) < max(found.forced)
