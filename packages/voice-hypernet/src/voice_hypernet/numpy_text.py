"""The description encoder without torch: the same weights, the same output, a fraction of the load.

Letters: B batch, W words, G n-grams of a word, D width, H heads, C condition.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from voice_data.artefact import load_artefact
from voice_hypernet import grams
from voice_hypernet.understanding import Understanding, check_classes, understood

_KIND = "text-encoder"
_EPSILON = 1e-5
_TOGETHER = 32
"""Descriptions of about one length that are encoded at once."""


class NumpyTextEncoder:
    """What :class:`voice_hypernet.text_encoder.TextEncoder` does, for inference only."""

    def __init__(self, weights: Mapping[str, np.ndarray], heads: int) -> None:
        self.weights = {
            name.replace("in_proj_", "in_proj."): value.astype(np.float32)
            for name, value in weights.items()
        }
        self.heads = heads
        names = {name.split(".")[1] for name in weights if name.startswith("layers.")}
        self.layers = [f"layers.{index}." for index in sorted(map(int, names))]

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> NumpyTextEncoder:
        """Read what ``TextEncoder.save_pretrained`` wrote.

        Raises:
            ArtefactError: if it is no such folder, or made for other attributes.
        """
        found = load_artefact(folder, kind=_KIND, framework="numpy")
        check_classes(found.config)
        return cls(found.tensors, int(found.config["encoder"]["heads"]))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Descriptions -> [B, C].

        Raises:
            DescriptionError: if one of them holds no word.
        """
        readings = [grams.read(text) for text in texts]
        order = sorted(range(len(readings)), key=lambda row: len(readings[row].grams))
        found = np.empty((len(readings), len(self.weights["out.bias"])), np.float32)
        for at in range(0, len(order), _TOGETHER):
            rows = order[at : at + _TOGETHER]
            found[rows] = self(grams.batch([readings[row] for row in rows]))
        return found

    def understand(self, texts: Sequence[str]) -> list[Understanding]:
        """What each description says of a voice.

        Raises:
            DescriptionError: if one of them holds no word.
        """
        return understood(self._linear("tags", self.encode(texts)))

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """N-grams [B, W, G] (0 is padding) -> [B, C]."""
        words = np.any(ids, axis=2)  # [B, W]
        x = self._linear("into", self._bags(ids, words))
        x += self.weights["positions.weight"][: x.shape[1]]
        hidden = np.where(words, np.float32(0), np.float32(-1e9))[:, None, None, :]
        for layer in self.layers:
            x = x + self._attention(layer, self._norm(f"{layer}norm1", x), hidden)
            inner = _gelu(self._linear(f"{layer}linear1", self._norm(f"{layer}norm2", x)))
            x = x + self._linear(f"{layer}linear2", inner)
        weight = words[..., None].astype(np.float32)
        mean = (x * weight).sum(1) / np.maximum(weight.sum(1), 1.0)
        raw = self._linear("out", self._norm("norm", mean))
        return (raw - self.weights["shift"]) * self.weights["scale"]

    def _bags(self, ids: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The sums of the n-grams of every word over the roots of their numbers, [B, W, E].

        Padding is most of a batch of different lengths, and is not read.
        """
        rows = ids[words]  # [those words, G]
        present = rows > 0
        count = present.sum(1)
        starts = np.concatenate([[0], np.cumsum(count)[:-1]])
        sums = np.add.reduceat(self.weights["grams.weight"][rows[present]], starts, axis=0)
        found = np.zeros((*words.shape, sums.shape[1]), np.float32)
        found[words] = sums / np.sqrt(count, dtype=np.float32)[:, None]
        return found

    def _attention(self, layer: str, x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """[B, W, D] -> [B, W, D]; ``hidden`` [B, 1, 1, W] is added to what is attended to."""
        batch, words, width = x.shape
        joined = self._linear(f"{layer}self_attn.in_proj", x)
        split = joined.reshape(batch, words, 3, self.heads, width // self.heads)
        query, key, value = split.transpose(2, 0, 3, 1, 4)  # each [B, H, W, D / H]
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(width // self.heads) + hidden
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, words, width)
        return self._linear(f"{layer}self_attn.out_proj", mixed)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        out = x.reshape(-1, x.shape[-1]) @ weight.T  # one product, not one for each description
        out += bias
        return out.reshape(*x.shape[:-1], -1)

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + _EPSILON)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 7.1.26, off by at most 1.5e-7."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
             + t * (-1.453152027 + t * 1.061405429))))  # fmt: skip
    return np.sign(x) * (1.0 - series * np.exp(-x * x))
