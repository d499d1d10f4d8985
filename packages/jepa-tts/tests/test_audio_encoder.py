"""The audio encoder: one Gaussian per four frames, blind to padding."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.audio_encoder import PITCH_DIMENSIONS, AudioEncoder, Gaussian
from jepa_tts.config import STRIDE, JepaConfig
from jepa_tts.model import JepaModel


@torch.inference_mode()
def test_one_gaussian_per_four_frames(model: JepaModel) -> None:
    mean, logvar = model.audio_encoder(torch.randn(2, 100, 36))
    assert mean.shape == logvar.shape == (2, 9, model.config.latent)
    assert float(logvar.min()) >= -8.0
    assert float(logvar.max()) <= 2.0


def test_refuses_a_ragged_end(model: JepaModel) -> None:
    with pytest.raises(ValueError, match="multiple of 4 frames, not 30"):
        model.audio_encoder(torch.randn(1, 100, 30))


@torch.inference_mode()
@pytest.mark.parametrize("filler", [0.0, -11.5, 1e3])
def test_padding_changes_nothing(model: JepaModel, filler: float) -> None:
    lengths = torch.tensor([40, 4, 28])
    mels = [torch.randn(100, int(n)) - 5 for n in lengths]
    padded = torch.full((3, 100, 40), filler)
    for row, mel in zip(padded, mels, strict=True):
        row[:, : mel.shape[1]] = mel
    together = model.audio_encoder(padded, lengths)
    for index, mel in enumerate(mels):
        alone, count = model.audio_encoder(mel[None]), mel.shape[1] // STRIDE
        for got, want in zip(together, alone, strict=True):
            torch.testing.assert_close(got[index, :count], want[0], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_starts_as_the_given_projection(config: JepaConfig) -> None:
    encoder, keep = AudioEncoder(config), config.latent - PITCH_DIMENSIONS
    weight, bias = torch.randn(keep, STRIDE * 100), torch.randn(keep)
    torch.nn.init.zeros_(encoder.projection.weight)
    torch.nn.init.zeros_(encoder.projection.bias)  # pyright: ignore[reportArgumentType]
    encoder.set_projection(weight, bias)
    mel = torch.randn(2, 100, 12)
    mean = encoder(mel).mean
    stacked = mel.transpose(1, 2).reshape(2, 3, STRIDE * 100)  # four frames, one after the other
    want = stacked @ weight.T + bias
    torch.testing.assert_close(mean[..., PITCH_DIMENSIONS:], want, atol=1e-4, rtol=0)
    assert not mean[..., :PITCH_DIMENSIONS].any()


def test_samples_have_the_mean_and_deviation() -> None:
    gaussian = Gaussian(torch.full((1, 20_000, 2), 3.0), torch.full((1, 20_000, 2), -1.0))
    sample = gaussian.sample(torch.Generator().manual_seed(0))
    assert float(sample.mean()) == pytest.approx(3.0, abs=0.02)
    assert float(sample.std()) == pytest.approx(2.718281828**-0.5, abs=0.01)
    again = gaussian.sample(torch.Generator().manual_seed(0))
    assert torch.equal(sample, again)
