"""A tiny base with random weights, and recordings of somebody who hums."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The reference of a packed checkpoint."""
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
    folder = tmp_path_factory.mktemp("base") / "tiny"
    JepaTTS(model, vocoder, provenance=provenance).save_pretrained(folder)
    return f"jepa-tts:{folder}"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Six clips of a second with what they say."""
    from voice_data.audio import Audio, write

    folder, rows = tmp_path / "recordings", ["filename|text"]
    (folder / "wavs").mkdir(parents=True)
    for index, word in enumerate(("Red", "Green", "Blue", "White", "Black", "Brown")):
        times = np.arange(24_000 + 1200 * index) / 24_000
        hum = sum(np.sin(2 * np.pi * n * (110 + 5 * index) * times) / n for n in range(1, 9))
        sound = 0.1 * hum * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times))
        write(folder / "wavs" / f"{index}.wav", Audio(sound.astype(np.float32), 24_000))
        rows.append(f"{index}.wav|{word} is my colour.")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder
