"""A speech model that hums: every voice is a chord, every letter lasts one frame.

It fulfils the port with two linear layers and a condition, and is trained in milliseconds. Tests
import it with ``from humming import ...``. Letters: T frames, C partials of a chord, V voice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

RATE, HOP, PARTIALS, VOICE = 16_000, 800, 6, 4


class Batch(NamedTuple):
    """``ids`` [B, T], ``chords`` [B, T, C], ``mask`` [B, T] and ``voices`` [B, V]."""

    ids: Tensor
    chords: Tensor
    mask: Tensor
    voices: Tensor


class Hum(nn.Module):
    """Letters and a voice in, chords out."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(256, 12)
        self.into, self.out = nn.Linear(12, 16), nn.Linear(16, PARTIALS)
        self.voice = nn.Linear(VOICE, 16)

    def forward(self, ids: Tensor, voices: Tensor) -> Tensor:
        """[B, T] and [B, V] -> [B, T, C]."""
        inner = self.into(self.letters(ids)) + self.voice(voices)[:, None]
        return self.out(torch.tanh(inner))


class HumModel:
    """The port around :class:`Hum`."""

    sample_rate, context = RATE, 200

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Hum().eval()
        digest = hashlib.sha256()
        for value in self.network.state_dict().values():
            digest.update(value.numpy().tobytes())
        self.weights_sha256 = digest.hexdigest()

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """Presets."""
        return {"default": ("into", "out")}

    def encode(self, example: Example) -> Encoded:
        """Letters, and the strength of every partial in every frame."""
        if example.audio.rate != RATE:
            raise SpeechModelError(f"{RATE} Hz are wanted")
        ids = list(example.utterance.text.encode())
        frames = example.audio.samples[: len(example.audio.samples) // HOP * HOP].reshape(-1, HOP)
        strengths = np.abs(np.fft.rfft(frames))[:, 10 : 10 * (PARTIALS + 1) : 10] / (HOP / 2)
        count = min(len(ids), len(strengths))
        chords = torch.from_numpy(strengths[:count].astype(np.float32))
        return {"ids": torch.tensor(ids[:count]), "chords": chords}

    def length(self, encoded: Encoded) -> int:
        """Frames."""
        return len(encoded["ids"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The first partials, averaged."""
        heard = torch.cat([each["chords"] for each in encoded]).mean(0)
        return {"voice": heard[:VOICE]}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> Batch:
        """Rows padded at the right."""
        told = conditions or [self.condition([each]) for each in encoded]
        pad = nn.utils.rnn.pad_sequence
        ids = pad([each["ids"] for each in encoded], batch_first=True)
        chords = pad([each["chords"] for each in encoded], batch_first=True)
        lengths = torch.tensor([len(each["ids"]) for each in encoded])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        return Batch(ids, chords, mask, torch.stack([each["voice"] for each in told]))

    def loss(self, batch: Batch) -> Loss:
        """Mean squared error of the chords."""
        trace = self.trace_with_gradient(batch)
        total = ((trace.outputs - trace.labels)[trace.mask] ** 2).mean()
        return Loss(total=total, parts={"chords": float(total.detach())})

    def trace_with_gradient(self, batch: Batch) -> Trace:
        """Predicted and true chords."""
        outputs = self.network(batch.ids, batch.voices)
        return Trace(outputs=outputs, labels=batch.chords, mask=batch.mask)

    @torch.no_grad()
    def trace(self, batch: Batch, path: Path = "loss") -> Trace:
        """There is one path only."""
        return self.trace_with_gradient(batch)

    @torch.no_grad()
    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The chords as sound."""
        told = torch.zeros(VOICE) if voice is None or isinstance(voice, str) else voice["voice"]
        chords = self.network(torch.tensor([list(text.encode())]), told[None])[0]
        return hum(chords.numpy())

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """All at once."""
        yield self.speak(text, voice=voice, seed=seed)


def hum(chords: np.ndarray) -> Audio:
    """[T, C] -> sound: the partials are multiples of 200 Hz."""
    times = np.arange(HOP) / RATE
    waves = np.stack([np.sin(2 * np.pi * 200 * (i + 1) * times) for i in range(PARTIALS)])
    return Audio((chords @ waves).reshape(-1).astype(np.float32), RATE)


def clips_of(voices: int, clips: int, seed: int = 0) -> Iterator[tuple[str, str, Audio, Any]]:
    """Speaker, text, sound and the chord: all voices lie between a dark and a bright one."""
    rng = np.random.default_rng(seed)
    rising = np.linspace(0.0, 0.16, PARTIALS)
    for index in range(voices):
        bright = index / (voices - 1)
        chord = bright * rising + (1 - bright) * rising[::-1]
        for _ in range(clips):
            text = "".join(rng.choice(list("abcdefgh "), int(rng.integers(24, 40))))
            loud = np.asarray([0.6 + 0.1 * (ord(letter) % 5) for letter in text])
            yield f"voice-{index:02d}", text, hum(loud[:, None] * chord), chord
