"""Loss terms against torch's distributions, numpy and arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from jepa_tts.audio_encoder import Gaussian
from jepa_tts.losses import (
    SPECTRAL_SIZES,
    deviation_loss,
    duration_loss,
    kl_loss,
    kl_weight,
    masked_mean,
    prediction_loss,
    pronunciation_loss,
    reconstruction_loss,
    spectral_loss,
    stop_loss,
)

MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])


def test_kl_equals_torch_distributions() -> None:
    gaussian = Gaussian(torch.randn(2, 5, 3), torch.randn(2, 5, 3))
    q = Normal(gaussian.mean, (0.5 * gaussian.logvar).exp())
    want = kl_divergence(q, Normal(0.0, 1.0))[MASK].mean()
    torch.testing.assert_close(kl_loss(gaussian, MASK), want)
    standard = Gaussian(torch.zeros(2, 5, 3), torch.zeros(2, 5, 3))
    assert float(kl_loss(standard, MASK)) == 0.0


def test_kl_weight_rises_over_the_first_fifth() -> None:
    got = [kl_weight(progress, 0.01) for progress in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)]
    assert got == pytest.approx([0.0, 0.0025, 0.005, 0.01, 0.01, 0.01])


def test_padding_changes_no_mean() -> None:
    values = torch.randn(2, 5, 3)
    want = values[MASK].mean()
    values[~MASK] = 1e6
    torch.testing.assert_close(masked_mean(values, MASK), want)
    assert float(masked_mean(values, torch.zeros_like(MASK))) == 0.0


def test_prediction_loss_is_the_mean_square_of_real_frames() -> None:
    a, b = torch.randn(2, 2, 5, 3)
    torch.testing.assert_close(prediction_loss(a, b, MASK), F.mse_loss(a[MASK], b[MASK]))
    assert float(prediction_loss(a, a, MASK)) == 0.0


def test_deviation_loss_compares_how_much_real_frames_vary() -> None:
    torch.manual_seed(0)
    target, frames = torch.randn(2, 9, 3) * torch.tensor([1.0, 2.0, 0.1]), [9, 4]
    mask = torch.arange(9) < torch.tensor(frames)[:, None]
    predicted = (0.5 * target + 7.0).masked_fill(~mask[..., None], 99.0)
    wrong = [
        ((0.5 * row[:n].numpy().std(0)) ** 2).mean() for row, n in zip(target, frames, strict=True)
    ]
    found = float(deviation_loss(predicted, target, mask))
    assert found == pytest.approx(np.average(wrong, weights=frames), rel=1e-3)
    assert float(deviation_loss(target + 3.0, target, mask)) == pytest.approx(0.0, abs=1e-6)


def test_deviation_of_what_never_varies_has_a_gradient() -> None:
    still = torch.zeros(1, 5, 2, requires_grad=True)
    deviation_loss(still, torch.randn(1, 5, 2), torch.ones(1, 5, dtype=torch.bool)).backward()
    assert still.grad is not None
    assert bool(still.grad.isfinite().all())


def test_reconstruction_loss_is_l1() -> None:
    a, b = torch.randn(2, 2, 5, 3)
    torch.testing.assert_close(reconstruction_loss(a, b), (a - b).abs().mean())


def test_spectral_loss_is_zero_on_equal_mels_only() -> None:
    mel = torch.randn(2, 7, 96)
    assert float(spectral_loss(mel, mel)) == 0.0
    for other in (mel + 0.1 * torch.randn(2, 7, 96), mel.flip(2), 0.9 * mel):
        assert float(spectral_loss(other, mel)) > 1e-3
    blurred = F.avg_pool1d(mel, 5, 1, 2)
    assert float(spectral_loss(blurred, mel)) > float(spectral_loss(mel * 1.02, mel))


def test_spectral_loss_equals_numpy() -> None:
    got, want = torch.randn(2, 1, 3, 80)
    total = 0.0
    for size in SPECTRAL_SIZES:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        magnitudes = []
        for mel in (got, want):
            rows = np.pad(mel[0].double().numpy(), ((0, 0), (size // 2, size // 2)))
            starts = range(0, rows.shape[1] - size + 1, size // 4)
            frames = np.stack([rows[:, s : s + size] * window for s in starts])
            magnitudes.append(np.maximum(np.abs(np.fft.rfft(frames)), 1e-2))
        g, w = magnitudes
        total += np.linalg.norm(w - g) / np.linalg.norm(w) + np.abs(np.log(g) - np.log(w)).mean()
    expected = total / len(SPECTRAL_SIZES)
    assert float(spectral_loss(got, want)) == pytest.approx(expected, rel=1e-4)


def test_stop_loss_equals_weighted_cross_entropy() -> None:
    logits, lengths = torch.randn(2, 5), torch.tensor([5, 3])
    total = 0.0
    for row, length in zip(logits.tolist(), lengths.tolist(), strict=True):
        for t, logit in enumerate(row[:length]):
            probability = 1 / (1 + math.exp(-logit))
            last = t == length - 1
            total += -5 * math.log(probability) if last else -math.log(1 - probability)
    assert float(stop_loss(logits, lengths, MASK)) == pytest.approx(total / 8, rel=1e-5)


def test_duration_loss_is_in_the_log_domain() -> None:
    durations = 4 * torch.rand(2, 5)
    assert float(duration_loss(durations.log1p(), durations, MASK)) == pytest.approx(0.0, abs=1e-10)
    assert float(duration_loss(durations.log1p() + 2.0, durations, MASK)) == pytest.approx(4.0)


def test_pronunciation_loss_equals_a_sum_over_paths() -> None:
    """CTC of a two-letter word over three slots, every path by hand."""
    logits = torch.randn(1, 3, 3)
    p = logits.softmax(-1)[0].double()
    paths = [(1, 2, 0), (1, 0, 2), (0, 1, 2), (1, 1, 2), (1, 2, 2)]
    likelihood = sum(float(p[0, a] * p[1, b] * p[2, c]) for a, b, c in paths)
    got = pronunciation_loss(logits, torch.tensor([3]), [torch.tensor([1, 2])])
    assert float(got) == pytest.approx(-math.log(likelihood) / 2, rel=1e-5)


def test_pronunciation_that_does_not_fit_costs_nothing() -> None:
    logits = torch.randn(1, 2, 3, requires_grad=True)
    loss = pronunciation_loss(logits, torch.tensor([2]), [torch.tensor([1, 2, 1])])
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
