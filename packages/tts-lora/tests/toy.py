"""A speech model that fulfils the port with a real Llama of two layers: bytes in, tones out.

A clip is one tone per tenth of a second, and a code names the tone. Tests and the scripts that they
start import it with ``from toy import ...``; :func:`register` makes ``toy`` a base model.
Letters: B batch, T positions, U units (codes and the stop), V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from voice_data import speech
from voice_data.audio import Audio, write
from voice_data.dataset import Example
from voice_data.speech import Condition, Encoded, Loss, SpeechModelError, Trace

RATE, HOP, CODES, REFERENCE = 16_000, 1_600, 24, 2
START, FIRST_CODE = 256, 257
STOP = FIRST_CODE + CODES
VOCABULARY, PAD = STOP + 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLoss(Loss):
    """A loss that says how many positions its total is the mean of."""

    positions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyBatch:
    """``ids`` and ``mask`` [B, T], and for each row where its units start and how many they are."""

    ids: Tensor
    mask: Tensor
    starts: tuple[int, ...]
    units: tuple[int, ...]


class ToySpeech:
    """Reference codes, the bytes of the text, START, a code per tone, STOP: a plain language model.

    ``shift`` plants the classic mistake: training labels that are off by so many positions.
    """

    sample_rate = RATE

    def __init__(self, *, seed: int = 0, width: int = 32, shift: int = 0, context: int = 400):
        config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=context,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=STOP,
            tie_word_embeddings=False,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = LlamaForCausalLM(config).eval()
        self.shift, self.context = shift, context
        digest = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        self.weights_sha256 = digest.hexdigest()

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """Presets."""
        attention = ("q_proj", "k_proj", "v_proj", "o_proj")
        return {
            "attention": attention,
            "all": (*attention, "gate_proj", "up_proj", "down_proj"),
            "head": ("lm_head",),
        }

    def encode(self, example: Example) -> Encoded:
        """Text bytes and codes, and the first codes as a reference."""
        name, audio = example.utterance.id, example.audio
        if audio.rate != RATE:
            raise SpeechModelError(f"clip {name!r} has {audio.rate} Hz and {RATE} Hz are wanted")
        codes = codes_of(audio)
        if len(codes) < REFERENCE or not example.utterance.text:
            raise SpeechModelError(f"clip {name!r} is too short or has no text: drop it")
        text = list(example.utterance.text.encode())
        return {"text": torch.tensor(text), "codes": torch.tensor(codes)}

    def length(self, encoded: Encoded) -> int:
        """Positions of the network."""
        return REFERENCE + len(encoded["text"]) + 1 + len(encoded["codes"]) + 1

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The first codes of the first clip."""
        if not encoded:
            raise SpeechModelError("a voice needs a clip")
        return {"codes": encoded[0]["codes"][:REFERENCE]}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> ToyBatch:
        """Rows padded at the right."""
        told = conditions or [self.condition([each]) for each in encoded]
        rows = [_row(each, voice) for each, voice in zip(encoded, told, strict=True)]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
        lengths = torch.tensor([len(row) for row in rows])
        return ToyBatch(
            ids=ids,
            mask=torch.arange(ids.shape[1]) < lengths[:, None],
            starts=tuple(REFERENCE + len(each["text"]) + 1 for each in encoded),
            units=tuple(len(each["codes"]) + 1 for each in encoded),
        )

    def loss(self, batch: ToyBatch) -> Loss:
        """Cross-entropy, the mean over all units of the batch."""
        trace = self.trace(batch)
        outputs, labels = trace.outputs[trace.mask], trace.labels[trace.mask]
        total = functional.cross_entropy(outputs, labels)
        return CountedLoss(
            total=total, parts={"codes": float(total.detach())}, positions=len(labels)
        )

    def trace(self, batch: ToyBatch, path: speech.Path = "loss") -> Trace:
        """Logits [B, U, V], units [B, U] and their mask [B, U]."""
        if path != "loss":
            return self._generated(batch, cached=path == "cached")
        out = self.network(input_ids=batch.ids, attention_mask=batch.mask.long())
        outputs, labels = [], []
        for row, (start, units) in enumerate(zip(batch.starts, batch.units, strict=True)):
            outputs.append(out.logits[row, start - 1 : start - 1 + units])
            labels.append(batch.ids[row, start : start + units].roll(-self.shift))
        return _stacked(outputs, labels)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The likeliest tones; with a seed they are drawn."""
        return Audio(
            np.concatenate([piece.samples for piece in self._spoken(text, voice, seed)]), RATE
        )

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """Tone by tone."""
        yield from self._spoken(text, voice, seed)

    def units_of(self, text: str, voice: Condition, limit: int = 40) -> list[int]:
        """The codes that the model says, without the stop."""
        row = _row({"text": torch.tensor(list(text.encode())), "codes": torch.tensor([])}, voice)
        steps, found = self._steps(row[:-1], cached=True), []
        logits = next(steps)
        while (
            len(found) < limit and (unit := int(logits[FIRST_CODE:].argmax()) + FIRST_CODE) != STOP
        ):
            found.append(unit - FIRST_CODE)
            logits = steps.send(unit)
        return found

    def _spoken(
        self, text: str, voice: str | Condition | None, seed: int | None
    ) -> Iterator[Audio]:
        if isinstance(voice, str):
            raise SpeechModelError(f"no voice {voice!r}: this model has no names for voices")
        voice = voice if voice is not None else {"codes": torch.zeros(REFERENCE, dtype=torch.int64)}
        units = self.units_of(text, voice) or [0]
        rng = np.random.default_rng(seed)
        for unit in units:
            yield tone(unit, level=0.3 if seed is None else float(rng.uniform(0.29, 0.31)))

    @torch.no_grad()
    def _steps(self, prompt: Tensor, *, cached: bool) -> Generator[Tensor, int, None]:
        """Logits [V] for the next unit; send it to go on. The one path of generation."""
        ids, past = prompt[None].to(self.network.device), None
        while True:
            fed = ids if past is None else ids[:, -1:]
            out = self.network(input_ids=fed, past_key_values=past, use_cache=cached)
            past = out.past_key_values if cached else None
            unit = yield out.logits[0, -1]
            ids = torch.cat([ids, ids.new_tensor([[unit]])], dim=1)

    def _generated(self, batch: ToyBatch, *, cached: bool) -> Trace:
        outputs, labels = [], []
        for row, (start, units) in enumerate(zip(batch.starts, batch.units, strict=True)):
            steps = self._steps(batch.ids[row, :start], cached=cached)
            logits, fed = [next(steps)], batch.ids[row, start : start + units]
            logits += [steps.send(int(unit)) for unit in fed[:-1]]
            outputs.append(torch.stack(logits))
            labels.append(fed)
        return _stacked(outputs, labels)


def _row(encoded: Encoded, voice: Condition) -> Tensor:
    parts = (
        voice["codes"] + FIRST_CODE,
        encoded["text"],
        torch.tensor([START]),
        encoded["codes"] + FIRST_CODE,
        torch.tensor([STOP]),
    )
    return torch.cat([part.to(torch.int64) for part in parts])


def _stacked(outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> Trace:
    pad = torch.nn.utils.rnn.pad_sequence
    lengths = torch.tensor([len(each) for each in labels], device=labels[0].device)
    padded = pad(list(labels), batch_first=True)
    mask = torch.arange(padded.shape[1], device=lengths.device) < lengths[:, None]
    return Trace(outputs=pad(list(outputs), batch_first=True), labels=padded, mask=mask)


def tone(code: int, *, level: float = 0.3) -> Audio:
    """A tenth of a second of the tone that ``code`` names."""
    times = np.arange(HOP) / RATE
    samples = level * np.sin(2 * np.pi * (code + 4) * 100.0 * times)
    return Audio(samples.astype(np.float32), RATE)


def codes_of(audio: Audio) -> list[int]:
    """The loudest tone of each tenth of a second."""
    frames = audio.samples[: len(audio.samples) // HOP * HOP].reshape(-1, HOP)
    loudest = np.abs(np.fft.rfft(frames)).argmax(axis=1) / 10 - 4  # a bin has 10 Hz
    return [int(code) for code in np.clip(np.round(loudest), 0, CODES - 1)]


def encoded_clip(codes: Sequence[int], text: str = "Hello.") -> Encoded:
    """What :meth:`ToySpeech.encode` makes of a clip with these tones."""
    return {"text": torch.tensor(list(text.encode())), "codes": torch.tensor(list(codes))}


def write_corpus(folder: Path, clips: int = 6, *, speaker: str = "ann", seed: int = 0) -> Path:
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


def load(path: str | None = None) -> ToySpeech:
    """The entry point: ``toy`` or ``toy:SEED``."""
    return ToySpeech(seed=int(path or 0))


def register() -> None:
    """Make ``toy`` a base model of this process, beside those that are installed."""
    plain = speech.entry_points

    def with_toy(**query: Any) -> Any:
        mine = [EntryPoint("toy", "toy:load", speech.GROUP)]
        return [*(e for e in plain(**query) if e.name != "toy"), *mine]

    speech.entry_points = with_toy
