"""Noise against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jepa_tts.noise import Noise


@pytest.mark.parametrize("seed", [0, 7, 2**31 + 5])
def test_equals_torch_draw_by_draw(seed: int) -> None:
    generator, noise = torch.Generator().manual_seed(seed), Noise(seed)
    for count in (16, 1024, 25_600):
        want = torch.randn(1, count, generator=generator)[0].numpy()
        np.testing.assert_allclose(noise.draw(count), want, atol=2e-5)


def test_parts_are_the_whole() -> None:
    whole, noise = Noise(1).draw(4096), Noise(1)
    parts = [noise.draw(count) for count in (0, 256, 3840)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_counts_come_in_sixteens() -> None:
    with pytest.raises(ValueError, match="multiple of 16, not 100"):
        Noise(0).draw(100)
