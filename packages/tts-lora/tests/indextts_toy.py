"""IndexTTS at toy size: real GPT-2 blocks, made-up codes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tts_lora.families.indextts import IndexTTS
from tts_lora.families.indextts_checkpoint import Settings
from tts_lora.families.indextts_config import ConditionerConfig, IndexTTSConfig
from tts_lora.families.indextts_emotions import Emotions
from tts_lora.families.indextts_network import IndexTTSNetwork
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance

RATE, WIDTH, CODES = 24_000, 32, 20

TEXTS = ("One two.", "Three!", "Four five six.", "Seven?")

EAR = ConditionerConfig(output_size=16, linear_units=32, attention_heads=2, num_blocks=1)

GPT = IndexTTSConfig(
    layers=2, model_dim=WIDTH, heads=2, max_text_tokens=40, max_mel_tokens=60,
    number_text_tokens=60, number_mel_codes=CODES + 2, start_mel_token=CODES,
    stop_mel_token=CODES + 1, condition_num_latent=4, condition_module=EAR,
)  # fmt: skip

GPT2 = replace(GPT, emo_condition_module=EAR, feature_dim=24)


def network(gpt: IndexTTSConfig = GPT, seed: int = 0) -> IndexTTSNetwork:
    """Random, and far from ties."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = IndexTTSNetwork(gpt).eval()
        for parameter in made.parameters():
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    return made


def made_tokens() -> Any:
    """A SentencePiece model with the ids that IndexTTS has: start 0, stop 1."""
    import sentencepiece

    lines = iter(["ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN. HI! WHY? A, B - IT'S"] * 20)
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=stream, vocab_size=60, model_type="bpe", bos_id=0,
        eos_id=1, unk_id=2, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=stream.getvalue())


def second_generation(tokens: Any, folder: Path) -> IndexTTS:
    """IndexTTS 2 with two speakers' emotions and, in ``folder``, the features of two clips."""
    generator = torch.Generator().manual_seed(0)
    (folder / "codes").mkdir()
    for name in ("One", "Hi."):
        features = torch.randn(30, 24, generator=generator)
        style = torch.randn(5, generator=generator)
        save_file({"features": features, "style": style}, folder / f"codes/{name}.safetensors")
    emotions = Emotions(
        matrix=torch.randn(16, WIDTH, generator=generator),
        counts=(2,) * 8,
        styles=torch.randn(16, 5, generator=generator),
    )
    settings = Settings(gpt=GPT2)
    return IndexTTS(network(GPT2), tokens, settings, emotions=emotions, folder=folder)


def example(text: str, count: int = 6, seconds: float = 0.5, **extra: Any) -> Example:
    """Noise with ``count`` codes."""
    random = np.random.default_rng(len(text) + count)
    samples = random.normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    codes = random.integers(0, CODES, count).tolist()
    utterance = Utterance(
        id=text[:3].strip(), audio="a.wav", text=text, extra={"codes": codes, **extra}
    )
    return Example(utterance=utterance, audio=Audio(samples, RATE))


def trainable(model: IndexTTS, preset: str = "gpt") -> IndexTTS:
    """What an adapter would train, and nothing else."""
    model.network.requires_grad_(False)
    for name, module in model.network.named_modules():
        if name.endswith(model.targets[preset]):
            module.requires_grad_(True)
    return model
