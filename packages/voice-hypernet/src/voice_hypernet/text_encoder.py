"""The offline encoder of descriptions: small, English and Korean, words in any order.

Letters: B batch, W words, G n-grams of a word, E embedding, D width, C condition, K classes of
what a description can say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voice_data.artefact import Provenance, load_artefact, save_artefact
from voice_hypernet import grams
from voice_hypernet.understanding import (
    COUNT,
    Understanding,
    check_classes,
    class_table,
    understood,
)

KIND = "text-encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """The shape of a :class:`TextEncoder`; ``width`` must be divisible by ``heads``."""

    embedding: int = 96
    width: int = 192
    layers: int = 2
    heads: int = 4
    condition: int = 256
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("embedding", "width", "layers", "heads", "condition"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"TextConfig.{name} must be a positive integer, not {value!r}")
        if self.width % self.heads:
            raise ValueError(
                f"TextConfig.width ({self.width}) must be a multiple of heads ({self.heads})"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"TextConfig.dropout must be in [0, 1), not {self.dropout!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a config file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextConfig:
        """A configuration from plain values.

        Raises:
            ValueError: for an unknown key (the valid names are listed) or an impossible value.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r} in TextConfig; valid: {sorted(known)}")
        return cls(**values)


class TextEncoder(nn.Module):
    """Word vectors from hashed n-grams, a small transformer, and the mean over the words.

    What comes out has, after training, zero mean and unit deviation over descriptions
    (:meth:`standardize`); ``tags`` scores what each description says.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.grams = nn.Embedding(grams.BUCKETS, config.embedding, padding_idx=0)
        nn.init.normal_(self.grams.weight, std=0.3)
        with torch.no_grad():
            self.grams.weight[0].zero_()
        self.into = nn.Linear(config.embedding, width)
        self.positions = nn.Embedding(grams.MOST_WORDS, width)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.heads, 2 * width, config.dropout, "gelu",
                batch_first=True, norm_first=True,
            )
            for _ in range(config.layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.condition)
        self.tags = nn.Linear(config.condition, COUNT)
        self.register_buffer("shift", torch.zeros(config.condition))
        self.register_buffer("scale", torch.ones(config.condition))

    def forward(self, ids: Tensor) -> Tensor:
        """N-grams [B, W, G] (0 is padding) -> [B, C]."""
        present = ids > 0
        words = present.any(2)  # [B, W]
        count = present.sum(2, keepdim=True).clamp_min(1)
        bags = F.embedding_bag(ids.flatten(0, 1), self.grams.weight, mode="sum", padding_idx=0)
        x = self.into(bags.view(*words.shape, -1) / count.sqrt())
        x = x + self.positions.weight[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~words)
        weight = words[..., None].to(x.dtype)
        raw = self.out(self.norm((x * weight).sum(1) / weight.sum(1).clamp_min(1.0)))
        return (raw - self.shift) * self.scale

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Descriptions -> [B, C].

        Raises:
            DescriptionError: if one of them holds no word.
        """
        ids = torch.from_numpy(grams.batch([grams.read(text) for text in texts]))
        return self(ids.to(self.out.weight.device))

    def understand(self, texts: Sequence[str]) -> list[Understanding]:
        """What each description says of a voice.

        Raises:
            DescriptionError: if one of them holds no word.
        """
        with torch.no_grad():
            return understood(self.tags(self.encode(texts)).float().cpu().numpy())

    @torch.no_grad()
    def standardize(self, encoded: Tensor) -> None:
        """Make ``encoded`` [B, C], an output over many descriptions, zero mean and unit deviation.

        ``tags`` is changed along, so that it gives the same scores as before.
        """
        mean, deviation = encoded.mean(0), encoded.std(0).clamp_min(1e-4)
        self.tags.bias += self.tags.weight @ mean
        self.tags.weight *= deviation
        self.shift += mean / self.scale
        self.scale /= deviation

    def save_pretrained(
        self, folder: str | os.PathLike[str], card: str, provenance: Provenance
    ) -> str:
        """Write config.json and model.safetensors in half precision; the weights' SHA-256."""
        config = {"encoder": self.config.to_dict(), "classes": class_table()}
        tensors = {name: tensor.half() for name, tensor in self.state_dict().items()}
        return save_artefact(folder, config, tensors, card, provenance, kind=KIND)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> TextEncoder:
        """Read what :meth:`save_pretrained` wrote, in single precision.

        Raises:
            ArtefactError: if it is no such folder, or made for other attributes.
        """
        found = load_artefact(folder, kind=KIND)
        check_classes(found.config)
        encoder = cls(TextConfig.from_dict(found.config["encoder"]))
        encoder.load_state_dict({name: value.float() for name, value in found.tensors.items()})
        return encoder.eval()

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
