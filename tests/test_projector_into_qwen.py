"""A toy language model speaks through the real classes of Qwen3-TTS at toy size: `nox -s qwen`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qwen_tts", reason="qwen-tts has an environment of its own: nox -s qwen")
pytest.importorskip("audio_projector", reason="two packages meet here")

PACKAGES = Path(__file__).parents[1] / "packages"
sys.path[:0] = [str(PACKAGES / name / "tests") for name in ("tts-lora", "audio-projector")]

TEXTS = ["ab cd ef.", "gh ij.", "kl mn op qr.", "st uv wx."]


@pytest.mark.parametrize("place", ["projected", "embedded"])
def test_a_projector_is_trained_into_qwen_and_speaks(place, tmp_path, monkeypatch) -> None:
    from qwen3_toy import toy_model  # pyright: ignore[reportMissingImports]
    from tiny_models import make_llm_folder  # pyright: ignore[reportMissingImports]

    from audio_projector.bridge import Bridge
    from audio_projector.cache import CacheConfig, Line
    from audio_projector.caching import build_cache
    from audio_projector.llm import LanguageModel
    from audio_projector.train import train
    from audio_projector.train_config import TrainConfig
    from voice_data import speech

    model = toy_model(states_at=place)
    monkeypatch.setattr(speech, "load_speech_model", lambda _reference: model)
    llm = LanguageModel.from_pretrained(make_llm_folder(tmp_path / "llm"))
    lines = [Line(text=text) for text in TEXTS]
    config = CacheConfig(llm=llm.name, layers=(2,), together=1)
    build_cache(lines, tmp_path / "states", llm, config)
    settings = TrainConfig(
        states=str(tmp_path / "states"), out=str(tmp_path / "run"), target="qwen3-tts", steps=60,
        batch=60, layers=(2,), kind="mlp", width=16, heads=2, learning_rate=0.01, save_every=60,
        log_every=30, warm_up=2,
    )  # fmt: skip
    losses = []
    done = train(settings, model=model, on_step=lambda _, loss: losses.append(loss))
    assert done.speech_model_unchanged
    assert losses[-1] < 0.7 * losses[29]
    bridge = Bridge.from_pretrained(tmp_path / "run", llm=llm.name)
    assert bridge.projector.config.tts_width == model.states_width
    spoken = bridge.speak("gh ij.", seed=1)
    assert spoken.rate == 24_000
    assert np.isfinite(spoken.samples).all()
    states = bridge.states("gh ij.", _states(bridge, "gh ij."))
    assert states.shape == (len("gh ij."), model.states_width)


def _states(bridge, text):
    from audio_projector.states import capture

    (found,) = capture(bridge.llm, [text], bridge.projector.config.layers)
    return found
