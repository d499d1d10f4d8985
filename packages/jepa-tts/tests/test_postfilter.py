from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from jepa_tts.postfilter import LOUDER, finished, sharpen, sharpened
from jepa_tts.vocoder import SourceFilterHead, Vocoder
from jepa_tts.vocoder_config import VocoderConfig

SMALL = VocoderConfig(width=8, inner=12, layers=1, n_fft=256, hop_length=64)


def envelopes(vocoder: Vocoder, mel: torch.Tensor) -> torch.Tensor:
    """[B, F, 2 K] before they are clipped."""
    return vocoder.head.out(vocoder.backbone(mel))


def test_the_head_gives_what_the_filter_would_make_of_its_envelopes() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(SMALL).eval()
    mel = torch.randn(2, 100, 9)
    with torch.no_grad():
        before = envelopes(vocoder, mel)
        sharpen(vocoder, 0.5, 6)
        after = envelopes(vocoder, mel)
    bins = SMALL.n_fft // 2 + 1
    for place in (slice(None, bins), slice(bins, None)):
        wanted = sharpened(before[..., place].movedim(-1, 0), 0.5, 6).movedim(0, -1) - 0.5 * LOUDER
        torch.testing.assert_close(after[..., place], wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(after, before, atol=1e-3)


def test_slow_ripples_stay_and_fast_ones_grow() -> None:
    place = torch.arange(129) / 128 * torch.pi
    slow, fast = torch.cos(4 * place), torch.cos(30 * place)
    found = sharpened(2.0 + slow + fast, 0.4, 10)
    torch.testing.assert_close(found, 2.0 + slow + 1.4 * fast, atol=1e-5, rtol=1e-5)


def test_no_gain_changes_nothing() -> None:
    vocoder = Vocoder(SMALL)
    before = vocoder.head.out.weight.clone()
    sharpen(vocoder, 0.0)
    torch.testing.assert_close(vocoder.head.out.weight, before, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(
    ("gain", "above", "message"),
    [(-0.1, 10, "gain must be in"), (2.5, 10, "gain must be in"), (0.4, 129, "above must be")],
)
def test_impossible_filters_are_refused(gain: float, above: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sharpen(Vocoder(SMALL), gain, above)


def test_a_head_without_envelopes_is_refused() -> None:
    vocoder = Vocoder(VocoderConfig(head="istft", width=8, inner=12, layers=1))
    with pytest.raises(ValueError, match="no envelopes to sharpen"):
        sharpen(vocoder)


@torch.inference_mode()
def test_contrast_moves_frames_away_from_their_neighbours() -> None:
    torch.manual_seed(0)
    vocoder, mel = Vocoder(SMALL).eval(), torch.randn(1, 100, 12)
    plain, more = (envelopes_of(each, mel) for each in (vocoder, vocoder.reset(contrast=0.3)))
    mean = (plain[:, :-2] + plain[:, 1:-1] + plain[:, 2:]) / 3
    wanted = plain[:, 1:-1] + 0.3 * (plain[:, 1:-1] - mean)
    torch.testing.assert_close(more[:, 1:-1], wanted, atol=1e-4, rtol=1e-4)


def envelopes_of(vocoder: Vocoder, mel: torch.Tensor) -> torch.Tensor:
    head = vocoder.head
    assert isinstance(head, SourceFilterHead)
    return head.envelopes(vocoder.backbone(mel))


@torch.inference_mode()
def test_a_vocoder_is_finished_as_it_is_asked() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(replace(SMALL, phase=0.9)).eval()
    done = finished(vocoder, postfilter=0.4, contrast=0.2)
    assert done.config == replace(SMALL, phase=0.9, contrast=0.2)
    assert not done.training
    same = finished(vocoder)
    assert same.config == vocoder.config
    for name, value in vocoder.state_dict().items():
        assert torch.equal(same.state_dict()[name], value)
    mel, f0 = torch.randn(1, 100, 30), torch.full((1, 30), 130.0)
    spoken = [each(mel, f0, torch.Generator().manual_seed(0)).samples
              for each in (same, same.reset(phase=0.0))]  # fmt: skip
    assert not torch.allclose(*spoken, atol=1e-4)


@pytest.mark.parametrize("setting", ["phase", "contrast"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"VocoderConfig\.{setting} must be in \[0, 1\]"):
        finished(Vocoder(SMALL), **{setting: value})
