"""Adapters of random weights on toy networks, and what the networks say with them."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peft
import torch
from transformers import GPT2Config, GPT2Model

from tts_lora.adapter import attach, detach, save
from tts_lora.card import VoiceCard
from tts_lora.config import LoraConfig

IDS = torch.arange(21).reshape(3, 7)

METHODS = ("lora", "dora", "rslora", "adalora")


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.network(IDS)[0]


def card(model: Any, **options: Any) -> VoiceCard:
    return VoiceCard.of(model, base="toy", licence="CC0-1.0", consent="mine", **options)


def stir(network: torch.nn.Module, scale: float = 0.05, seed: int = 1) -> None:
    """What training does: change all that is trainable."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * scale


def trained(model: Any, folder: Path, seed: int = 1, **options: Any) -> torch.Tensor:
    """Save an adapter in ``folder`` and take it off; what the network said with it."""
    torch.manual_seed(seed)
    attach(model, LoraConfig(**{"targets": "all", **options}), total_steps=100)
    stir(model.network, seed=seed)
    said = logits(model)
    save(model, folder, card=card(model), condition={"codes": torch.tensor([1, 2])})
    detach(model)
    return said


def in_peft(network: Any, what: Path | peft.LoraConfig) -> Any:
    """PEFT's own model with an adapter from a folder, or a new one."""
    with warnings.catch_warnings():  # PEFT asks transformers for what transformers renames
        warnings.simplefilter("ignore", FutureWarning)
        if isinstance(what, Path):
            return peft.PeftModel.from_pretrained(network, str(what)).eval()
        return peft.get_peft_model(network, what)


def gpt2() -> Any:
    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=32, n_positions=16)
    torch.manual_seed(0)
    return SimpleNamespace(
        network=GPT2Model(config).eval(),
        sample_rate=24_000,
        weights_sha256="9" * 64,
        targets={"default": ("c_attn", "c_proj")},
    )
