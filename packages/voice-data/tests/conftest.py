"""What all tests share: no network, and clips of speech-like noise."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voice_data.audio import Audio, write

sys.path.insert(0, str(Path(__file__).parent))  # for `from pulse_voice import ...`

_LOCAL = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails, with or without pytest-socket."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOCAL:
            raise RuntimeError(f"a test tried to reach {address[0]}: tests run offline")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def noise() -> Callable[..., Audio]:
    """Make noise of a given length in seconds, the same for the same seed."""

    def make(seconds: float = 2.0, rate: int = 24_000, level: float = 0.1, seed: int = 0) -> Audio:
        generator = np.random.default_rng(seed)
        samples = generator.standard_normal(round(seconds * rate)) * level
        return Audio(samples.astype(np.float32), rate)

    return make


@pytest.fixture
def clip(noise: Callable[..., Audio]) -> Callable[..., Path]:
    """Write noise to a path, making its folder."""

    def make(path: Path, seconds: float = 2.0, **options: float) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, noise(seconds, **options))
        return path

    return make


@pytest.fixture
def tones(tmp_path: Path) -> Callable[..., Path]:
    """Write a small data set of one speaker's tones into ``tmp_path/NAME``."""
    from tone_model import write_tones

    def make(name: str = "ann", clips: int = 6, **options: int) -> Path:
        return write_tones(tmp_path / name, clips, speaker=name, **options)

    return make
