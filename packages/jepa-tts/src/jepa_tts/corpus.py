"""The training cache: everything that training reads, computed once and memory-mapped.

A cache folder holds ``rows.jsonl`` (one line per utterance), ``mel.f16`` ([frames, M], log-mel),
``pitch.f16`` ([frames], Hz, 0 when unvoiced, NaN where it was not measured) and, as the stages
produce them, ``bytes.f16`` (latent frames per byte) and ``latents.f16`` ([latent frames, Z]).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jepa_tts.alphabet import to_bytes
from jepa_tts.config import STRIDE
from jepa_tts.device import CPU
from jepa_tts.frames import Frames, Span

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """One utterance of the cache; ``start`` counts mel frames, ``byte_start`` bytes."""

    id: str
    audio: str
    text: str
    speaker: str
    split: str
    phonemes: str
    seconds: list[float]
    start: int
    frames: int
    byte_start: int

    @property
    def latent_frames(self) -> int:
        """Number of latent frames."""
        return self.frames // STRIDE

    @property
    def latent_span(self) -> Span:
        """First latent frame and number of latent frames."""
        return self.start // STRIDE, self.latent_frames

    @property
    def bytes(self) -> int:
        """Number of bytes, with begin and end."""
        return len(self.text.encode("utf-8")) + 2


class TextAudio(NamedTuple):
    """A padded batch: ids and durations [B, N], latents [B, T, Z], lengths and voices [B]."""

    ids: Tensor
    durations: Tensor
    latents: Tensor
    lengths: Tensor
    voices: Tensor


class Corpus:
    """A training cache opened for reading; its padded batches come to ``device``."""

    def __init__(self, folder: Path, mels: int = 100, device: torch.device = CPU) -> None:
        self.folder, self.mels, self.device = Path(folder), mels, device
        self._frames: dict[str, Frames] = {}
        index = self.folder / "rows.jsonl"
        if not index.is_file():
            raise FileNotFoundError(f"{index} is missing: run `jepa-tts preprocess` first")
        lines = index.read_text("utf-8").splitlines()
        self.rows = [Row(**json.loads(line)) for line in lines]

    def part(self, split: str, speakers: Sequence[str] = ()) -> list[int]:
        """Indices of the rows of a split (and of some speakers only)."""
        return [
            i
            for i, row in enumerate(self.rows)
            if row.split == split and (not speakers or row.speaker in speakers)
        ]

    def array(self, name: str, columns: int) -> np.ndarray:
        """A memory-mapped file of the cache, [rows, columns] of float16.

        Raises:
            FileNotFoundError: naming the command that makes it.
        """
        path = self.folder / f"{name}.f16"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: {_MADE_BY[name]}")
        return np.memmap(path, np.float16, "r").reshape(-1, columns)

    @cached_property
    def mel(self) -> np.ndarray:
        """Log-mel frames of all utterances, [frames, M]."""
        return self.array("mel", self.mels)

    @cached_property
    def pitch(self) -> np.ndarray:
        """F0 of all frames in Hz, [frames]; 0 where unvoiced, NaN where it was not measured."""
        return self.array("pitch", 1)[:, 0]

    @cached_property
    def byte_durations(self) -> np.ndarray:
        """Latent frames of all bytes, [bytes]."""
        return self.array("bytes", 1)[:, 0]

    @cached_property
    def latents(self) -> np.ndarray:
        """Latent means of all utterances, [latent frames, Z]."""
        described = self.folder / "latents.json"
        if not described.is_file():
            raise FileNotFoundError(f"{described} is missing: {_MADE_BY['latents']}")
        width = int(json.loads(described.read_text("utf-8"))["latent"])
        return self.array("latents", width)

    def mel_of(self, index: int) -> Tensor:
        """Log-mel [F, M] of one utterance, F a multiple of four."""
        row = self.rows[index]
        return torch.from_numpy(self.mel[row.start : row.start + row.frames].astype(np.float32))

    def latents_of(self, index: int) -> Tensor:
        """Latents [T, Z] of one utterance."""
        start = self.rows[index].start // STRIDE
        part = self.latents[start : start + self.rows[index].latent_frames]
        return torch.from_numpy(part.astype(np.float32))

    def durations_of(self, index: int) -> Tensor:
        """Latent frames of each byte [N] of one utterance."""
        row = self.rows[index]
        part = self.byte_durations[row.byte_start : row.byte_start + row.bytes]
        return torch.from_numpy(part.astype(np.float32))

    def padded(
        self, name: str, spans: Sequence[Span], *, length: int = 0, fill: float = 0.0
    ) -> Tensor:
        """Spans of the file ``name`` as one batch on the device: :meth:`Frames.padded`."""
        if name not in self._frames:
            array = self.byte_durations if name == "bytes" else getattr(self, name)
            self._frames[name] = Frames(array, self.device)
        return self._frames[name].padded(spans, length=length, fill=fill)

    def text_audio(self, indices: Sequence[int], voices: Sequence[str]) -> TextAudio:
        """The padded batch of some rows; the voice of an unnamed speaker is -1."""
        rows = [self.rows[i] for i in indices]
        ids = [torch.tensor(to_bytes(r.text)) for r in rows]
        known = [voices.index(r.speaker) if r.speaker in voices else -1 for r in rows]
        return TextAudio(
            torch.nn.utils.rnn.pad_sequence(ids, batch_first=True).to(self.device),
            self.padded("bytes", [(r.byte_start, r.bytes) for r in rows]),
            self.padded("latents", [r.latent_span for r in rows]),
            torch.tensor([r.latent_frames for r in rows]).to(self.device),
            torch.tensor(known).to(self.device),
        )


def buckets(
    sizes: Sequence[int], indices: Sequence[int], budget: int, seed: int, epoch: int
) -> list[list[int]]:
    """Batches of rows of similar size, padded size within ``budget``, in a seeded order.

    A row larger than the budget is a batch of its own.
    """
    rng = np.random.default_rng((seed, epoch))
    jitter = rng.uniform(0.9, 1.1, len(indices))
    order = sorted(range(len(indices)), key=lambda k: sizes[indices[k]] * jitter[k])
    batches: list[list[int]] = []
    longest = 0
    for k in order:
        longest = max(longest, sizes[indices[k]])
        if not batches or longest * (len(batches[-1]) + 1) > budget:
            batches.append([])
            longest = sizes[indices[k]]
        batches[-1].append(indices[k])
    rng.shuffle(batches)
    return batches


def split_of(text: str, share: float = 0.01) -> str:
    """``validation`` or ``train``, decided by the text alone: any sentence in the share decides."""
    for sentence in text.replace("! ", ". ").replace("? ", ". ").split(". "):
        digest = hashlib.sha256(sentence.strip(" .!?").lower().encode("utf-8")).digest()
        if int.from_bytes(digest[:4], "big") < share * 2**32:
            return "validation"
    return "train"


_MADE_BY = {
    "mel": "run `jepa-tts preprocess`",
    "pitch": "run `jepa-tts preprocess`",
    "bytes": "run `jepa-tts align` with a checkpoint of the stage `pronounce`",
    "latents": "run `jepa-tts encode` with a checkpoint of the stage `autoencode`",
}
