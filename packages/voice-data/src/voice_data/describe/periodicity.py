"""How regular a voice is: harmonics against noise, the cepstral peak, and jitter.

Letters: S samples, N frames, Q quefrencies, C cycles.
"""

from __future__ import annotations

import numpy as np

from voice_data.describe.track import HOP, RATE, Track, frames, runs

_WIDTH = 768  # 48 ms: three periods at 62.5 Hz
_FRAMES = 160  # enough of them for a stable median; more only cost time
_OVERSAMPLED = 4
_CEPSTRUM_LOW, _CEPSTRUM_HIGH = 1 / 500, 1 / 60  # s
_BEST_HNR = 40.0  # dB: above, rounding decides
_SEARCH = 0.12  # of a period
_MATCH = 0.7  # correlation under which two cycles are not the same sound
_FEWEST_CYCLES = 20
_AVERAGED = 0.336  # what matching two cycles at once leaves of independent deviations


def hnr(track: Track) -> float | None:
    """Median harmonics-to-noise ratio in dB by autocorrelation (Boersma, IFA Proc. 17, 1993).

    The autocorrelation of the windowed frame is divided by that of the window; its height r at the
    tracked period gives 10 log10(r / (1 - r)). None if nothing is voiced.
    """
    chosen = _spread(track.voiced)
    if not len(chosen):
        return None
    window = np.hanning(_WIDTH)
    size = 2048
    correlation = _autocorrelation(_centred(track, chosen) * window, size)
    ideal = _autocorrelation(window[None], size)[0]
    height = correlation / correlation[:, :1].clip(1e-12) / (ideal / ideal[0]).clip(1e-3)
    period = RATE * _OVERSAMPLED / track.f0[chosen]
    offsets = np.arange(-1.0, 1.0001, 0.02)
    lags = np.round(period[:, None] * (1 + _SEARCH * offsets)).astype(np.int64)
    best = np.take_along_axis(height, lags, axis=1).max(axis=1).clip(1e-4, 1 - 1e-4)
    return float(min(np.median(10 * np.log10(best / (1 - best))), _BEST_HNR))


def cpp(track: Track) -> float | None:
    """Mean cepstral peak prominence in dB (Hillenbrand et al., JSHR 37, 1994).

    The peak of the cepstrum at the tracked period above the straight line through the quefrencies
    from 1/500 to 1/60 s. None if nothing is voiced.
    """
    chosen = _spread(track.voiced)
    if not len(chosen):
        return None
    size = 1024
    spectrum = np.abs(np.fft.rfft(_centred(track, chosen) * np.hanning(_WIDTH), size, axis=1))
    level = 20 * np.log10(spectrum + 1e-7)
    cepstrum = 20 * np.log10(np.abs(np.fft.irfft(level, size, axis=1))[:, : size // 2] + 1e-7)
    first, last = int(_CEPSTRUM_LOW * RATE), int(_CEPSTRUM_HIGH * RATE)
    quefrency = np.arange(first, last)
    slope, offset = np.polyfit(quefrency, cepstrum[:, first:last].T, 1)
    raised = cepstrum[:, first:last] - (slope[:, None] * quefrency + offset[:, None])
    near = np.abs(quefrency * track.f0[chosen, None] / RATE - 1) < _SEARCH
    return float(np.mean(np.where(near, raised, -np.inf).max(axis=1).clip(0.0)))


def jitter(track: Track) -> float | None:
    """Relative average perturbation of the period in percent (Koike, Studia Phonologica 7, 1973).

    The mean distance of a period from the mean of itself and its neighbours, over the mean
    period. Periods are found by matching the waveforms of neighbouring cycles, as Milenkovic (JSHR
    30, 1987) does; two cycles at a time, which never loses its place in running speech, and what
    that averages away is made good for independent deviations. None with fewer than twenty cycles.
    """
    deviations, lengths = [], []
    for start, end in runs(track.f0 > 0):
        periods = _periods(track, int(start), int(end))
        for first, last in runs(~np.isnan(periods)):
            stretch = periods[first:last]
            if len(stretch) > 2:
                middle = (stretch[:-2] + stretch[1:-1] + stretch[2:]) / 3
                deviations.append(np.abs(stretch[1:-1] - middle))
                lengths.append(stretch[1:-1])
    if sum(map(len, lengths)) < _FEWEST_CYCLES:
        return None
    share = np.mean(np.concatenate(deviations)) / np.mean(np.concatenate(lengths))
    return float(100 * share / _AVERAGED)


def _periods(track: Track, start: int, end: int) -> np.ndarray:
    """The lengths in samples of the cycles between two frames [C]; NaN where none fits."""
    times = np.arange(start, end) * HOP
    marks, place = [], float(times[0])
    while place < times[-1]:
        marks.append(place)
        place += RATE / np.interp(place, times, track.f0[start:end])
    if len(marks) < 4:
        return np.empty(0)
    centres = np.round(marks).astype(np.int64)
    guess = np.round(RATE / np.interp(marks, times, track.f0[start:end])).astype(np.int64)
    width = 2 * int(guess.max())
    reach = max(2, int(_SEARCH * guess.max()) + 1)
    here = frames(track.samples, centres, width)
    there = frames(track.samples, centres + guess, width + 2 * reach)
    return guess + _best_lag(here, there, reach)


def _best_lag(here: np.ndarray, there: np.ndarray, reach: int) -> np.ndarray:
    """By how many samples ``there`` [C, W + 2 R] is late against ``here`` [C, W]; NaN: unlike."""
    width = here.shape[1]
    shifted = np.lib.stride_tricks.sliding_window_view(there, width, axis=1)  # [C, 2 R + 1, W]
    product = np.einsum("cw,crw->cr", here, shifted)
    square = np.cumsum(np.pad(np.square(there, dtype=np.float64), ((0, 0), (1, 0))), axis=1)
    energy = (square[:, width:] - square[:, :-width]) * np.square(here).sum(axis=1)[:, None]
    height = product / np.sqrt(energy.clip(1e-16))
    peak = height.argmax(axis=1).clip(1, 2 * reach - 1)
    row = np.arange(len(here))
    left, top, right = height[row, peak - 1], height[row, peak], height[row, peak + 1]
    bend = left - 2 * top + right
    vertex = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    fits = (top >= _MATCH) & (np.abs(vertex) <= 1)
    return np.where(fits, peak - reach + vertex, np.nan)


def _spread(numbers: np.ndarray) -> np.ndarray:
    return numbers[:: max(1, len(numbers) // _FRAMES)]


def _centred(track: Track, chosen: np.ndarray) -> np.ndarray:
    parts = frames(track.samples, chosen * HOP, _WIDTH).astype(np.float64)
    return parts - parts.mean(axis=1, keepdims=True)


def _autocorrelation(parts: np.ndarray, size: int) -> np.ndarray:
    """Autocorrelation [N, ...] on a grid four times as fine as the samples."""
    power = np.abs(np.fft.rfft(parts, size, axis=1)) ** 2
    return np.fft.irfft(power, size * _OVERSAMPLED, axis=1)[:, : size * _OVERSAMPLED // 4]
