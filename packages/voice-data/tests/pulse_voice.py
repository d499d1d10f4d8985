"""Voices made of pulses and noise, of which everything that is measured is known."""

from __future__ import annotations

import numpy as np

from voice_data.audio import Audio

RATE = 16_000
SOUND = 35_000.0  # cm/s


def pulses(
    f0: float | np.ndarray = 120.0, seconds: float = 2.0, *, jitter: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Band-limited pulses [S] of a constant or moving pitch in Hz, each of unit energy.

    ``jitter`` is the standard deviation of the single period in percent.
    """
    size = round(seconds * RATE)
    pitch = np.broadcast_to(np.asarray(f0, np.float64), (size,))
    generator = np.random.default_rng(seed)
    samples, place, spread = np.zeros(size), 20.0, np.arange(-16, 17)
    while place < size - 40:
        centre = round(place)
        samples[centre + spread] += np.sinc(0.95 * (centre + spread - place)) * np.hanning(33)
        place += RATE / pitch[centre] * (1 + jitter / 100 * generator.standard_normal())
    return samples


def voice(
    source: np.ndarray | None = None,
    *,
    tract: float = 17.5,
    slope: float = -6.0,
    noise_db: float | None = None,
    level: float = 0.1,
    seed: int = 0,
) -> Audio:
    """A source through the resonances of a tube of ``tract`` cm, falling ``slope`` dB per octave.

    ``noise_db``: white noise so far under the pulses, through the same tube.
    """
    samples = pulses() if source is None else source
    if noise_db is not None:
        noise = np.random.default_rng(seed).standard_normal(len(samples))
        samples = samples + noise * samples.std() * 10 ** (-noise_db / 20)
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum *= 10 ** (slope * np.log2(np.maximum(frequency, 60.0) / 200.0) / 20)
    spectrum *= resonances(frequency, tract)
    filtered = np.fft.irfft(spectrum, len(samples))
    return Audio((filtered * level / filtered.std()).astype(np.float32), RATE)


def resonances(frequency: np.ndarray, tract: float) -> np.ndarray:
    """The response of a tube closed at one end, all poles below 12 kHz, 80 Hz wide each."""
    spacing = SOUND / (2 * tract)
    response = np.ones(len(frequency), np.complex128)
    s = 2j * np.pi * frequency
    for formant in np.arange(0.5 * spacing, 12_000.0, spacing):
        pole = -np.pi * 80.0 + 2j * np.pi * formant
        response *= abs(pole) ** 2 / ((s - pole) * (s - np.conj(pole)))
    return response


def syllables(rate: float, count: int = 8) -> Audio:
    """``count`` bursts of voice, ``rate`` of them a second, with the level falling between."""
    seconds = count / rate
    steady = voice(pulses(140.0, seconds))
    time = np.arange(len(steady.samples)) / RATE
    swell = 10 ** (-(1 + np.cos(2 * np.pi * rate * time)) / 2 * 15 / 20)
    return Audio((steady.samples * swell).astype(np.float32), RATE)
