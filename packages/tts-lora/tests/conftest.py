"""What all tests share: the toy model, and no network."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voice_data import speech

sys.path.insert(0, str(Path(__file__).parent))  # for `from toy import ...`, here and in scripts

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
def toy_base(monkeypatch: pytest.MonkeyPatch) -> str:
    """The reference of the toy model, registered for one test."""
    from toy import register

    monkeypatch.setattr(speech, "entry_points", speech.entry_points)  # what register() replaces
    register()
    return "toy"


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """Write a small data set of one speaker's tones into ``tmp_path/NAME``."""
    from toy import write_corpus

    def make(name: str = "ann", clips: int = 6, **options: int) -> Path:
        return write_corpus(tmp_path / name, clips, speaker=name, **options)

    return make


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Nine clips for training and one held out, of one speaker; not to be changed."""
    from toy import ToySpeech, write_corpus

    from voice_data.encoded import PrepareConfig, SourceConfig, prepare

    root = tmp_path_factory.mktemp("data")
    source = SourceConfig(folder=os.fspath(write_corpus(root / "ann", 10)), licence="CC0-1.0")
    out = root / "set"
    prepare(PrepareConfig(sources=(source,), base="toy", out=os.fspath(out)), model=ToySpeech())
    return os.fspath(out)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch with one thread: sums are then the same in every run."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
