"""The colour of a voice: how steeply its spectrum falls, and how long its vocal tract seems.

Letters: S samples, N frames, F frequencies, P predictor order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from voice_data.describe.track import HOP, RATE, Track, frames

_WIDTH = 512
_LOWEST, _HIGHEST = 200.0, 6_300.0  # Hz: thirds of octaves between which the slope is fitted
_HEADROOM = 0.97  # of the bandwidth
_NARROWEST, _BEFORE_CLIFF, _CLIFF_WIDTH, _CLIFF = 2_000.0, 600.0, 200.0, 25.0  # Hz, Hz, Hz, dB
_LPC_ORDER, _LPC_WIDTH = 10, 512  # five resonances
_CEILING, _LOWEST_CEILING, _HIGHEST_CEILING = 5_000.0, 4_300.0, 7_000.0  # Hz
_ROUNDS = 4
_LPC_FRAMES = 64
_PREEMPHASIS = 0.97
_SOUND = 35_000.0  # cm/s in warm, moist air
_FORMANTS = 4
_FEWEST = 5  # frames
_WIDEST = 600.0  # Hz of bandwidth: beyond, a pole is no resonance


class Colour(NamedTuple):
    """``tilt`` in dB per octave and ``centroid`` in Hz of the long-term average spectrum."""

    tilt: float
    centroid: float


class Spectrum(NamedTuple):
    """The long-term average ``power`` [F] of voiced speech at ``frequency`` [F] Hz.

    It ends at ``bandwidth`` Hz: a telephone's at 4 kHz, whatever the rate of the file.
    """

    power: np.ndarray
    frequency: np.ndarray
    bandwidth: float


def spectrum(track: Track) -> Spectrum | None:
    """The average over voiced frames only: how many hisses a sentence has is not the voice's.

    None if nothing is voiced.
    """
    if not len(track.voiced):
        return None
    window = np.hanning(_WIDTH).astype(np.float32)
    parts = frames(track.samples, track.voiced * HOP, _WIDTH) * window
    power = np.mean(np.abs(np.fft.rfft(parts, axis=1)) ** 2, axis=0)
    return Spectrum(power, np.fft.rfftfreq(_WIDTH, 1 / RATE), _bandwidth(power))


def colour(average: Spectrum) -> Colour:
    """The slope over thirds of octaves, 200 Hz to 6.3 kHz, and the centre of gravity."""
    power, frequency, bandwidth = average
    highest = min(_HIGHEST, _HEADROOM * bandwidth)
    edges = _LOWEST * 2.0 ** (np.arange(0.0, np.log2(highest / _LOWEST) + 1e-9, 1 / 3))
    bands = [power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(edges)]
    octave = np.log2(np.sqrt(edges[:-1] * edges[1:]))
    level = 10 * np.log10(np.maximum(bands, 1e-12))
    inside = (frequency >= _LOWEST / 2) & (frequency <= highest)
    total = max(float(power[inside].sum()), 1e-12)
    return Colour(
        tilt=float(np.polyfit(octave, level, 1)[0]),
        centroid=float((power[inside] * frequency[inside]).sum() / total),
    )


def _bandwidth(power: np.ndarray) -> float:
    """Where the spectrum falls off a cliff for good, in Hz; half the rate if it does not."""
    level = 10 * np.log10(np.maximum(power, 1e-14))
    step = RATE / _WIDTH  # Hz
    before, gap = round(_BEFORE_CLIFF / step), round(_CLIFF_WIDTH / step)
    for place in range(round(_NARROWEST / step), len(level) - gap):
        if level[place + gap :].max() < level[place - before : place].mean() - _CLIFF:
            return place * step
    return RATE / 2


def tract_length(track: Track, bandwidth: float) -> float | None:
    """Apparent length of the vocal tract in cm, from the spacing of the first four formants.

    Formants by selective linear prediction (Makhoul, Proc. IEEE 63, 1975), ten poles below a
    ceiling. A tube closed at one end has F_i = (2 i - 1) c / 4 L, and the spacing is the
    regression of the measured F_i on (2 i - 1) / 2 (Reby and McComb, Animal Behaviour 65, 2003).
    Five resonances reach up to five times the spacing: the ceiling is moved there, and again.
    None without clear formants, or where ``bandwidth`` Hz leaves no room for four.
    """
    chosen = _strongest(track)
    if not len(chosen) or bandwidth < _LOWEST_CEILING:
        return None
    emphasised = track.samples - _PREEMPHASIS * np.append(0.0, track.samples[:-1])
    parts = frames(emphasised, chosen * HOP, _LPC_WIDTH) * np.hamming(_LPC_WIDTH)
    power = np.abs(np.fft.rfft(parts, 2 * _LPC_WIDTH, axis=1)) ** 2
    ceiling, spacing = _CEILING, None
    for _ in range(_ROUNDS):
        spacing = _spacing(power, min(ceiling, bandwidth))
        if spacing is None:
            return None
        ceiling = float(np.clip(5 * spacing, _LOWEST_CEILING, _HIGHEST_CEILING))
    return _SOUND / (2 * spacing) if spacing else None


def _spacing(power: np.ndarray, ceiling: float) -> float | None:
    """Hz between formants, of spectra [N, F], as far as the resonances below ``ceiling`` tell."""
    bins = round(ceiling / (RATE / 2) * (power.shape[1] - 1)) + 1
    found = _formants(_predictors(power[:, :bins]), ceiling)  # [N, 4]
    found = found[~np.isnan(found).any(axis=1)]
    if len(found) < _FEWEST:
        return None
    middle = np.median(found, axis=0)
    place = (2 * np.arange(1, _FORMANTS + 1) - 1) / 2
    return float(place @ middle / (place @ place))


def _strongest(track: Track) -> np.ndarray:
    voiced = track.voiced
    loud = voiced[track.level[voiced] >= np.median(track.level[voiced])] if len(voiced) else voiced
    step = max(1, len(loud) // _LPC_FRAMES)
    return loud[::step]


def _predictors(power: np.ndarray) -> np.ndarray:
    """Linear predictors [N, P] of power spectra [N, F]."""
    lags = np.fft.irfft(power, axis=1)[:, : _LPC_ORDER + 1]
    lags[:, 0] = lags[:, 0] * (1 + 1e-9) + 1e-12
    index = np.abs(np.subtract.outer(np.arange(_LPC_ORDER), np.arange(_LPC_ORDER)))
    return np.linalg.solve(lags[:, index], lags[:, 1:, None])[..., 0]


def _formants(predictors: np.ndarray, ceiling: float) -> np.ndarray:
    """The four lowest resonances in Hz of each predictor [N, P]: [N, 4], NaN where fewer."""
    count, order = predictors.shape
    companion = np.zeros((count, order, order))
    companion[:, 0] = predictors
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    roots = np.linalg.eigvals(companion)
    frequency = np.angle(roots) * ceiling / np.pi
    bandwidth = -np.log(np.maximum(np.abs(roots), 1e-9)) * 2 * ceiling / np.pi
    good = (frequency > 150.0) & (frequency < 0.98 * ceiling) & (bandwidth < _WIDEST)
    return np.sort(np.where(good, frequency, np.nan), axis=1)[:, :_FORMANTS]
