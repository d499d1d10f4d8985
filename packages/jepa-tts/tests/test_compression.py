"""Compression keeps shapes and nearly all of every weight."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.compression import compress, decompress


def test_round_trip_is_close_and_small() -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "matrix": torch.randn(128, 256, generator=generator),
        "kernel": torch.randn(64, 32, 5, generator=generator) * 1e-3,
        "bias": torch.randn(128, generator=generator),
        "steps": torch.tensor(7),
    }
    packed = compress(tensors)
    assert packed["matrix.codes"].dtype == torch.int8
    restored = decompress(packed)
    assert restored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert restored[name].shape == tensor.shape
        if tensor.is_floating_point():
            error = (restored[name] - tensor).norm() / tensor.norm()
            assert error < 0.01, name
    assert restored["steps"] == 7
    size = sum(t.numel() * t.element_size() for t in packed.values())
    assert size < 0.27 * sum(t.numel() * 4 for t in tensors.values())


def test_rows_of_zeros_and_outliers_survive() -> None:
    matrix = torch.zeros(64, 128)
    matrix[1] = torch.linspace(-1, 1, 128)
    matrix[2, 0] = 1000.0
    restored = decompress(compress({"m": matrix}))["m"]
    assert torch.equal(restored[0], matrix[0])
    assert torch.allclose(restored[1], matrix[1], atol=0.006)
    assert restored[2, 0] == pytest.approx(1000.0, rel=0.32)


def test_codes_without_scales_are_refused() -> None:
    packed = compress({"m": torch.randn(64, 128)})
    del packed["m.scales"]
    with pytest.raises(ValueError, match=r"m\.codes has no m\.scales"):
        decompress(packed)
