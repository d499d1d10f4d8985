"""Training: it learns, resumes bit for bit, leaves both ends alone, and says what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tiny_models import TEXTS, Hum
from tiny_run import settings

from audio_projector import train as module
from audio_projector.cache import Line, StatesCache
from audio_projector.checkpoint import load_projector
from audio_projector.examples import batches
from audio_projector.resume import ResumeError
from audio_projector.run import TrainError
from audio_projector.train import train
from audio_projector.train_config import TrainConfig
from voice_data.artefact import ArtefactError
from voice_data.config import ConfigError

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_projector(folder).projector.state_dict())


def same(one: Path, other: Path) -> bool:
    return all(torch.equal(t, weights(other)[name]) for name, t in weights(one).items())


def test_it_learns_a_few_texts_by_heart(states: StatesCache, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = train(settings(states, out, steps=150, save_every=150, log_every=10), model=Hum())
    rows = [json.loads(row) for row in (out / "log.jsonl").read_text().splitlines()]
    first = next(row for row in rows if row["part"] == "train")
    assert done.loss < 0.2 * first["loss"]
    assert done.speech_model_unchanged
    assert done.steps == 150


def test_both_ends_are_bit_for_bit_what_they_were(
    states: StatesCache, llm: LanguageModel, tmp_path: Path
) -> None:
    hum = Hum()
    before = {name: p.clone() for name, p in hum.network.state_dict().items()}
    mind = {name: p.clone() for name, p in llm.network.state_dict().items()}
    train(settings(states, tmp_path / "run"), model=hum)
    assert all(torch.equal(p, before[name]) for name, p in hum.network.state_dict().items())
    assert all(torch.equal(p, mind[name]) for name, p in llm.network.state_dict().items())


def test_a_speech_model_that_changes_is_noticed(states: StatesCache, tmp_path: Path) -> None:
    hum = Hum()

    def disturb(step: int, loss: float) -> None:
        with torch.no_grad():
            hum.network["out"].weight[0, 0] += 1e-3

    with pytest.raises(TrainError, match="weights changed"):
        train(settings(states, tmp_path / "run"), model=hum, on_step=disturb)


def test_a_killed_run_ends_with_the_same_bits(states: StatesCache, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(settings(states, whole), model=Hum())

    def kill(step: int, loss: float) -> None:
        if step == 6:  # two steps after the checkpoint
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings(states, cut), model=Hum(), on_step=kill)
    again = train(settings(states, cut), model=Hum())
    assert again.steps == 8
    assert same(whole, cut)
    logged = [
        [{k: v for k, v in json.loads(row).items() if k != "time"} for row in text.splitlines()]
        for text in ((folder / "log.jsonl").read_text() for folder in (whole, cut))
    ]
    assert logged[0] == logged[1]


def test_a_finished_run_is_left_as_it_is(states: StatesCache, run_folder: Path) -> None:
    done = train(settings(states, run_folder, steps=6), model=Hum())
    assert done.steps == 6


def test_the_seed_decides(states: StatesCache, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(settings(states, tmp_path / name, steps=2, seed=seed), model=Hum())
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


def test_the_caller_keeps_its_random_numbers(states: StatesCache, tmp_path: Path) -> None:
    hum, before = Hum(), torch.get_rng_state()
    train(settings(states, tmp_path / "run", steps=1), model=hum)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_can_start_from_another_projector(
    states: StatesCache, run_folder: Path, tmp_path: Path
) -> None:
    config = settings(
        states, tmp_path / "gated", steps=1, start=str(run_folder), fusion="gated",
        learning_rate=1e-9, weight_decay=0.0,
    )  # fmt: skip
    train(config, model=Hum())
    began, ended = weights(run_folder), weights(tmp_path / "gated")
    for name, tensor in began.items():
        torch.testing.assert_close(ended[name], tensor, atol=1e-6, rtol=0)
    with pytest.raises(TrainError, match="has other sizes"):
        train(replace(config, out=str(tmp_path / "b"), width=20), model=Hum())


def test_respelled_lines_are_learnt_as_they_sound(
    llm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_projector.cache import CacheConfig
    from audio_projector.caching import build_cache

    lines = [Line(text="I read it.", respelled="I redd it."), Line(text="A fox ran.")]
    cache = build_cache(lines, tmp_path / "s", llm, CacheConfig(layers=(2, 3), together=1))
    heard: list[str] = []
    hum = Hum()
    real = hum.distance
    monkeypatch.setattr(hum, "distance", lambda s, texts: heard.extend(texts) or real(s, texts))
    train(settings(cache, tmp_path / "run", steps=1), model=hum)
    assert sorted(heard) == ["A fox ran.", "I redd it."]


def test_clips_teach_through_the_speech_models_own_loss(
    states: StatesCache, tmp_path: Path
) -> None:
    from voice_data.audio import Audio, write
    from voice_data.encoded import PrepareConfig, SourceConfig, prepare

    data, rng = tmp_path / "data", np.random.default_rng(0)
    data.mkdir()
    rows = ["audio_file|text"]
    for number, text in enumerate(TEXTS[:5]):
        samples = (0.1 * rng.standard_normal(32_000)).astype(np.float32)
        write(data / f"{number}.wav", Audio(samples, 16_000))
        rows.append(f"{number}.wav|{text}")
    (data / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    hum = Hum()
    source = SourceConfig(folder=str(data), speaker="ann", licence="CC0-1.0")
    prepared = PrepareConfig(base="hum", out=str(tmp_path / "clips"), sources=(source,))
    prepare(prepared, model=hum)
    config = settings(
        states, tmp_path / "run", steps=6, clip_steps=4, clips=str(tmp_path / "clips"), log_every=1
    )
    train(config, model=hum)
    rows = [json.loads(row) for row in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    heard = ["level" in row for row in rows if row["part"] == "train"]
    assert heard == [False, False, True, True, True, True]


def test_tensorboard_gets_figures_sounds_and_pictures(run_folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_folder / "events"), size_guidance={"audio": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/rate", "validation/loss"} <= set(tags["scalars"])
    assert set(tags["audio"]) == {"spoken/projected", "spoken/own"}
    assert set(tags["images"]) == {"mel/projected", "mel/own"}


def test_batches_hold_every_text_once_within_the_budget() -> None:
    sizes = [3, 9, 4, 30, 5, 6, 7]
    found = batches(sizes, [0, 1, 2, 3, 4, 6], 20, seed=1, epoch=2)
    assert sorted(i for batch in found for i in batch) == [0, 1, 2, 3, 4, 6]
    assert all(len(b) == 1 or len(b) * max(sizes[i] for i in b) <= 20 for b in found)
    assert found == batches(sizes, [0, 1, 2, 3, 4, 6], 20, seed=1, epoch=2)
    later = [batches(sizes, [0, 1, 2, 3, 4, 6], 20, seed=1, epoch=e) for e in range(3, 9)]
    assert any(each != found for each in later)


def test_other_settings_do_not_continue_a_run(states: StatesCache, run_folder: Path) -> None:
    config = settings(states, run_folder, steps=9)
    with pytest.raises(TrainError, match=r"holds a run with steps=6, not 9"):
        train(config, model=Hum())


def test_layers_that_are_not_cached_are_refused(states: StatesCache, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"holds the layers \[0, 2, 3\] and not \[1\]"):
        train(settings(states, tmp_path, layers=(1, 2)), model=Hum())


def test_a_loss_that_is_not_finite_ends_the_run(
    states: StatesCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module._loss_of_texts

    def broken(run: Any, lines: list[int]) -> Any:
        loss = real(run, lines)
        return replace(loss, total=loss.total * float("nan"))

    monkeypatch.setattr(module, "_loss_of_texts", broken)
    with pytest.raises(TrainError, match="the loss is nan at step 1: lower learning_rate"):
        train(settings(states, tmp_path / "run"), model=Hum())


def test_a_damaged_checkpoint_is_named(states: StatesCache, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(settings(states, out, steps=4), model=Hum())
    (out / "checkpoints" / "step-000004" / "training_state.safetensors").write_bytes(b"cut")
    with pytest.raises(ResumeError, match=r"step-000004.* cannot be read"):
        train(settings(states, out, steps=4), model=Hum())


def test_a_start_that_is_no_projector_is_refused(states: StatesCache, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is not an artefact"):
        train(settings(states, tmp_path / "run", start=str(tmp_path)), model=Hum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch must be positive"),
        ({"warm_up": -1}, "warm_up must not be negative"),
        ({"clip_steps": 9, "clips": "c"}, r"clip_steps \(9\) are the last of steps \(8\)"),
        ({"clip_steps": 2}, "clips and clip_steps go together"),
        ({"kind": "rnn"}, "kind must be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**{"states": "s", "out": "o", "steps": 8, **change})
