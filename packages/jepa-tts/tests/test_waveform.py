"""The head in NumPy against the head in torch, whole and in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jepa_tts import excitation, waveform
from jepa_tts.noise import Noise
from jepa_tts.vocoder import SourceFilterHead
from jepa_tts.vocoder_config import VocoderConfig
from jepa_tts.waveform import Waveform

CONFIG = VocoderConfig(width=8)


def features(frames: int, voiced: slice) -> tuple[np.ndarray, np.ndarray]:
    """Pitch and envelopes of a glide that sounds only in some frames."""
    rng = np.random.default_rng(frames)
    height = np.linspace(-1.0, 1.0, frames)
    sounding = np.full(frames, -1.0)
    sounding[voiced] = 1.0
    envelopes = rng.normal(-2.0, 1.0, (frames, CONFIG.n_fft + 2)).astype(np.float32)
    return np.stack((height, sounding), 1).astype(np.float32), envelopes


@torch.inference_mode()
def by_torch(pitch: np.ndarray, envelopes: np.ndarray, seed: int) -> np.ndarray:
    """The same by the head that was trained: its layers are made to give these features."""

    class Given(torch.nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(pitch)[None]

    head = SourceFilterHead(CONFIG)
    head.out, head.pitch = torch.nn.Identity(), Given()  # pyright: ignore
    generator = torch.Generator().manual_seed(seed)
    return head(torch.from_numpy(envelopes)[None], None, generator).samples[0].numpy()


@pytest.mark.parametrize("voiced", [slice(0, 40), slice(9, 25), slice(0, 0), slice(30, 40)])
def test_equals_torch(voiced: slice) -> None:
    pitch, envelopes = features(40, voiced)
    made = Waveform(CONFIG, Noise(4)).put(pitch, envelopes, last=True)
    want = by_torch(pitch, envelopes, 4)
    assert made.shape == want.shape
    np.testing.assert_allclose(made, want, atol=2e-3 * np.abs(want).max())


@pytest.mark.parametrize("cuts", [(1,), (12,), (3, 4, 5, 39), tuple(range(1, 40))])
@pytest.mark.parametrize("voiced", [slice(9, 25), slice(0, 0), slice(36, 40)])
def test_pieces_are_the_whole(cuts: tuple[int, ...], voiced: slice) -> None:
    pitch, envelopes = features(40, voiced)
    whole = Waveform(CONFIG, Noise(4)).put(pitch, envelopes, last=True)
    wave, parts = Waveform(CONFIG, Noise(4)), []
    for start, end in zip((0, *cuts), (*cuts, 40), strict=True):
        parts.append(wave.put(pitch[start:end], envelopes[start:end], last=end == 40))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("share", [1.0, 0.6, 0.0])
def test_minimum_phase_equals_torch(share: float) -> None:
    envelope = np.random.default_rng(0).normal(size=(5, 513)).astype(np.float32)
    logs = torch.from_numpy(envelope.T.copy())[None]
    want = excitation.minimum_phase(logs, share)[0].numpy().T
    found = waveform.minimum_phase(envelope, share)
    np.testing.assert_allclose(found, want, atol=1e-4)
    np.testing.assert_allclose(np.abs(found), np.exp(envelope), rtol=1e-4)


def test_hold_equals_torch() -> None:
    for f0 in ([0, 0, 120, 0, 90, 0], [0, 0, 0], [50, 0, 0]):
        values = np.array(f0, np.float32)
        want = excitation._hold(torch.from_numpy(values)[None])[0].numpy()
        np.testing.assert_array_equal(waveform.hold(values), want)
