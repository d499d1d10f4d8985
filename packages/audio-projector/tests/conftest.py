"""What the tests share: no network, a toy language model and a toy speech model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_socket

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from tiny_models import Hum

    from audio_projector.bridge import Bridge
    from audio_projector.cache import StatesCache
    from audio_projector.llm import LanguageModel


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _one_registered_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from voice_data import speech

    entries = [EntryPoint("hum", "tiny_models:Hum", speech.GROUP)]
    monkeypatch.setattr(speech, "entry_points", lambda group: entries)


@pytest.fixture(scope="session")
def llm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy language model as a folder of transformers."""
    from tiny_models import make_llm_folder

    return make_llm_folder(tmp_path_factory.mktemp("llm"))


@pytest.fixture(scope="session")
def llm(llm_folder: Path) -> LanguageModel:
    """Shared; nothing changes it."""
    from audio_projector.llm import LanguageModel

    return LanguageModel.from_pretrained(llm_folder)


@pytest.fixture
def hum() -> Hum:
    from tiny_models import Hum

    return Hum()


@pytest.fixture(scope="session")
def states(llm: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> StatesCache:
    """A cache of all toy texts, the last one held out; not to be changed."""
    from tiny_models import TEXTS

    from audio_projector.cache import CacheConfig, Line
    from audio_projector.caching import build_cache

    lines = [Line(text=text) for text in TEXTS[:-1]]
    lines.append(Line(text=TEXTS[-1], split="validation"))
    config = CacheConfig(llm=llm.name, layers=(0, 2, 3), together=2, shard=4)
    return build_cache(lines, tmp_path_factory.mktemp("states"), llm, config)


@pytest.fixture(scope="session")
def run_folder(states: StatesCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short finished run; not to be changed."""
    from tiny_models import Hum
    from tiny_run import settings

    from audio_projector.train import train

    out = tmp_path_factory.mktemp("run") / "projector"
    train(settings(states, out, steps=6), model=Hum())
    return out


@pytest.fixture
def bridge(run_folder: Path) -> Bridge:
    from audio_projector.bridge import Bridge

    return Bridge.from_pretrained(run_folder)
