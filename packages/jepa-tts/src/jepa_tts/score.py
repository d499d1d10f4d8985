"""The plan of one sentence in NumPy: which byte sounds in each frame, as the step wants to hear it.

Letters: N bytes, T latent frames, D width, H heads, C cross-attentions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jepa_tts.config import LENGTH_SLACK, LONGEST_BYTE, SILENT_BYTE

PRIOR_FLOOR = -30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one sentence gives the step.

    ``planned`` latent frames, and ``limit`` with the slack; ``fixed`` [T, D] and ``bias``
    [T, C, H, N] of the frames up to the limit; ``keys`` and ``values`` [C, H, N, D / H].
    """

    planned: int
    fixed: np.ndarray
    bias: np.ndarray
    keys: np.ndarray
    values: np.ndarray

    @property
    def limit(self) -> int:
        """The most latent frames."""
        return len(self.fixed)


def timed(logarithms: np.ndarray, speed: float) -> np.ndarray:
    """The duration head's output [N] -> latent frames of every byte, [N]."""
    durations = np.expm1(logarithms).clip(0.0, LONGEST_BYTE)
    return (durations * (durations > SILENT_BYTE) / np.float32(speed)).astype(np.float32)


def planned_frames(durations: np.ndarray) -> int:
    """The latent frames that a sentence is planned to last; at least one."""
    return max(1, int(np.rint(durations.sum())))


@dataclass(frozen=True, slots=True)
class Clock:
    """As :func:`jepa_tts.clock.clock`: ``position`` [T], ``phase`` [T, 4] and ``prior`` [T, N]."""

    position: np.ndarray
    phase: np.ndarray
    prior: np.ndarray


def clock(durations: np.ndarray, frames: int) -> Clock:
    """The clock of ``durations`` [N] in latent frames."""
    ends = np.cumsum(durations, dtype=np.float32)
    starts = ends - durations
    times = np.arange(frames, dtype=np.float32) + np.float32(0.5)
    last = np.flatnonzero(durations > 0)[-1:].sum()  # 0 where every byte is silent
    position = np.minimum(np.searchsorted(ends, times, side="right"), last)
    start, end = starts[position], ends[position]
    length = (end - start).clip(1e-3)
    since, until = times - start, end - times
    phase = (
        (since / length).clip(0, 1),
        (since / 4).clip(0, 2),
        (until / 4).clip(-1, 2),
        np.log1p(length),
    )
    spread = durations / 2 + np.float32(0.7)
    distance = (times[:, None] - (starts + ends) / 2) / spread
    prior = (np.float32(-0.5) * distance**2).clip(PRIOR_FLOOR)
    prior[:, durations <= 0] = PRIOR_FLOOR
    return Clock(position, np.stack(phase, axis=-1), prior)


def scored(
    durations: np.ndarray,
    spoken: np.ndarray,
    phase: tuple[np.ndarray, np.ndarray],
    strengths: np.ndarray,
    text: tuple[np.ndarray, np.ndarray],
) -> Score:
    """``durations`` [N], each byte's share ``spoken`` [N, D], weight [4, D] and bias [D] of the
    ``phase``, ``strengths`` [C, H] of the clock, keys and values of the ``text``.
    """
    planned = planned_frames(durations)
    times = clock(durations, planned + LENGTH_SLACK)
    fixed = spoken[times.position] + times.phase @ phase[0] + phase[1]
    bias = times.prior[:, None, None] * strengths[:, :, None]
    return Score(planned=planned, fixed=fixed, bias=bias, keys=text[0], values=text[1])
