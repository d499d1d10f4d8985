"""Text as UTF-8 bytes, and the encoder that learns to pronounce them.

Letters: B batch, N bytes (with begin and end), D width, P phonemes (with the blank).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.alphabet import PAD, VOCABULARY, to_bytes
from jepa_tts.config import JepaConfig
from jepa_tts.transformer import Encoder

HALVES = 2
"""Phoneme slots per byte: the x of "six" needs two."""


def collate_text(texts: Sequence[str]) -> Tensor:
    """Byte ids of several texts, padded with PAD: [B, N] of int64."""
    rows = [torch.tensor(to_bytes(text)) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


class TextEncoder(nn.Module):
    """Bytes in, one vector per byte out; learns spelling through a CTC head over phonemes."""

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        width = config.width
        self.embedding = nn.Embedding(VOCABULARY, width, padding_idx=PAD)
        self.neighbours = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.encoder = Encoder(
            width, config.heads, config.feed_forward, config.text_layers, config.dropout
        )
        self.phoneme_head = nn.Linear(width, HALVES * (len(config.phonemes) + 1))

    def forward(self, ids: Tensor) -> Tensor:
        """[B, N] byte ids -> [B, N, D]; padding positions hold zeros."""
        mask = ids != PAD
        x = self.embedding(ids)
        x = x + self.neighbours(x.transpose(1, 2)).transpose(1, 2)
        return self.encoder(x, mask) * mask[..., None]

    def phoneme_logits(self, encoded: Tensor) -> Tensor:
        """[B, N, D] -> [B, 2 N, P] logits over the blank (0) and the configuration's phonemes."""
        batch, length, _ = encoded.shape
        return self.phoneme_head(encoded).view(batch, length * HALVES, -1)


class DurationHead(nn.Module):
    """How many latent frames each byte lasts in a given voice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Linear(width, 1)

    def forward(self, text: Tensor, voice: Tensor, mask: Tensor) -> Tensor:
        """Text [B, N, D] and voice [B, D] -> log(1 + latent frames), [B, N].

        ``mask`` [B, N] is True on real bytes; the others change nothing.
        """
        heard = mask[..., None]
        x = ((text + voice[:, None]) * heard).transpose(1, 2)
        x = F.gelu(self.first(x)).transpose(1, 2)
        x = F.gelu(self.second((self.norm(x) * heard).transpose(1, 2))).transpose(1, 2)
        return self.out(x).squeeze(-1)
