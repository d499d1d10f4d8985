"""The source-filter head in NumPy, in pieces: pulses and noise through their envelopes.

The same sound as :class:`jepa_tts.vocoder.SourceFilterHead` makes of the whole; what a sample
depends on is waited for, so a piece never differs from the whole.

Letters: F mel frames, K frequency bins, S samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.vocoder_config import PITCH_CENTRE, PITCH_SPREAD

if TYPE_CHECKING:
    from jepa_tts.noise import Noise
    from jepa_tts.vocoder_config import VocoderConfig

HIGHEST = 11_000.0
"""Hz; harmonics above are left to the noise."""
LOWEST = 60.0


class Waveform:
    """One sentence on its way to samples: features are put in, samples come out."""

    def __init__(self, config: VocoderConfig, noise: Noise) -> None:
        self._hop, self._rate, self._size = config.hop_length, config.sample_rate, config.n_fft
        self._phase = config.phase
        self._reach = config.n_fft // config.hop_length // 2  # frames that overlap to each side
        turn = np.arange(self._size) * (2.0 * np.pi / self._size)
        self._window = (0.5 - 0.5 * np.cos(turn)).astype(np.float32)
        self._source = noise
        self._f0 = np.zeros(0, np.float32)
        self._cycles = 0.0  # of the pulses before the first sample not yet drawn
        self._envelopes = np.zeros((0, self._size + 2), np.float32)
        before = np.zeros(self._size // 2, np.float32)
        self._sources = before, before  # pulses and noise under the frames not yet made
        self._made = 0  # frames whose spectrum has been made
        self._sum = np.zeros((2 * self._reach - 1, self._hop), np.float32)
        self._weight = np.zeros_like(self._sum)

    def put(self, pitch: np.ndarray, envelopes: np.ndarray, *, last: bool) -> np.ndarray:
        """Features of the next frames, ``pitch`` [F, 2] and ``envelopes`` [F, 2 K] -> the samples
        [S] that nothing still to come can change; after the ``last``, all of them.
        """
        spoken = np.exp((pitch[:, 0] * PITCH_SPREAD + PITCH_CENTRE).clip(3.7, 6.5))
        self._f0 = np.concatenate((self._f0, spoken * (pitch[:, 1] > 0)))
        self._envelopes = np.concatenate((self._envelopes, envelopes))
        known = len(self._f0)
        ready = known if last else max(self._made, known - self._reach)
        if ready == self._made:
            return np.zeros(0, np.float32)
        spectrum = self._spectrum(self._excitation(ready, last=last), ready - self._made)
        first = self._made
        self._made = ready
        return self._overlapped(np.fft.irfft(spectrum, self._size), first, last=last)

    def _excitation(self, ready: int, *, last: bool) -> tuple[np.ndarray, np.ndarray]:
        """Pulses and noise under the frames up to ``ready``, padded with zeros at both ends."""
        hop, half = self._hop, self._size // 2
        start, end = self._made * hop - half, (ready - 1) * hop + half
        drawn, stop = start + len(self._sources[0]), min(end, (len(self._f0) - 1) * hop)
        frames = slice(drawn // hop, max(drawn, stop) // hop)
        after = np.zeros(end - stop if last else 0, np.float32)
        new = self._pulses(frames), self._source.draw((frames.stop - frames.start) * hop)
        both = [
            np.concatenate((kept, more, after))[: end - start]
            for kept, more in zip(self._sources, new, strict=True)
        ]
        self._sources = both[0][(ready - self._made) * hop :], both[1][(ready - self._made) * hop :]
        return both[0], both[1]

    def _pulses(self, frames: slice) -> np.ndarray:
        """The samples after each of these frames of :func:`jepa_tts.excitation.pulse_train`."""
        hop, held = self._hop, hold(self._f0).astype(np.float64)
        made = np.zeros((frames.stop - frames.start, 2, hop // 2), np.float32)
        nearest = self._f0[frames.start : frames.stop + 1] > 0
        voiced = np.stack((nearest[:-1], nearest[1:]), axis=1)  # halves of what lies between frames
        if not self._f0[: frames.start + 1].any():  # what was silent so far is now known to be held
            self._cycles = frames.start * hop * held[0] / self._rate
        first, step = held[frames], np.diff(held[frames.start : frames.stop + 1]) / hop
        begin = self._begin(first * hop + step * (hop * (hop - 1) / 2))
        if not voiced.any():
            return made.reshape(-1)
        frame, part = np.nonzero(voiced)
        after = np.arange(hop, dtype=np.float64).reshape(2, -1)[part]
        base, slope = first[frame, None], step[frame, None]
        frequency = (base + slope * after).astype(np.float32)
        after += 1.0
        cycles = after * (base + slope * (after - 1.0) / 2) / self._rate + begin[frame, None]
        made[frame, part] = harmonics(frequency, cycles - np.floor(cycles))
        return made.reshape(-1)

    def _begin(self, hertz: np.ndarray) -> np.ndarray:
        """Cycles, less than one, before each of the next frames; ``hertz`` [F] are their sums."""
        ends = self._cycles + np.cumsum(hertz) / self._rate
        begin = np.concatenate(([self._cycles], ends))
        self._cycles = float(begin[-1] % 1.0)
        return begin[:-1] % 1.0

    def _spectrum(self, sources: tuple[np.ndarray, np.ndarray], frames: int) -> np.ndarray:
        """[F, K] of the next frames, whose envelopes are dropped."""
        pulses, noise = (self._framed(each) for each in sources)
        voiced, noisy = np.split(self._envelopes[:frames], 2, axis=1)
        self._envelopes = self._envelopes[frames:]
        total = transformed(noise * (self._window / np.sqrt((self._window**2).sum())))
        total *= np.exp(noisy)
        sounding = np.flatnonzero(pulses.any(axis=1))
        if len(sounding):
            scaled = self._window * (2.0 / self._window.sum())
            sounds = transformed(pulses[sounding] * scaled)
            total[sounding] += minimum_phase(voiced[sounding], self._phase) * sounds
        return total

    def _framed(self, samples: np.ndarray) -> np.ndarray:
        return np.lib.stride_tricks.sliding_window_view(samples, self._size)[:: self._hop]

    def _overlapped(self, frames: np.ndarray, first: int, *, last: bool) -> np.ndarray:
        """Windowed frames [F, n] added where they overlap -> the samples that are complete."""
        count, reach = len(frames), self._reach
        quarters = (frames * self._window).reshape(count, 2 * reach, self._hop)
        square = (self._window**2).reshape(2 * reach, self._hop)
        total = np.zeros((count + 2 * reach - 1, self._hop), np.float32)
        weight = np.zeros_like(total)
        total[: 2 * reach - 1], weight[: 2 * reach - 1] = self._sum, self._weight
        for part in range(2 * reach):
            total[part : part + count] += quarters[:, part]
            weight[part : part + count] += square[part]
        self._sum, self._weight = total[count:].copy(), weight[count:].copy()
        done = slice(max(0, reach - first), len(total) - reach if last else count)
        return (total[done] / weight[done]).reshape(-1)


def transformed(frames: np.ndarray) -> np.ndarray:
    """Real frames [F, n] -> spectra [F, K] of complex64."""
    return np.fft.rfft(frames).astype(np.complex64, copy=False)


def harmonics(frequency: np.ndarray, cycles: np.ndarray) -> np.ndarray:
    """All harmonics up to ``HIGHEST`` Hz, each a cosine of size one, of a ``frequency`` in Hz after
    so many ``cycles``: the closed form of their sum.
    """
    angle = (2.0 * np.pi * cycles).astype(np.float32)
    order = np.floor(np.float32(HIGHEST) / frequency) + np.float32(0.5)
    below = np.float32(2.0) * np.sin(angle * np.float32(0.5))
    small = np.abs(below) < np.float32(2e-3)
    below[small] = 1.0
    made = np.sin(order * angle) / below
    made[small] = order[small]
    return made - np.float32(0.5)


def hold(f0: np.ndarray) -> np.ndarray:
    """F0 [F] with unvoiced frames at the last voiced F0 (the first one before any)."""
    index = np.where(f0 > 0, np.arange(len(f0)), -1)
    last = np.maximum.accumulate(index)
    return f0[np.where(last < 0, np.argmax(f0 > 0), last)].clip(LOWEST)


def minimum_phase(log_magnitude: np.ndarray, share: float = 1.0) -> np.ndarray:
    """As :func:`jepa_tts.excitation.minimum_phase`, frames first: [F, K] -> [F, K]."""
    size = 2 * (log_magnitude.shape[1] - 1)
    cepstrum = np.fft.irfft(log_magnitude, size)
    cepstrum[:, 1 : size // 2] *= 2.0 * share
    cepstrum[:, size // 2 + 1 :] = 0.0
    phase = np.fft.rfft(cepstrum).imag.astype(np.float32)
    made = np.empty(log_magnitude.shape, np.complex64)
    magnitude = np.exp(log_magnitude)
    np.multiply(magnitude, np.cos(phase), out=made.real)
    np.multiply(magnitude, np.sin(phase), out=made.imag)
    return made
