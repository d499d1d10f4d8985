"""A tiny model with random weights, packed as the real one is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from voice_data.artefact import Provenance
from voice_data.audio import Audio

if TYPE_CHECKING:
    from jepa_tts.tts import JepaTTS

SPEAKERS = ("ada", "bert")


def make_tts(seed: int = 0) -> JepaTTS:
    """A model that speaks noise of a plausible length."""
    import torch
    from jepa_tts.config import SIZES
    from jepa_tts.model import JepaModel
    from jepa_tts.tts import JepaTTS
    from jepa_tts.vocoder import Vocoder, VocoderConfig

    torch.manual_seed(seed)
    model = JepaModel(replace(SIZES["tiny"], speakers=SPEAKERS, phonemes="abc")).eval()
    torch.nn.init.constant_(model.durations.out.bias, 0.7)
    torch.nn.init.normal_(model.mel_decoder.refine.weight, std=0.1)
    torch.nn.init.normal_(model.audio_encoder.out.weight, std=0.1)
    vocoder = Vocoder(VocoderConfig(width=16, inner=32, layers=1)).eval()
    mel = model.config.mel
    provenance = Provenance(
        sample_rate=mel.sample_rate, mel=mel.to_dict(), licence="CC0-1.0", command="a test"
    )
    return JepaTTS(model, vocoder, provenance=provenance)


@pytest.fixture(scope="session")
def tts() -> JepaTTS:
    """Shared by tests that do not change it."""
    return make_tts()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, tts: JepaTTS) -> Path:
    """The folder of a packed checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("package") / "tiny"
    tts.save_pretrained(folder)
    return folder


def tone(seconds: float, rate: int = 24_000, level: float = 0.3) -> Audio:
    """A buzz with harmonics, as long and as loud as asked."""
    times = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    return Audio((level * wave / np.abs(wave).max(initial=1e-9)).astype(np.float32), rate)
