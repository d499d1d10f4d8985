from __future__ import annotations

import pytest
import torch

from jepa_tts.postfilter import LOUDER, sharpen, sharpened
from jepa_tts.vocoder import Vocoder
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
