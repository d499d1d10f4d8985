"""Mels: equal to those of the vocos package, of the stated shape, and clear about bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from voice_data.mel import LOG_FLOOR, MelConfig, log_mel


def waveform(samples: int, rows: int = 2) -> torch.Tensor:
    """A chirp with noise, of full scale in the first row and nearly silent in the last."""
    generator = torch.Generator().manual_seed(7)
    time = torch.arange(samples) / 24_000
    chirp = 0.7 * torch.sin(2 * torch.pi * (100 + 2_000 * time) * time)
    noise = 0.1 * torch.randn(rows, samples, generator=generator)
    return (chirp + noise) * torch.logspace(0, -4, rows)[:, None]


@pytest.mark.parametrize("samples", [513, 24_000, 30_011])
def test_equal_to_the_features_of_vocos(samples: int) -> None:
    from vocos.feature_extractors import MelSpectrogramFeatures

    reference = MelSpectrogramFeatures(
        sample_rate=24_000, n_fft=1024, hop_length=256, n_mels=100, padding="center"
    )
    wave = waveform(samples)
    torch.testing.assert_close(log_mel(wave), reference(wave), atol=1e-4, rtol=0)


def test_gradients_flow_after_a_first_use_in_inference_mode() -> None:
    config = MelConfig(n_mels=61)  # which no other test uses
    with torch.inference_mode():
        log_mel(waveform(2_000), config)
    wave = waveform(2_000).requires_grad_()
    log_mel(wave, config).sum().backward()
    assert wave.grad is not None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"n_mels": 80},
        {"sample_rate": 16_000, "n_fft": 512, "hop_length": 160, "n_mels": 64},
    ],
)
def test_equal_to_the_definition_in_double_precision(values: dict[str, int]) -> None:
    """The formula written out with NumPy's FFT and a filter bank of triangles on the HTK scale."""
    config = MelConfig(**values)
    wave = waveform(4_001)
    expected = np.stack([defined(row.double().numpy(), config) for row in wave])
    np.testing.assert_allclose(log_mel(wave, config).numpy(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("samples", [513, 767, 768, 24_000])
@pytest.mark.parametrize("rows", [1, 3])
def test_the_shape_is_the_documented_one(samples: int, rows: int) -> None:
    mels = log_mel(waveform(samples, rows))
    assert mels.shape == (rows, 100, samples // 256 + 1)
    assert mels.dtype == torch.float32


def test_silence_lies_on_the_floor() -> None:
    expected = torch.full((1, 100, 5), float(np.log(LOG_FLOOR)))
    torch.testing.assert_close(log_mel(torch.zeros(1, 1_024)), expected)


def test_gradients_flow_to_the_samples() -> None:
    wave = waveform(1_024, 1).requires_grad_()
    log_mel(wave).mean().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()
    assert wave.grad.abs().sum() > 0


def test_a_batch_is_its_rows() -> None:
    wave = waveform(5_000, 3)
    alone = torch.cat([log_mel(row[None]) for row in wave])
    torch.testing.assert_close(log_mel(wave), alone)


def test_half_a_window_is_too_short() -> None:
    with pytest.raises(ValueError, match=r"more than 512 samples, not 512: pad the clip"):
        log_mel(torch.zeros(1, 512))


@pytest.mark.parametrize("shape", [[1_024], [1, 1, 1_024]])
def test_other_shapes_are_refused(shape: list[int]) -> None:
    with pytest.raises(ValueError, match=r"wants samples of shape \[B, S\], not \["):
        log_mel(torch.zeros(shape))


@pytest.mark.parametrize("name", ["sample_rate", "n_fft", "hop_length", "n_mels"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many"])
def test_sizes_are_positive_integers(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"MelConfig\.{name} must be a positive integer, not"):
        MelConfig(**{name: value})


def test_a_hop_beyond_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hop_length \(2048\) must not exceed n_fft \(1024\)"):
        MelConfig(hop_length=2_048)


def test_the_defaults_are_those_of_vocos() -> None:
    assert MelConfig().to_dict() == {
        "sample_rate": 24_000,
        "n_fft": 1024,
        "hop_length": 256,
        "n_mels": 100,
    }
    assert MelConfig().frame_rate == 93.75


def defined(wave: np.ndarray, config: MelConfig) -> np.ndarray:
    """[M, T] from [S], following the definition of each step."""
    size, hop = config.n_fft, config.hop_length
    padded = np.pad(wave, size // 2, mode="reflect")
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    frames = [padded[start : start + size] for start in range(0, len(wave) + 1, hop)]
    magnitude = np.abs(np.fft.rfft(np.stack(frames) * window)).T
    top = 2595 * np.log10(1 + config.sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, config.n_mels + 2) / 2595) - 1)
    bins = np.linspace(0, config.sample_rate / 2, size // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling))
    return np.log(np.maximum(filters @ magnitude, LOG_FLOOR))
