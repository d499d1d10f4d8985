"""Pulses, noise and minimum phase against the Fourier transform's own words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jepa_tts.excitation import (
    HIGHEST,
    minimum_phase,
    noise_spectrum,
    pulse_spectrum,
    pulse_train,
)

HOP, RATE, SIZE = 256, 24_000, 1024


@pytest.mark.parametrize("pitch", [93.75, 187.5, 281.25])
def test_harmonics_lie_at_multiples_with_amplitude_one(pitch: float) -> None:
    # one second would not hold whole periods of these pitches; 64 frames of 256 samples do
    frames = 3 * 64 + 1
    pulses = pulse_train(torch.full((1, frames), pitch), HOP, RATE)
    assert pulses.shape == (1, (frames - 1) * HOP)
    spectrum = np.fft.rfft(pulses[0].double().numpy()) / (pulses.shape[1] / 2)
    frequencies = np.fft.rfftfreq(pulses.shape[1], 1 / RATE)
    harmonic = np.isclose(frequencies % pitch, 0) & (frequencies > 0) & (frequencies <= HIGHEST)
    assert harmonic.sum() == int(HIGHEST // pitch)
    np.testing.assert_allclose(np.abs(spectrum[harmonic]), 1.0, atol=0.02)
    assert np.abs(spectrum[~harmonic]).max() < 0.02


@pytest.mark.parametrize("pitch", [101.3, 233.7, 400.0])
def test_the_peak_is_the_exact_pitch(pitch: float) -> None:
    pulses = pulse_train(torch.full((1, 190), pitch), HOP, RATE)[0].double().numpy()
    padded = 16 * len(pulses)
    spectrum = np.abs(np.fft.rfft(pulses * np.hanning(len(pulses)), padded))
    low, high = (round(f * padded / RATE) for f in (0.6 * pitch, 1.4 * pitch))
    peak = (low + spectrum[low:high].argmax()) * RATE / padded
    assert peak == pytest.approx(pitch, abs=0.1)


def test_silent_where_unvoiced() -> None:
    f0 = torch.tensor([[0.0] * 10 + [150.0] * 10 + [0.0] * 10])
    pulses = pulse_train(f0, HOP, RATE)[0]
    edges = (9 * HOP + HOP // 2, 19 * HOP + HOP // 2)  # halfway between frame centres
    assert not pulses[: edges[0]].any()
    assert not pulses[edges[1] :].any()
    assert float(pulses[edges[0] : edges[1]].abs().max()) > 10
    assert not pulse_train(torch.zeros(1, 5), HOP, RATE).any()


def test_a_glide_is_heard_when_it_happens() -> None:
    """The phase between two frames' centres is the mean of their pitches times the hop."""
    f0 = torch.linspace(100.0, 300.0, 100)[None]
    pulses = pulse_train(f0, HOP, RATE)[0]
    peaks = (pulses > 0.6 * HIGHEST / 300).nonzero()[:, 0]
    starts = peaks[torch.cat((torch.tensor([True]), peaks.diff() > 20))]
    middle, period = (starts[:-1] + starts[1:]) / 2, starts.diff()
    expected = 100.0 + 200.0 * middle / (99 * HOP)
    late = middle > 2000
    torch.testing.assert_close(RATE / period[late], expected[late], atol=6.0, rtol=0)


def test_a_lone_harmonic_peaks_at_one() -> None:
    window = torch.hann_window(SIZE)
    pitch = 16 * RATE / SIZE  # in the middle of a bin
    spectrum = pulse_spectrum(torch.full((1, 40), pitch), window, HOP, RATE)
    assert spectrum.shape == (1, SIZE // 2 + 1, 40)
    assert float(spectrum[0, 16, 20].abs()) == pytest.approx(1.0, abs=0.01)


def test_noise_has_unit_power_and_follows_its_generator() -> None:
    window, shape = torch.hann_window(SIZE), torch.Size((2, 400))
    noise = noise_spectrum(shape, window, HOP, torch.Generator().manual_seed(0))
    assert noise.shape == (2, SIZE // 2 + 1, 400)
    power = noise[:, 8:-8, 4:-4].abs() ** 2
    assert float(power.mean()) == pytest.approx(1.0, abs=0.02)
    again = noise_spectrum(shape, window, HOP, torch.Generator().manual_seed(0))
    assert torch.equal(noise, again)
    assert not torch.equal(noise, noise_spectrum(shape, window, HOP, torch.Generator()))


def envelope() -> torch.Tensor:
    """A smooth log magnitude with formants, [1, K, 2]."""
    bins = torch.arange(SIZE // 2 + 1.0)
    rows = [sum(2 * torch.exp(-(((bins - c) / 40) ** 2)) for c in cs) for cs in ((60, 200), (300,))]
    return torch.stack([row - 0.004 * bins for row in rows], dim=1)[None]


def test_minimum_phase_keeps_the_magnitude() -> None:
    log_magnitude = envelope()
    got = minimum_phase(log_magnitude).abs()
    torch.testing.assert_close(got, log_magnitude.exp(), atol=1e-3, rtol=1e-3)


def test_minimum_phase_is_causal() -> None:
    """The filter and its inverse are causal: the cepstrum has no negative quefrencies."""
    spectrum = minimum_phase(envelope())
    for filtered in (spectrum, 1 / spectrum):
        response = torch.fft.irfft(filtered, SIZE, dim=1)
        energy = response.square()
        ratio = energy[:, SIZE // 2 :].sum(1) / energy.sum(1)
        assert float(ratio.max()) < 1e-4
    phase = np.unwrap(spectrum.angle().numpy(), axis=1)
    complex_log = torch.complex(spectrum.abs().log(), torch.from_numpy(phase))
    cepstrum = torch.fft.irfft(complex_log, SIZE, dim=1)
    assert float(cepstrum[:, SIZE // 2 + 1 :].abs().max()) < 1e-3 * float(cepstrum.abs().max())


def test_minimum_phase_finds_a_known_filter() -> None:
    """A product of zeros and poles inside the unit circle is its own minimum-phase filter."""
    from scipy.signal import freqz

    numerator = np.real(np.poly([0.5, -0.6, 0.3 + 0.4j, 0.3 - 0.4j]))
    denominator = np.real(np.poly([0.8 * np.exp(0.7j), 0.8 * np.exp(-0.7j)]))
    _, response = freqz(numerator, denominator, worN=SIZE // 2 + 1, include_nyquist=True)
    log_magnitude = torch.from_numpy(np.log(np.abs(response)))[None, :, None].float()
    got = minimum_phase(log_magnitude)[0, :, 0].numpy()
    np.testing.assert_allclose(got, response, atol=2e-3)
