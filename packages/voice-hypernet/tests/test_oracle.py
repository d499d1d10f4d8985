from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from humming import HumModel

from voice_data.encoded import EncodedSet
from voice_hypernet.config import LoraShape
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.oracle import Descent, fine_tuned, fitted
from voice_hypernet.targets import find_groups
from voice_hypernet.voice import Origin

LORA = LoraShape(rank=2, alpha=4.0)


@pytest.fixture
def corpus(hummed: Path) -> VoiceCorpus:
    return VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices")


def of(model: HumModel) -> Origin:
    return Origin(base="hum", base_sha256=model.weights_sha256, sample_rate=model.sample_rate)


def test_descent_gives_each_voice_an_adapter_of_its_own(corpus: VoiceCorpus) -> None:
    model = HumModel()
    names = ("voice-00", "voice-11")
    clips = {n: [corpus.data[i] for i in corpus.speakers[n].clips] for n in names}
    groups = find_groups(model.network, ("into", "out"))
    descent = Descent(steps=80, learning_rate=0.02, frames=400)
    made = fitted(model, groups, LORA, clips, of(model), descent)
    again = fitted(model, groups, LORA, clips, of(model), descent)
    assert list(made) == list(names)
    for name, voice in made.items():
        assert (voice.rank, voice.alpha) == (2, 4.0)
        batch = model.collate(clips[name], [voice.told()] * len(clips[name]))
        losses = {}
        for other, worn in made.items():
            with worn.worn(model):
                losses[other] = float(model.loss(batch).total.detach())
        assert losses[name] < 0.3 * float(model.loss(batch).total.detach())
        assert losses[name] < 0.5 * max(losses.values())
        for layer, change in voice.deltas():
            np.testing.assert_array_equal(dict(again[name].deltas())[layer], change)


def test_the_whole_base_is_tuned_and_comes_back(corpus: VoiceCorpus) -> None:
    model = HumModel()
    model.network.requires_grad_(False)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    clips = [corpus.data[i] for i in corpus.speakers["voice-00"].clips]
    batch = model.collate(clips, [model.condition(clips)] * len(clips))
    plain = float(model.loss(batch).total)
    with fine_tuned(model, clips, Descent(steps=60, learning_rate=0.01)) as (told, seconds):
        assert float(model.loss(batch).total.detach()) < 0.3 * plain
        assert set(told) == {"voice"}
        assert seconds > 0
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(p.requires_grad or p.grad is not None for p in model.network.parameters())


def test_nothing_to_fit_is_refused() -> None:
    model = HumModel()
    for clips in ({}, {"ada": []}):
        with pytest.raises(ValueError, match="at least one clip of every voice"):
            fitted(model, (), LORA, clips, of(model), Descent())


@pytest.mark.parametrize(
    ("values", "message"),
    [({"steps": 0}, "steps must be 1 or more"), ({"learning_rate": 2.0}, "between 0 and 1")],
)
def test_an_impossible_descent_is_named(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Descent(), **values)  # pyright: ignore
