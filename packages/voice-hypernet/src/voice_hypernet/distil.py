"""Distil the description encoder: sentence encoders teach what words mean, labels what counts.

Letters: B batch, C condition, K classes, D width of a teacher's vectors, T texts.

Three losses: cross-entropy of the attributes that freely worded descriptions imply; cosine to the
teachers' centred vectors (Reimers and Gurevych, "Making Monolingual Sentence Embeddings
Multilingual", 2020) of descriptions and everyday text; and closeness of the English and Korean
wording of one voice. Words that no label knows get theirs from a probe on the teachers' vectors.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voice_data.storage import replacing
from voice_hypernet import grams
from voice_hypernet.lesson import Lessons, Taught, label_loss, prepared, targets
from voice_hypernet.text_encoder import TextConfig, TextEncoder
from voice_hypernet.wording import Worded, drawn, free, worded

_log = logging.getLogger(__name__)
_GROUPS = 4
_STATE = "state.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilConfig:
    """How to distil; ``pair``, ``teach`` and ``probe`` weigh their losses beside the labels'.

    ``hidden`` is the share of n-grams left out of each word; over ``measured`` descriptions the
    output is standardized. A step has ``batch`` descriptions and ``taught`` lessons.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    steps: int = 12_000
    batch: int = 64
    taught: int = 64
    learning_rate: float = 1.5e-3
    warmup: int = 300
    weight_decay: float = 0.01
    pair: float = 0.3
    teach: float = 1.0
    probe: float = 0.5
    hidden: float = 0.1
    probe_steps: int = 600
    measured: int = 4_000
    seed: int = 0
    save_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "taught", "warmup", "probe_steps", "measured", "save_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"DistilConfig.{name} must be a positive integer, not {value!r}")
        for name in ("learning_rate", "weight_decay", "pair", "teach", "probe"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"DistilConfig.{name} must not be negative")
        if not 0.0 <= self.hidden < 1.0:
            raise ValueError(f"DistilConfig.hidden must be in [0, 1), not {self.hidden!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DistilConfig:
        """A configuration from plain values.

        Raises:
            ValueError: for an unknown key (the valid names are listed) or an impossible value.
        """
        known = [f.name for f in fields(cls)]
        if unknown := [name for name in values if name not in known]:
            raise ValueError(f"unknown key {unknown[0]!r} in DistilConfig; valid: {known}")
        return cls(**values)


class Student(nn.Module):
    """The encoder and, only while it learns, a linear view of each teacher's space."""

    def __init__(self, encoder: TextEncoder, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        condition = encoder.config.condition
        self.views = nn.ModuleDict({name: nn.Linear(condition, d) for name, d in widths.items()})


class Losses(NamedTuple):
    """The parts of one step's loss."""

    label: Tensor
    pair: Tensor
    teach: Tensor
    probe: Tensor


def distil(
    lessons: Lessons,
    folder: str | os.PathLike[str],
    config: DistilConfig | None = None,
    shape: TextConfig | None = None,
    progress: Callable[[int, Mapping[str, float]], None] | None = None,
    start: TextEncoder | None = None,
) -> TextEncoder:
    """Train an encoder; ``folder`` keeps the state, and an interrupted run goes on from there.

    ``start`` is an encoder to train further instead of a new one of ``shape``.

    Raises:
        ValueError: if the state in ``folder`` is of another configuration.
    """
    config = config or DistilConfig()
    shape = start.config if start is not None else shape or TextConfig()
    torch.manual_seed(config.seed)
    taught = prepared(lessons, config.seed, config.probe_steps)
    encoder = TextEncoder(shape) if start is None else start.train()
    student = Student(encoder, {n: v.shape[1] for n, v in taught.vectors.items()})
    optimizer = _optimizer(student, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, config))
    state = Path(folder) / _STATE
    first = _resumed(state, student, optimizer, schedule, config, shape)
    means: dict[str, float] = {}
    for step in range(first, config.steps):
        losses = step_losses(student, taught, config, step)
        total = (losses.label + config.pair * losses.pair + config.teach * losses.teach
                 + config.probe * losses.probe)  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        for name, value in losses._asdict().items():
            now = float(value.detach())
            means[name] = 0.98 * means.get(name, now) + 0.02 * now
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(state, student, optimizer, schedule, config, shape, step + 1)
            if progress is not None:
                progress(step + 1, means)
    return finished(student.encoder, config.seed, config.measured)


def step_losses(student: Student, taught: Taught, config: DistilConfig, step: int) -> Losses:
    """One step on voices in two languages and a batch of lessons; the same for the same step."""
    rng = random.Random(f"{config.seed} {step}")
    both = pairs(rng, config.batch // 2)
    rows = rng.sample(range(len(taught.ids)), min(config.taught, len(taught.ids)))
    ids = [grams.read(each.text).grams for each in both] + [taught.ids[row] for row in rows]
    everything = encoded_by_length(student.encoder, ids, config.hidden, rng)
    encoded, lesson = everything[: len(both)], everything[len(both) :]
    label = label_loss(student.encoder.tags(encoded), targets([each.labels for each in both]))
    half = len(both) // 2
    pair = pair_loss(encoded[:half], encoded[half:], [each.labels for each in both])
    teach = torch.stack(
        [
            teach_loss(view(lesson), taught.vectors[name][rows])
            for name, view in student.views.items()
        ]
    ).mean()
    probe = label_loss(student.encoder.tags(lesson), taught.soft[rows])
    return Losses(label, pair, teach, probe)


def pairs(rng: random.Random, count: int) -> list[Worded]:
    """English wordings of ``count`` voices, and then Korean ones of the same voices."""
    english, korean = [], []
    for _ in range(count):
        labels = drawn(rng)
        if rng.random() < 0.25:
            english.append(worded(rng, "en"))
            korean.append(worded(rng, "ko"))
        else:
            english.append(free(rng, "en", labels))
            korean.append(free(rng, "ko", labels))
    return english + korean


def teach_loss(seen: Tensor, wanted: Tensor) -> Tensor:
    """One less the cosine to a teacher's vectors, over the rows that it has."""
    known = ~wanted.isnan().any(1)
    if not known.any():
        return seen.sum() * 0.0
    return 1.0 - F.cosine_similarity(seen[known], wanted[known]).mean()


def pair_loss(first: Tensor, second: Tensor, labels: Sequence[Mapping[str, str]]) -> Tensor:
    """Both wordings of a voice nearer to each other than to another's in the batch (InfoNCE).

    ``labels`` are those of the first [B] and then of the second [B] wordings; rows whose two
    wordings say different things are left out.
    """
    half = len(first)
    same = [row for row in range(half) if labels[row] == labels[half + row]]
    if len(same) < 2:
        return first.sum() * 0.0
    likeness = F.normalize(first[same], dim=1) @ F.normalize(second[same], dim=1).T / 0.1
    alike = torch.tensor([[a != b and labels[a] == labels[b] for b in same] for a in same])
    likeness = likeness.masked_fill(alike, float("-inf"))
    own = torch.arange(len(same))
    return 0.5 * (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own))


@torch.no_grad()
def finished(encoder: TextEncoder, seed: int, count: int) -> TextEncoder:
    """The encoder with its output standardized over descriptions in both languages."""
    encoder.eval()
    described = pairs(random.Random(f"standardize {seed}"), count // 2)
    texts = [each.text for each in described]
    parts = [encoder.encode(texts[at : at + 64]) for at in range(0, len(texts), 64)]
    encoder.standardize(torch.cat(parts))
    return encoder


def encoded_by_length(
    encoder: TextEncoder, ids: Sequence[np.ndarray], hidden: float, rng: random.Random
) -> Tensor:
    """Texts [W, G] each -> [B, C]; those of a length go together, so that little is padding."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    size = -(-len(order) // _GROUPS)
    parts = []
    for at in range(0, len(order), size):
        some = grams.batch([grams.Reading(grams=ids[row]) for row in order[at : at + size]])
        parts.append(encoder(_hidden(torch.from_numpy(some), hidden, rng)))
    back = torch.empty(len(order), dtype=torch.long)
    back[order] = torch.arange(len(order))
    return torch.cat(parts)[back]


def _hidden(ids: Tensor, share: float, rng: random.Random) -> Tensor:
    """N-grams without a share of them, so that a word is known by any of its parts."""
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    kept = torch.rand(ids.shape, generator=generator) >= share
    kept[:, :, 1:4] = True
    return ids * kept


def _optimizer(student: Student, config: DistilConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        student.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )


def _factor(step: int, config: DistilConfig) -> float:
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.02 + 0.98 * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, done))))


def _save(path: Path, student: Student, optimizer: Any, schedule: Any, config: DistilConfig,
          shape: TextConfig, step: int) -> None:  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"student": student.state_dict(), "optimizer": optimizer.state_dict(),
              "schedule": schedule.state_dict(), "config": asdict(config),
              "shape": shape.to_dict(), "step": step}  # fmt: skip
    with replacing(path) as temporary:
        torch.save(values, temporary)


def _resumed(path: Path, student: Student, optimizer: Any, schedule: Any, config: DistilConfig,
             shape: TextConfig) -> int:  # fmt: skip
    if not path.is_file():
        return 0
    values = torch.load(path, weights_only=True)
    if (values["config"], values["shape"]) != (asdict(config), shape.to_dict()):
        raise ValueError(f"{path} was made with another configuration: choose another folder")
    student.load_state_dict(values["student"])
    optimizer.load_state_dict(values["optimizer"])
    schedule.load_state_dict(values["schedule"])
    _log.info("going on from step %d", values["step"])
    return int(values["step"])
