"""A tiny model with random weights, packed as the real one is, in the real one's place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a packed checkpoint with the voices ada and bert."""
    import torch

    from jepa_tts.config import SIZES
    from jepa_tts.model import JepaModel
    from jepa_tts.tts import JepaTTS
    from jepa_tts.vocoder import Vocoder, VocoderConfig
    from voice_data.artefact import Provenance

    torch.manual_seed(0)
    config = replace(SIZES["tiny"], speakers=("ada", "bert"), phonemes="abc")
    model = JepaModel(config).eval()
    torch.nn.init.constant_(model.durations.out.bias, 0.7)
    torch.nn.init.normal_(model.mel_decoder.refine.weight, std=0.1)
    vocoder = Vocoder(VocoderConfig(width=16, inner=32, layers=1)).eval()
    mel = config.mel
    provenance = Provenance(
        sample_rate=mel.sample_rate, mel=mel.to_dict(), licence="CC0-1.0", command="a test"
    )
    folder = tmp_path_factory.mktemp("package") / "tiny"
    JepaTTS(model, vocoder, provenance=provenance).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _shipped(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find it where the shipped checkpoint is."""
    monkeypatch.setattr("jepa_tts.catalogue.shipped", lambda: package)
