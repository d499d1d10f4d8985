"""Stand-ins for the heavy listeners of voice-data's scores, and a small run to judge."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from toy import CODES, HOP, ToySpeech, codes_of, write_corpus

from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.train import Trained, train
from voice_data.audio import Audio
from voice_data.encoded import PrepareConfig, SourceConfig, prepare


@dataclass
class Deaf:
    """A recogniser that understands the sentences it is given one word short of all."""

    name: str = "deaf"

    def transcribe(self, audio: Audio) -> str:
        """As many words as there are tones, which is never the text."""
        return " ".join(["la"] * (len(audio.samples) // HOP))


class ToneEncoder:
    """A voice is how often each tone sounds: [D] with unit length."""

    @classmethod
    def from_pretrained(cls, **_: Any) -> ToneEncoder:
        """No weights."""
        return cls()

    def embed(self, audio: Audio) -> np.ndarray:
        """The histogram of the tones."""
        counts = np.bincount(codes_of(audio.resample(16_000)), minlength=CODES).astype(np.float32)
        return (counts + 0.1) / np.linalg.norm(counts + 0.1)


class NamedToy(ToySpeech):
    """The toy with two voices that it knows by name."""

    voices = ("low", "high")

    def speak(self, text: str, *, voice: Any = None, seed: int | None = None) -> Audio:
        """A name is a pair of reference tones."""
        import torch

        named = {"low": torch.tensor([0, 1]), "high": torch.tensor([22, 23])}
        told = {"codes": named[voice]} if isinstance(voice, str) else voice
        return super().speak(text, voice=told, seed=seed)


def make_run(root: Path, *, steps: int = 4, model: ToySpeech | None = None) -> Trained:
    """A set of twelve clips, four of them held out, and an adapter with its checkpoints."""
    source = SourceConfig(folder=os.fspath(write_corpus(root / "ann", 12)), licence="CC0-1.0")
    made = PrepareConfig(sources=(source,), base="toy", out=os.fspath(root / "set"), validation=0.3)
    model = model or ToySpeech()
    prepare(made, model=model)
    config = TrainConfig(
        data=os.fspath(root / "set"),
        out=os.fspath(root / "run"),
        base="toy",
        steps=steps,
        save_every=2,
        clips=4,
        learning_rate=1.5e-2,
        lora=LoraConfig(rank=4, alpha=8.0, dropout=0.0, targets="attention"),
        report_to=(),
        device="cpu",
    )
    return train(config, model=model, progress=False)
