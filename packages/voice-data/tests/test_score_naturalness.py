"""DNSMOS and DistillMOS against their packages' own entry points."""

from __future__ import annotations

import numpy as np
import pytest

from voice_data.audio import Audio
from voice_data.score.extra import quiet
from voice_data.score.naturalness import Dnsmos


def test_dnsmos_equals_the_package() -> None:
    samples = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 10)).astype(np.float32)
    found = Dnsmos.from_pretrained().measure(Audio(samples, 16_000))
    with quiet():
        from speechmos import dnsmos

        expected = dnsmos.run(samples, 16_000)
    assert found.dnsmos == pytest.approx(float(expected["ovrl_mos"]), abs=1e-4)
    assert found.dnsmos_signal == pytest.approx(float(expected["sig_mos"]), abs=1e-4)
    assert found.dnsmos_background == pytest.approx(float(expected["bak_mos"]), abs=1e-4)
