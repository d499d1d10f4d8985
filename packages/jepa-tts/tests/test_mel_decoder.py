"""The mel decoder: four frames per latent, linear at first, blind to padding."""

from __future__ import annotations

import torch

from jepa_tts.config import STRIDE, JepaConfig
from jepa_tts.mel_decoder import MelDecoder
from jepa_tts.model import JepaModel


def test_four_frames_per_latent(model: JepaModel) -> None:
    latents = torch.randn(2, 7, model.config.latent)
    assert model.mel_decoder(latents).shape == (2, 100, 7 * STRIDE)


@torch.inference_mode()
def test_starts_as_the_given_projection(config: JepaConfig) -> None:
    decoder, skip = MelDecoder(config), 8
    weight, bias = torch.randn(STRIDE * 100, config.latent - skip), torch.randn(STRIDE * 100)
    torch.nn.init.zeros_(decoder.projection.weight)
    decoder.set_projection(weight, bias)
    latents = torch.randn(2, 5, config.latent)
    stacked = latents[..., skip:] @ weight.T + bias
    want = stacked.reshape(2, 5 * STRIDE, 100).transpose(1, 2)
    torch.testing.assert_close(decoder(latents), want, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_padding_changes_nothing(model: JepaModel) -> None:
    lengths = torch.tensor([9, 1, 5])
    padded = 10 * torch.randn(3, 9, model.config.latent)
    together = model.mel_decoder(padded, lengths)
    for index, count in enumerate(lengths.tolist()):
        alone = model.mel_decoder(padded[index : index + 1, :count])[0]
        real = together[index, :, : count * STRIDE]
        torch.testing.assert_close(real, alone, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_undoes_the_encoder_when_both_hold_components(config: JepaConfig) -> None:
    from jepa_tts.audio_encoder import PITCH_DIMENSIONS, AudioEncoder

    encoder, decoder = AudioEncoder(config), MelDecoder(config)
    keep = config.latent - PITCH_DIMENSIONS
    basis = torch.linalg.qr(torch.randn(STRIDE * 100, keep)).Q
    torch.nn.init.zeros_(decoder.projection.weight)
    encoder.set_projection(basis.T.contiguous(), torch.zeros(keep))
    decoder.set_projection(basis, torch.zeros(STRIDE * 100))
    stacked = torch.randn(1, 6, keep) @ basis.T  # only what the components can hold
    mel = stacked.reshape(1, 6 * STRIDE, 100).transpose(1, 2)
    torch.testing.assert_close(decoder(encoder(mel).mean), mel, atol=1e-4, rtol=0)
