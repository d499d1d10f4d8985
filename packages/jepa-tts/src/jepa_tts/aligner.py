"""When each byte of a text sounds in a recording of it.

A recording comes without durations. The model's own speech has them (it is made from a plan), so
the model says the text too, both are warped onto each other (dynamic time warping: Sakoe and Chiba,
1978), and the plan's boundaries are carried along. Letters: V voices, F mel frames of the
recording, I of the model's speech, M mel bands, T = F / 4 latent frames, N bytes, C features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from jepa_tts.config import STRIDE

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel, Plan

MISMATCH = 0.78
"""Above this a recording hardly follows its text. Of 119 English clips in voices that the model
was not given 98 % are above it with another clip's text, and 1 % with their own. Languages that the
model does not speak are always above it."""
TOP_HERTZ = 6500.0
"""Features end here: many recordings hold nothing above, and voices differ most up there."""
CEPSTRA, LIFTER, SLOPES = 16, 0.93, 0.7
"""Cepstra kept, how fast their weight falls (high ones tell voices), the weight of their slopes."""
SPEECH_NEPERS, RANGE_NEPERS = 5.0, 10.0
"""Below the loudest band: where speech begins and ends, and what counts as nothing at all."""
SKIP, PENALTY = 3, 0.5
"""Frames of the model's speech passed per recorded one at most; what not passing just one costs."""
TEMPO = (0.5, 2.0)
"""How far the plan is slowed or hurried towards the recording before both are compared."""


class Alignment(NamedTuple):
    """``durations`` [N] in latent frames of the recording, T in all.

    ``mismatch`` is the mean distance along the path as a share of that between any two frames:
    about 0.4 to 0.7 where the text is what is said, about 0.85 where it is not.
    """

    durations: Tensor
    mismatch: float


class Path(NamedTuple):
    """The frame of the model's speech [F] that each recorded one falls on, and the mismatch."""

    frames: np.ndarray
    mismatch: float


class _Speech(NamedTuple):
    """First and last + 1 mel frame of speech, and its features [end - start, C]."""

    start: int
    end: int
    features: np.ndarray


class _Take(NamedTuple):
    """The text in one voice: its ``durations`` [N], what was said and heard, and how they meet."""

    durations: Tensor
    said: _Speech
    heard: _Speech
    path: Path


@torch.inference_mode()
def align(model: JepaModel, ids: Tensor, mel: Tensor, voices: Tensor) -> Alignment:
    """Where the bytes ``ids`` [N] lie in a recording's log-mel [F, M], F a multiple of four.

    The model says them in every one of the ``voices`` [V, D], and the one that comes closest to the
    recording counts. It speaks without hearing itself, all frames at once: that is blurred, but
    just as well timed, and much faster.

    Raises:
        ValueError: if the model plans no time at all for the text, or F is no multiple of four.
    """
    takes = _takes(model, ids, mel, voices)
    best = min(takes, key=lambda take: take.path.mismatch)
    ends = best.durations[:-1].cumsum(0).cpu().numpy() * STRIDE
    moved = _carry(ends, best.path.frames, best.said, best.heard, len(mel))
    edges = np.concatenate(([0.0], moved, [len(mel)])) / STRIDE
    return Alignment(torch.from_numpy(np.diff(edges).astype(np.float32)), best.path.mismatch)


@torch.inference_mode()
def mismatches(model: JepaModel, ids: Tensor, mel: Tensor, voices: Tensor) -> Tensor:
    """The :attr:`Alignment.mismatch` [V] of each of the ``voices``; arguments as of `align`."""
    takes = _takes(model, ids, mel, voices)
    return torch.tensor([take.path.mismatch for take in takes])


def _takes(model: JepaModel, ids: Tensor, mel: Tensor, voices: Tensor) -> list[_Take]:
    if len(mel) % STRIDE:
        raise ValueError(f"the aligner wants a multiple of {STRIDE} mel frames, not {len(mel)}")
    bands = _bands(model)
    heard = _speech(mel.cpu().numpy(), bands)
    plan = _hurried(model.plan(ids[None].expand(len(voices), -1), voices), heard)
    silence = mel.new_zeros(len(voices), int(plan.lengths.max()), model.config.latent)
    spoken = model.mel_decoder(model.predict(plan, silence).latents, plan.lengths)
    rows = zip(spoken.transpose(1, 2).cpu().numpy(), plan.lengths.tolist(), strict=True)
    said = [_speech(row[: length * STRIDE], bands) for row, length in rows]
    paths = warp([speech.features for speech in said], heard.features)
    every = zip(plan.durations, said, paths, strict=True)
    return [_Take(durations, speech, heard, path) for durations, speech, path in every]


def warp(spoken: Sequence[np.ndarray], recorded: np.ndarray) -> list[Path]:
    """For each of ``spoken`` [I, C] the cheapest way of ``recorded`` [F, C] through it.

    Every recorded frame moves on by 0 to ``SKIP`` spoken ones; both begin and end together, where
    the ratio of their lengths allows.
    """
    distance = _distances(spoken, recorded)  # [V, F, I], infinite beyond each one's own I
    count, frames, width = distance.shape
    steps = [PENALTY * abs(step - 1) for step in range(SKIP + 1)]
    best = np.full((count, SKIP + width), np.inf, np.float32)
    best[:, SKIP] = distance[:, 0, 0]
    back = np.zeros((frames, count, width), np.int8)
    for frame in range(1, frames):
        ways = np.stack([best[:, SKIP - k : SKIP - k + width] + steps[k] for k in range(SKIP + 1)])
        back[frame] = ways.argmin(0)
        best[:, SKIP:] = ways.min(0) + distance[:, frame]
    return [_trace_back(best[v, SKIP:], back[:, v], distance[v]) for v in range(count)]


def _trace_back(best: np.ndarray, back: np.ndarray, distance: np.ndarray) -> Path:
    path = np.empty(len(back), np.int64)
    path[-1] = np.flatnonzero(np.isfinite(best))[-1]
    for frame in range(len(path) - 1, 0, -1):
        path[frame - 1] = path[frame] - back[frame, path[frame]]
    usual = max(float(distance[np.isfinite(distance)].mean()), 1e-9)
    return Path(path, float(distance[np.arange(len(path)), path].mean()) / usual)


def _bands(model: JepaModel) -> int:
    mel = model.config.mel
    share = math.log1p(TOP_HERTZ / 700.0) / math.log1p(mel.sample_rate / 2 / 700.0)
    return max(1, int(mel.n_mels * min(1.0, share)))


def _hurried(plan: Plan, heard: _Speech) -> Plan:
    """The plan with its words (all but the silence around them) as long as the recording's."""
    inner = plan.durations[:, 1:-1].sum(1, keepdim=True)
    if not bool((inner > 0).all()):
        raise ValueError("the model gives the text no duration: check the text and its language")
    tempo = ((heard.end - heard.start) / STRIDE / inner).clamp(*TEMPO)
    durations = plan.durations.clone()
    durations[:, 1:-1] *= tempo
    lengths = durations.sum(1).round().long().clamp_min(1)
    return plan._replace(durations=durations, lengths=lengths)


def _speech(mel: np.ndarray, bands: int) -> _Speech:
    """The part of [F, M] between the first and the last frame near the loudest band."""
    mel = mel[:, :bands]
    level = mel.max(1)
    loud = np.flatnonzero(level > level.max() - SPEECH_NEPERS)
    start = min(int(loud[0]), len(mel) - 2)
    end = max(int(loud[-1]) + 1, start + 2)
    return _Speech(start, end, _features(np.maximum(mel, level.max() - RANGE_NEPERS)[start:end]))


def _features(mel: np.ndarray) -> np.ndarray:
    """Cepstra, each with mean 0 and deviation 1 (which takes out the voice), and their slopes."""
    bands = mel.shape[1]
    order = np.arange(min(CEPSTRA, bands))
    cosines = np.cos(np.pi / bands * order[:, None] * (np.arange(bands) + 0.5))
    cepstra = _standard(mel @ cosines.T)
    slopes = _standard(np.gradient(cepstra, axis=0)) * SLOPES
    return np.concatenate((cepstra, slopes), axis=1) * np.tile(LIFTER**order, 2)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(0)) / (values.std(0) + 1e-3)


def _distances(spoken: Sequence[np.ndarray], recorded: np.ndarray) -> np.ndarray:
    """Root mean squares, [V, F, I]."""
    longest = max(len(row) for row in spoken)
    out = np.full((len(spoken), len(recorded), longest), np.inf, np.float32)
    power = (recorded**2).sum(1)[:, None]
    for row, place in zip(spoken, out, strict=True):
        squares = power + (row**2).sum(1) - 2 * recorded @ row.T
        place[:, : len(row)] = np.sqrt(np.maximum(squares, 0.0) / recorded.shape[1])
    return out


def _carry(
    times: np.ndarray, path: np.ndarray, said: _Speech, heard: _Speech, frames: int
) -> np.ndarray:
    """Rising times in the model's speech as times in the recording, both in mel frames."""
    visited, index = np.unique(path, return_inverse=True)
    centres = np.arange(heard.start, heard.end) + 0.5
    means = np.bincount(index, centres) / np.bincount(index)
    end = max(float(times[-1]), said.end + 1.0)
    inside = visited + said.start + 0.5
    spoken = np.concatenate(([0.0, said.start], inside, [said.end, end + 1.0]))
    recorded = np.concatenate(([0.0, heard.start], means, [heard.end, frames]))
    return np.interp(times, spoken, recorded)
