"""How loud speech is, and how far above the noise of the room.

Letters: S samples, N blocks, F frequencies.
"""

from __future__ import annotations

import numpy as np

from voice_data.describe.track import RATE, Track

_BLOCK, _STEP = 6_400, 1_600  # 400 ms, three quarters overlapping
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
_OFFSET = -0.691
_BEST_SNR = 80.0
_QUIET_SHARE = 5.0  # percent of the frames that are taken for noise
# The two filters of ITU-R BS.1770-4, tables 1 and 2, at 48 kHz: numerator, denominator
_FILTERS = (
    (
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (-1.69065929318241, 0.73248077421585),
    ),
    ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)),
)


def loudness(track: Track) -> float:
    """Integrated loudness in LUFS after ITU-R BS.1770-4, of the sound below 8 kHz.

    The weighting is applied to the spectra of the 400 ms blocks. Silence has -70.
    """
    samples = np.pad(track.samples, (0, max(0, _BLOCK - len(track.samples)))).astype(np.float64)
    blocks = np.lib.stride_tricks.sliding_window_view(samples, _BLOCK)[::_STEP]
    power = np.abs(np.fft.rfft(blocks, axis=1)) ** 2
    power[:, 1:-1] *= 2  # the negative frequencies
    weighted = (power @ _weights()) / _BLOCK**2  # mean square, [N]
    level = _OFFSET + 10 * np.log10(weighted + 1e-12)
    heard = weighted[level > _ABSOLUTE_GATE]
    if not len(heard):
        return _ABSOLUTE_GATE
    gate = _OFFSET + 10 * np.log10(heard.mean()) + _RELATIVE_GATE
    return float(_OFFSET + 10 * np.log10(heard[_OFFSET + 10 * np.log10(heard) > gate].mean()))


def snr(track: Track) -> float | None:
    """Speech level over the level of the quietest twentieth of the frames, in dB, at most 80.

    A clip without any pause has no frame of pure noise: there it is a lower bound. None if nobody
    speaks.
    """
    if not track.active.any():
        return None
    power = 10 ** (track.level / 10)
    noise = max(float(np.percentile(power, _QUIET_SHARE)), 1e-14)
    speech = max(float(power[track.active].mean()) - noise, 1e-14)
    return float(np.clip(10 * np.log10(speech / noise), -10.0, _BEST_SNR))


def _weights() -> np.ndarray:
    """The power response [F] of the K weighting."""
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(_BLOCK, 1 / RATE) / 48_000)
    response = np.ones(len(turn), np.complex128)
    for (b0, b1, b2), (a1, a2) in _FILTERS:
        response *= (b0 + b1 * turn + b2 * turn**2) / (1 + a1 * turn + a2 * turn**2)
    return np.abs(response) ** 2
