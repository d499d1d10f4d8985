"""The smallest speech model that speaks: bytes in, tones out, one recurrent layer, torch alone.

A clip is one tone per tenth of a second, and a code names the tone. Letters: B batch, U units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from voice_data import speech
from voice_data.audio import Audio, write
from voice_data.dataset import Example
from voice_data.speech import Condition, Encoded, Loss, SpeechModelError, Trace

RATE, HOP, CODES = 16_000, 1_600, 24


class Network(torch.nn.Module):
    """The code before and the mean of the text's bytes [B, U] -> logits of the code [B, U, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.text = torch.nn.EmbeddingBag(256, width)
        self.code = torch.nn.Embedding(CODES + 1, width)  # the last one: nothing was said yet
        self.step = torch.nn.GRU(width, width, batch_first=True)
        self.out = torch.nn.Linear(width, CODES)

    def forward(self, codes: Tensor, texts: Sequence[Tensor]) -> Tensor:
        said = torch.stack([self.text(text[None])[0] for text in texts])
        hidden, _ = self.step(self.code(codes) + said[:, None])
        return self.out(hidden)


class ToneSpeech:
    """Every part of the port, as small as it can be; ``seed`` decides the weights."""

    sample_rate = RATE
    context = None
    targets: Mapping[str, tuple[str, ...]] = {"default": ("out",)}

    def __init__(self, seed: int = 0, width: int = 8) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Network(width).eval()
        state = sorted(self.network.state_dict().items())
        values = b"".join(name.encode() + value.numpy().tobytes() for name, value in state)
        self.weights_sha256 = hashlib.sha256(values).hexdigest()

    def encode(self, example: Example) -> Encoded:
        """Text bytes and codes."""
        name, audio = example.utterance.id, example.audio
        if audio.rate != RATE:
            raise SpeechModelError(f"clip {name!r} has {audio.rate} Hz and {RATE} Hz are wanted")
        codes, text = codes_of(audio), example.utterance.text.encode()
        if not codes or not text:
            raise SpeechModelError(f"clip {name!r} is too short or has no text: drop it")
        return {"text": torch.tensor(list(text)), "codes": torch.tensor(codes)}

    def length(self, encoded: Encoded) -> int:
        """Units."""
        return len(encoded["codes"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The first code, which is said before the others."""
        return {"code": encoded[0]["codes"][:1]}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> Mapping[str, Any]:
        """Units [B, U], -1 where there is none, the code before each, and the texts."""
        voices = conditions or [{"code": torch.tensor([CODES])} for _ in encoded]
        pad = torch.nn.utils.rnn.pad_sequence
        units = pad([each["codes"] for each in encoded], batch_first=True, padding_value=-1)
        first = torch.stack([voice["code"] for voice in voices])
        before = torch.cat([first, units[:, :-1].clamp(min=0)], dim=1)
        return {"units": units, "before": before, "texts": [each["text"] for each in encoded]}

    def loss(self, batch: Mapping[str, Any]) -> Loss:
        """Cross-entropy, the mean over all units of the batch."""
        trace = self.trace(batch)
        total = functional.cross_entropy(trace.outputs[trace.mask], trace.labels[trace.mask])
        return Loss(
            total=total, parts={"codes": float(total.detach())}, positions=int(trace.mask.sum())
        )

    def trace(self, batch: Mapping[str, Any], path: speech.Path = "loss") -> Trace:
        """Logits [B, U, C]; the network runs the same code on every path."""
        outputs = self.network(batch["before"], batch["texts"])
        return Trace(outputs=outputs, labels=batch["units"], mask=batch["units"] >= 0)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """One tone per byte of the text."""
        pieces = self.stream(text, voice=voice, seed=seed)
        return Audio(np.concatenate([piece.samples for piece in pieces]), RATE)

    @torch.no_grad()
    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """Tone by tone."""
        told = torch.tensor(list(text.encode()))
        codes = torch.tensor([[CODES]])
        for _ in told:
            code = self.network(codes, [told])[0, -1].argmax()
            codes = torch.cat([codes, code[None, None]], dim=1)
            yield tone(int(code))


def tone(code: int) -> Audio:
    """A tenth of a second of the tone that ``code`` names."""
    times = np.arange(HOP) / RATE
    return Audio((0.3 * np.sin(2 * np.pi * (code + 4) * 100.0 * times)).astype(np.float32), RATE)


def codes_of(audio: Audio) -> list[int]:
    """The loudest tone of each tenth of a second."""
    frames = audio.samples[: len(audio.samples) // HOP * HOP].reshape(-1, HOP)
    loudest = np.abs(np.fft.rfft(frames)).argmax(axis=1) / 10 - 4  # a bin has 10 Hz
    return [int(code) for code in np.clip(np.round(loudest), 0, CODES - 1)]


def write_tones(folder: Path, clips: int = 6, *, speaker: str = "ann", seed: int = 0) -> Path:
    """A data set of recordings from 0.8 to 1.6 s: ``wavs/`` and ``metadata.csv`` (two columns)."""
    random = np.random.default_rng(seed)
    (folder / "wavs").mkdir(parents=True)
    rows = ["filename|text"]
    for index in range(clips):
        codes = random.integers(0, CODES, int(random.integers(8, 17)))
        samples = np.concatenate([tone(int(code)).samples for code in codes])
        write(folder / "wavs" / f"{speaker}{index}.wav", Audio(samples, RATE))
        words = " ".join("aeiou"[code % 5] + "bdgkmnst"[code % 8] for code in codes[:6])
        rows.append(f"{speaker}{index}.wav|{words.capitalize()} {index}.")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder


def load(path: str | None = None) -> ToneSpeech:
    """The entry point: ``tones`` or ``tones:SEED``."""
    return ToneSpeech(seed=int(path or 0))


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``tones`` a speech model for one test."""
    entry = EntryPoint("tones", "tone_model:load", speech.GROUP)
    monkeypatch.setattr(speech, "entry_points", lambda group: [entry])
