"""How far speech strays when the model hears only itself, by the second.

Every passage is predicted twice on the true timing: teacher-forced, each frame from the true ones
before it, and free-running, each from the model's own. Both are decoded and held against the true
mel. A model that drifts gets worse, second by second, where it is free.
Letters: B passages, N bytes, T latent frames, Z latent dimensions, F mel frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from jepa_tts.alphabet import PAD, to_bytes
from jepa_tts.chart import Line, Panel, svg
from jepa_tts.config import STRIDE
from jepa_tts.model import Plan

if TYPE_CHECKING:
    from jepa_tts.corpus import Corpus
    from jepa_tts.model import JepaModel

BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Mean absolute distances of log-mels, one per second of speech.

    ``forced`` and ``free`` are distances from the true mel, ``apart`` is that between the two.
    ``free_growth`` is the mean of ``free`` over the later half of the seconds over that of the
    earlier half, ``forced_growth`` the same of ``forced``, which cannot drift: what is said later
    may be harder to say.
    """

    forced: tuple[float, ...]
    free: tuple[float, ...]
    apart: tuple[float, ...]
    forced_growth: float
    free_growth: float
    passages: int

    @property
    def growth(self) -> float:
        """How much more the free distance grows than the teacher-forced one; 1 is no drift."""
        return self.free_growth / self.forced_growth


class Passage(NamedTuple):
    """Byte ``ids`` and their ``durations`` in latent frames [N], ``mel`` [F, M], and who speaks."""

    ids: Tensor
    durations: Tensor
    mel: Tensor
    speaker: str


def passages(
    corpus: Corpus, seconds: float, rate: float, *, split: str = "validation"
) -> Iterator[Passage]:
    """Rows of one speaker after another, joined until they last ``seconds`` at ``rate`` mel frames
    a second; a last one that does not is left out.
    """
    by_speaker: dict[str, list[int]] = {}
    for index in corpus.part(split):
        by_speaker.setdefault(corpus.rows[index].speaker, []).append(index)
    for rows in by_speaker.values():
        together: list[int] = []
        for index in rows:
            together.append(index)
            if sum(corpus.rows[i].frames for i in together) >= seconds * rate:
                yield joined(corpus, together)
                together = []


def joined(corpus: Corpus, rows: Sequence[int]) -> Passage:
    """Rows as one text and one recording; where two meet, a space lasts as long as the silence."""
    texts = [corpus.rows[i].text for i in rows]
    durations = [corpus.durations_of(i) for i in rows]
    parts = [durations[0][:1]]
    for before, after in zip(durations, [*durations[1:], None], strict=True):
        meeting = before[-1:] if after is None else before[-1:] + after[:1]
        parts += [before[1:-1], meeting]
    ids = torch.tensor(to_bytes(" ".join(texts)))
    mel = torch.cat([corpus.mel_of(i) for i in rows])
    return Passage(ids, torch.cat(parts), mel, corpus.rows[rows[0]].speaker)


@torch.inference_mode()
def drift(model: JepaModel, spoken: Sequence[Passage], seconds: int) -> Drift:
    """The distances of the first ``seconds`` of every passage.

    Raises:
        ValueError: if there is no passage, or ``seconds`` is less than two.
    """
    if not spoken:
        raise ValueError(f"no passage lasts {seconds} s: ask for fewer seconds")
    if seconds < 2:
        raise ValueError(f"seconds must be at least 2, not {seconds}: growth compares two halves")
    rate = model.config.mel.frame_rate
    frames = int(seconds * model.config.latent_rate)
    found = torch.zeros(3, frames * STRIDE)
    for start in range(0, len(spoken), BATCH):
        found += _distances(model, spoken[start : start + BATCH], frames)
    found /= len(spoken)
    edges = [round(second * rate) for second in range(seconds)] + [found.shape[1]]
    means = [found[:, a:b].mean(1) for a, b in pairwise(edges)]
    forced, free, apart = (tuple(float(m[kind]) for m in means) for kind in range(3))
    growths = _growth(forced), _growth(free)
    return Drift(
        forced=forced, free=free, apart=apart, passages=len(spoken),
        forced_growth=growths[0], free_growth=growths[1],
    )  # fmt: skip


def _growth(distances: Sequence[float]) -> float:
    half = len(distances) // 2
    later, earlier = distances[-half:], distances[:half]
    return sum(later) / sum(earlier)


def _distances(model: JepaModel, spoken: Sequence[Passage], frames: int) -> Tensor:
    """Sums over passages of the mean distance of every mel frame: forced, free, apart [3, F]."""
    true = torch.stack([p.mel[: frames * STRIDE] for p in spoken]).transpose(1, 2)
    history = model.audio_encoder(true).mean
    plan = _plan(model, spoken, history)
    forced = model.mel_decoder(model.predict(plan, history).latents)
    free = model.mel_decoder(free_run(model, plan, frames))
    pairs = (forced, true), (free, true), (free, forced)
    return torch.stack([(a - b).abs().mean(1).sum(0) for a, b in pairs])


def _plan(model: JepaModel, spoken: Sequence[Passage], history: Tensor) -> Plan:
    """The true durations; a speaker without a name is heard from the passage itself."""
    ids = pad_sequence([p.ids for p in spoken], batch_first=True, padding_value=PAD)
    durations = pad_sequence([p.durations for p in spoken], batch_first=True)
    names = model.config.speakers
    heard = model.voices.hear(history, torch.ones(history.shape[:2], dtype=torch.bool))
    rows = [
        model.voices.named(p.speaker)[0] if p.speaker in names else own
        for p, own in zip(spoken, heard, strict=True)
    ]
    lengths = durations.sum(1).round().long()
    return Plan(model.text_encoder(ids), ids != PAD, torch.stack(rows), durations, lengths)


def free_run(model: JepaModel, plan: Plan, frames: int) -> Tensor:
    """Latents [B, T, Z] of exactly ``frames`` frames, each from the model's own before it."""
    times = plan.clock(frames)
    state = model.predictor.begin(plan.text, plan.mask, frames)
    past, out = model.predictor.start.expand(len(plan.text), 1, -1), []
    for frame in range(frames):
        rows = times.rows(frame, frame + 1)
        past = model.predictor.step(past, plan.text, plan.voice, rows, state).latents
        out.append(past)
    return torch.cat(out, dim=1)


def table(found: Drift) -> str:
    """The distances for a person, as Markdown."""
    rows = ["| second | teacher-forced | free-running | between the two |", "|---|---|---|---|"]
    values = zip(found.forced, found.free, found.apart, strict=True)
    for second, distances in enumerate(values, 1):
        rows.append(f"| {second} | " + " | ".join(f"{value:.3f}" for value in distances) + " |")
    rows.append(
        f"\n{found.passages} passages; later half over earlier half: teacher-forced "
        f"{found.forced_growth:.3f}, free-running {found.free_growth:.3f}, drift {found.growth:.3f}"
    )
    return "\n".join(rows)


def drawn(found: Drift) -> str:
    """The distances as SVG."""
    kinds = {"teacher-forced": found.forced, "free-running": found.free, "apart": found.apart}
    lines = [
        Line(name=name, points=[(second + 0.5, value) for second, value in enumerate(values)])
        for name, values in kinds.items()
    ]
    title = "Distance of log-mels by second"
    return svg([Panel(title=title, x="seconds of speech", y="mean distance", lines=lines)])
