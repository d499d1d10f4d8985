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


@pytest.fixture(scope="session")
def hypernet(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a hypernetwork for it, and beside it its encoder; weights are random."""
    import torch

    from jepa_tts.speech import load
    from voice_data.artefact import Provenance
    from voice_hypernet.checkpoint import Hypernet, save_hypernet
    from voice_hypernet.config import HypernetConfig, LoraShape, VoiceConfig
    from voice_hypernet.network import VoiceNetwork
    from voice_hypernet.targets import find_groups
    from voice_hypernet.text_encoder import TextConfig, TextEncoder

    folder = tmp_path_factory.mktemp("hypernet")
    torch.manual_seed(0)
    shape = TextConfig(embedding=8, width=16, layers=1, heads=2, condition=8)
    terms = Provenance(sample_rate=24_000, licence="CC0-1.0")
    TextEncoder(shape).save_pretrained(folder / "text", "# A test\n", terms)
    model = load(package)
    lora = LoraShape(rank=2, alpha=4.0)
    config = VoiceConfig(
        hypernet=HypernetConfig(lora=lora, condition=8, width=16, inner=16, blocks=1), text=8
    )
    groups = find_groups(model.network, next(iter(model.targets.values())))
    neutral = {"voice": 0.1 * torch.randn(model.tts.config.width)}
    network = VoiceNetwork(config, groups, neutral).requires_grad_(False)
    for head in (*network.hypernet.heads, *network.heads.values()):
        for value in head.parameters():
            value.copy_(0.1 * torch.randn_like(value))
    made = Hypernet(
        network=network,
        base="jepa-tts",
        base_sha256=model.weights_sha256,
        sample_rate=model.sample_rate,
        licence="CC0-1.0",
        encoder=str(folder / "text"),
    )
    save_hypernet(folder / "jepa-tts", made)
    return folder / "jepa-tts"


@pytest.fixture(autouse=True)
def _shipped(package: Path, hypernet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find both where the shipped checkpoints are."""
    monkeypatch.setattr("jepa_tts.catalogue.shipped", lambda: package)
    monkeypatch.setattr("voice_hypernet.catalogue.shipped", lambda: hypernet)
