"""Stage one: the byte encoder learns to spell out phonemes (CTC), before it ever hears a sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from jepa_tts.alphabet import PAD
from jepa_tts.checkpoint import save_model, start_model
from jepa_tts.corpus import Corpus, buckets
from jepa_tts.device import open_device
from jepa_tts.losses import pronunciation_loss
from jepa_tts.stages.stage import Loss, Media
from jepa_tts.text import HALVES, collate_text

if TYPE_CHECKING:
    from torch import nn

    from jepa_tts.train_config import TrainConfig

LEXICON_SHARE = 0.3


class Spelling(NamedTuple):
    """A text and its phonemes."""

    text: str
    phonemes: str


class Pronounce:
    """CTC from bytes to phonemes over sentences and, where given, a lexicon."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        corpus = Corpus(Path(config.cache))
        rows = [Spelling(r.text, r.phonemes) for r in corpus.rows]
        self.held_out = [rows[i] for i in corpus.part("validation")][:400]
        self.sentences = [rows[i] for i in corpus.part("train")]
        self.words = _lexicon(Path(config.lexicon)) if config.lexicon else []
        alphabet = sorted({p for row in (*rows, *self.words) for p in row.phonemes})
        self.device = open_device(config.device)
        self.network = start_model(config, corpus, "".join(alphabet)).to(self.device)
        self.table = {p: i + 1 for i, p in enumerate(self.network.config.phonemes)}

    def trained(self) -> list[nn.Parameter]:
        """The text encoder alone."""
        return list(self.network.text_encoder.parameters())

    def save(self, folder: Path) -> None:
        """Write the whole model."""
        save_model(self.network, folder)

    def epoch(self, seed: int, epoch: int) -> list[list[Spelling]]:
        """Every sentence once, and groups of random lexicon words as if they were sentences."""
        rng = np.random.default_rng((seed, epoch, 7))
        rows = list(self.sentences)
        for _ in range(int(len(rows) * LEXICON_SHARE) if self.words else 0):
            picks = [self.words[i] for i in rng.integers(len(self.words), size=rng.integers(1, 7))]
            rows.append(
                Spelling(" ".join(p.text for p in picks), " ".join(p.phonemes for p in picks))
            )
        sizes = [len(r.text.encode()) for r in rows]
        order = buckets(sizes, range(len(rows)), self.config.batch, seed, epoch)
        return [[rows[i] for i in batch] for batch in order]

    def loss(
        self,
        batch: list[Spelling],
        progress: float,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> Loss:
        """Negative log-likelihood per phoneme."""
        logits, slots = self._logits(batch)
        total = pronunciation_loss(logits, slots, self._ids(batch))
        return Loss(total, {"ctc": float(total.detach())})

    def _logits(self, batch: list[Spelling]) -> tuple[Tensor, Tensor]:
        encoder = self.network.text_encoder
        ids = collate_text([row.text for row in batch])
        slots = (ids != PAD).sum(1) * HALVES
        return encoder.phoneme_logits(encoder(ids.to(self.device))), slots

    def _ids(self, batch: list[Spelling]) -> list[Tensor]:
        return [torch.tensor([self.table[p] for p in row.phonemes]) for row in batch]

    def validate(self) -> dict[str, float]:
        """CTC per phoneme and the share of sentences spelled without a mistake."""
        logits, slots = self._logits(self.held_out)
        loss = pronunciation_loss(logits, slots, self._ids(self.held_out))
        right = 0
        best = logits.argmax(-1).cpu()
        for row, labels, count in zip(self.held_out, best, slots, strict=True):
            path = torch.unique_consecutive(labels[:count])
            right += [int(p) for p in path if p] == [self.table[p] for p in row.phonemes]
        return {"ctc": float(loss), "sentences_right": right / max(1, len(self.held_out))}

    def media(self) -> Media:
        """Nothing to see or hear yet."""
        return Media()


def _lexicon(path: Path) -> list[Spelling]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Spelling(row["text"], row["phonemes"]) for row in rows]
