"""The mel spectrogram without torch is the one with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import voice_data.mel
from voice_hypernet import numpy_mel
from voice_hypernet.clip import statistics


@pytest.mark.parametrize("length", [513, 24_000, 150_001])
def test_equals_the_one_with_torch(length: int) -> None:
    rng = np.random.default_rng(length)
    times = np.arange(length) / 24_000
    voice = 0.2 * np.sin(2 * np.pi * 180 * times) * (1 + np.sin(2 * np.pi * 3 * times))
    samples = (voice + 0.01 * rng.normal(size=length)).astype(np.float32)
    found = numpy_mel.log_mel(samples)
    wanted = voice_data.mel.log_mel(torch.from_numpy(samples)[None])[0].T.numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_allclose(statistics(found), statistics(wanted), atol=1e-4)


def test_silence_has_the_same_floor() -> None:
    samples = np.zeros(4_000, np.float32)
    wanted = voice_data.mel.log_mel(torch.from_numpy(samples)[None])[0].T.numpy()
    np.testing.assert_allclose(numpy_mel.log_mel(samples), wanted, rtol=1e-6)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 512 samples"):
        numpy_mel.log_mel(np.zeros(512, np.float32))
