"""What the description encoder is taught: labels as distributions, teachers' vectors, a probe.

Letters: B batch, D width of a teacher's vectors, K classes, T texts, W words, G n-grams of a word.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voice_hypernet import grams
from voice_hypernet.understanding import ATTRIBUTES, CLASH, CLASSES, COUNT, place

_log = logging.getLogger(__name__)
_CLASH_SHARE = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Texts, each teacher's vectors [T, D] of them, NaN where it has none, and labels where known.

    ``labels`` holds None for everyday text.
    """

    texts: Sequence[str]
    vectors: Mapping[str, np.ndarray]
    labels: Sequence[Mapping[str, str] | None]

    def __post_init__(self) -> None:
        for name, rows in {**self.vectors, "labels": self.labels}.items():
            if len(rows) != len(self.texts):
                raise ValueError(f"{name} has {len(rows)} rows for {len(self.texts)} texts")


class Taught(NamedTuple):
    """Lessons, ready: ids [T, W, G], centred unit vectors [T, D] and what the probe says [T, K]."""

    ids: list[np.ndarray]
    vectors: dict[str, Tensor]
    soft: Tensor
    everyday: list[int]


def prepared(lessons: Lessons, seed: int, probe_steps: int) -> Taught:
    """Centre the teachers' vectors within each language, and let a probe label everyday text."""
    korean = np.array([any("\uac00" <= c <= "\ud7a3" for c in text) for text in lessons.texts])
    vectors = {name: _centred(rows, korean) for name, rows in lessons.vectors.items()}
    known = [row for row, labels in enumerate(lessons.labels) if labels is not None]
    everyday = [row for row, labels in enumerate(lessons.labels) if labels is None]
    wanted = targets([labels or {} for labels in lessons.labels])
    joined = torch.cat([v.nan_to_num() for v in vectors.values()], 1)
    if known and everyday:
        english = [row for row in known if not korean[row]]
        probe = fitted(joined[english], wanted[english], seed, probe_steps)
        with torch.no_grad():
            wanted[everyday] = _softened(probe(joined[everyday]))
    ids = [grams.read(text).grams for text in lessons.texts]
    return Taught(ids, vectors, wanted, everyday)


def targets(labels: Sequence[Mapping[str, str]]) -> Tensor:
    """What the scores of descriptions should become, [B, K]: a distribution for each attribute."""
    out = np.zeros((len(labels), COUNT), np.float32)
    for row, each in enumerate(labels):
        for name in ATTRIBUTES:
            out[row, place(name)] = _target(name, each.get(name, ""))
    return torch.from_numpy(out)


def label_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of scores [B, K] with distributions [B, K], summed over the attributes."""
    parts = [
        -(wanted[:, place(name)] * F.log_softmax(scores[:, place(name)], 1)).sum(1)
        for name in ATTRIBUTES
    ]
    return torch.stack(parts).sum(0).mean()


def fitted(vectors: Tensor, wanted: Tensor, seed: int, steps: int) -> nn.Module:
    """A linear probe [T, D] -> [T, K], trained with decay on what the labels say."""
    generator = torch.Generator().manual_seed(seed)
    probe = nn.Linear(vectors.shape[1], wanted.shape[1])
    nn.init.zeros_(probe.weight)
    optimizer = torch.optim.AdamW(probe.parameters(), 0.02, weight_decay=0.05)
    for _ in range(steps):
        rows = torch.randint(len(vectors), (256,), generator=generator)
        loss = label_loss(probe(vectors[rows]), wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _log.info("probe on the teachers' vectors: %.3f", float(loss.detach()))
    return probe


@lru_cache(maxsize=1024)
def _target(name: str, value: str) -> np.ndarray:
    values = CLASSES[name]
    out = np.zeros(len(values), np.float32)
    if value.startswith(CLASH):
        out[-1] = _CLASH_SHARE
        first = value.partition(":")[2]
        rest = [values.index(first)] if first else range(1, len(values) - 1)
        for index in rest:
            out[index] = (1.0 - _CLASH_SHARE) / len(rest)
        return out
    out[values.index(value)] = 1.0
    return out


def _centred(rows: np.ndarray, korean: np.ndarray) -> Tensor:
    out = np.full(rows.shape, np.nan, np.float32)
    for language in (False, True):
        some = (korean == language) & ~np.isnan(rows).any(1)
        if some.any():
            part = rows[some].astype(np.float32)
            part = part - part.mean(0)
            out[some] = part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-6)
    return torch.from_numpy(out)


def _softened(scores: Tensor) -> Tensor:
    return torch.cat([scores[:, place(name)].softmax(1) for name in ATTRIBUTES], 1)
