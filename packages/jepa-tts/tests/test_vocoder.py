"""The vocoder against the vocos package, and its source-filter head."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
import torch

from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig

MELS, WIDTH, INNER, LAYERS, SIZE, HOP = 20, 32, 48, 2, 256, 64


def config(**values: Any) -> VocoderConfig:
    base = {"n_mels": MELS, "width": WIDTH, "inner": INNER, "layers": LAYERS}
    return VocoderConfig(**(base | {"n_fft": SIZE, "hop_length": HOP} | values))


@torch.inference_mode()
@pytest.mark.parametrize("padding", ["center", "same"])
def test_equals_vocos(padding: Literal["center", "same"]) -> None:
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    backbone = VocosBackbone(MELS, WIDTH, INNER, LAYERS).eval()
    head = ISTFTHead(WIDTH, SIZE, HOP, padding)
    for parameter in (*backbone.parameters(), *head.parameters()):
        parameter.add_(0.1 * torch.randn(parameter.shape))
    vocoder = Vocoder(config(head="istft", padding=padding)).eval()
    vocoder.backbone.load_state_dict(backbone.state_dict())
    vocoder.head.load_state_dict({k: v for k, v in head.state_dict().items() if "istft" not in k})
    mel = torch.randn(2, MELS, 30)
    want = head(backbone(mel))
    got = vocoder(mel)
    assert got.pitch is None
    assert want.shape == (2, 30 * HOP if padding == "same" else 29 * HOP)
    torch.testing.assert_close(got.samples, want, atol=1e-4, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("padding", ["center", "same"])
def test_source_filter_shapes(padding: Literal["center", "same"]) -> None:
    vocoder = Vocoder(config(padding=padding))
    made = vocoder(torch.randn(2, MELS, 30))
    assert made.samples.shape == (2, 30 * HOP if padding == "same" else 29 * HOP)
    assert made.pitch is not None
    assert made.pitch.shape == (2, 30, 2)
    assert bool(torch.isfinite(made.samples).all())


@torch.inference_mode()
def test_source_filter_speaks_at_the_given_pitch() -> None:
    vocoder = Vocoder(config(n_fft=1024, hop_length=256))
    vocoder.head.out.weight.zero_()
    vocoder.head.out.bias[:513] = 0.0  # a flat filter
    vocoder.head.out.bias[513:] = -14.0  # and no noise
    made = vocoder(torch.randn(1, MELS, 101), torch.full((1, 101), 187.5)).samples[0, 2560:-2560]
    spectrum = torch.fft.rfft(made[: 80 * 256] * torch.hann_window(80 * 256)).abs()
    peaks = spectrum.topk(5).indices * 24_000 / (80 * 256)
    assert bool((((peaks + 5) % 187.5) < 10).all())


@torch.inference_mode()
def test_noise_follows_its_generator() -> None:
    vocoder, mel = Vocoder(config()), torch.randn(1, MELS, 12)
    first, again, other = (
        vocoder(mel, None, torch.Generator().manual_seed(seed)).samples for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("head", ["istft", "source-filter"])
def test_every_parameter_learns(head: Literal["istft", "source-filter"]) -> None:
    vocoder = Vocoder(config(head=head))
    made = vocoder(torch.randn(1, MELS, 12), torch.full((1, 12), 150.0))
    loss = made.samples.square().sum() + (0.0 if made.pitch is None else made.pitch.sum())
    loss.backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_config_round_trip() -> None:
    given = config(head="istft", padding="same")
    assert VocoderConfig.from_dict(json.loads(json.dumps(given.to_dict()))) == given


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hop": 3}, "unknown key 'hop' in VocoderConfig; valid: .*'hop_length'"),
        ({"width": 0}, "VocoderConfig.width must be a positive integer, not 0"),
        ({"n_fft": 1024.0}, "VocoderConfig.n_fft must be a positive integer, not 1024.0"),
        ({"n_fft": 1023}, r"VocoderConfig.n_fft \(1023\) must be even"),
        ({"hop_length": 2048}, r"must be even and not below hop_length \(2048\)"),
        ({"head": "mdct"}, r"VocoderConfig.head must be one of \['istft', .*\], not 'mdct'"),
        ({"padding": "valid"}, "VocoderConfig.padding must be center or same, not 'valid'"),
    ],
)
def test_impossible_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VocoderConfig.from_dict(values)
