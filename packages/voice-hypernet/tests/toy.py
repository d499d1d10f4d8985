"""A whole toy: a hypernetwork for the humming base and an encoder, both with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from humming import VOICE, HumModel

from voice_data.artefact import Provenance
from voice_hypernet.checkpoint import Hypernet, save_hypernet
from voice_hypernet.config import HypernetConfig, LoraShape, VoiceConfig
from voice_hypernet.network import VoiceNetwork
from voice_hypernet.targets import find_groups
from voice_hypernet.text_encoder import TextConfig, TextEncoder

TEXT, CLIP = 12, 400
CONFIG = VoiceConfig(
    hypernet=HypernetConfig(
        lora=LoraShape(rank=3, alpha=6.0), condition=8, width=16, inner=24, blocks=2
    ),
    text=TEXT,
    clip=CLIP,
)


def toy_network(config: VoiceConfig = CONFIG, seed: int = 0) -> VoiceNetwork:
    """A network for :class:`HumModel` in which every weight is random, also those of the heads."""
    model = HumModel()
    torch.manual_seed(seed)
    groups = find_groups(model.network, model.targets["default"])
    network = VoiceNetwork(config, groups, {"voice": torch.randn(VOICE), "kind": torch.tensor(3)})
    for value in network.parameters():
        value.data += 0.3 * torch.randn_like(value)
    return network.eval().requires_grad_(False)


def save_toy(root: Path, config: VoiceConfig = CONFIG, seed: int = 0) -> Path:
    """``hypernet`` and ``text`` below ``root``; returns the first."""
    torch.manual_seed(seed)
    encoder = TextEncoder(TextConfig(embedding=8, width=16, layers=1, heads=2, condition=TEXT))
    terms = Provenance(sample_rate=24_000, licence="CC0-1.0")
    if not (root / "text").exists():
        encoder.save_pretrained(root / "text", "# A toy\n", terms)
    model = HumModel()
    hypernet = Hypernet(
        network=toy_network(config, seed),
        base="hum",
        base_sha256=model.weights_sha256,
        sample_rate=model.sample_rate,
        licence="CC0-1.0",
        consent="synthetic",
        encoder=str(root / "text"),
    )
    save_hypernet(root / "hypernet", hypernet)
    return root / "hypernet"


def with_lora(config: VoiceConfig, **changes: object) -> VoiceConfig:
    """The same configuration with another shape of adapters."""
    lora = replace(config.hypernet.lora, **changes)
    return replace(config, hypernet=replace(config.hypernet, lora=lora))
