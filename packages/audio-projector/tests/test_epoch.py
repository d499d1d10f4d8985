"""What a cache saves: timed on the real steps, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from tiny_models import Hum, make_llm_folder
from tiny_run import settings

from audio_projector import caching
from audio_projector.cache import CacheError
from audio_projector.epoch import Epoch, epoch

if TYPE_CHECKING:
    from audio_projector.cache import StatesCache
    from audio_projector.llm import LanguageModel


def test_the_ratios_are_of_states_alone_and_of_whole_training() -> None:
    found = Epoch(texts=10, llm=6.0, read=0.5, steps=1.5)
    assert found.states_ratio == pytest.approx(12.0)
    assert found.training_ratio == pytest.approx(7.5 / 2.0)
    assert found.to_dict()["training_ratio"] == found.training_ratio


def test_an_epoch_is_timed_over_real_steps(
    states: StatesCache, llm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    genuine = caching.captured

    def counted(texts, *rest):
        asked.extend(texts)
        return genuine(texts, *rest)

    monkeypatch.setattr(caching, "captured", counted)
    hum, before = Hum(), torch.get_rng_state()
    found = epoch(settings(states, tmp_path / "out"), llm, texts=3, model=hum)
    assert found.texts == 3
    assert asked == [line.text for line in states.lines if line.split == "train"][:3]
    assert min(found.llm, found.read, found.steps) > 0
    assert not (tmp_path / "out").exists()
    assert torch.equal(torch.get_rng_state(), before)


def test_states_of_another_language_model_are_refused(states: StatesCache, tmp_path: Path) -> None:
    from audio_projector.llm import LanguageModel

    other = LanguageModel.from_pretrained(make_llm_folder(tmp_path / "other", seed=1))
    with pytest.raises(CacheError, match="was made with other weights"):
        epoch(settings(states, tmp_path / "out"), other, model=Hum())
