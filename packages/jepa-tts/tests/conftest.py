"""What the tests share: no network, tiny models, a synthetic corpus and a packed checkpoint."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_socket

from voice_data.artefact import Provenance
from voice_data.audio import Audio

if TYPE_CHECKING:
    from jepa_tts.config import JepaConfig
    from jepa_tts.model import JepaModel
    from jepa_tts.tts import JepaTTS

sys.path.insert(0, str(Path(__file__).parent))  # for `from elsewhere import ...`
SPEAKERS = ("ada", "bert")


def make_tts(seed: int = 0) -> JepaTTS:
    """A model that speaks noise of a plausible length."""
    import torch

    from jepa_tts.config import SIZES
    from jepa_tts.model import JepaModel
    from jepa_tts.tts import JepaTTS
    from jepa_tts.vocoder import Vocoder
    from jepa_tts.vocoder_config import VocoderConfig

    torch.manual_seed(seed)
    model = JepaModel(replace(SIZES["tiny"], speakers=SPEAKERS, phonemes="abc")).eval()
    torch.nn.init.constant_(model.durations.out.bias, 0.7)
    torch.nn.init.normal_(model.mel_decoder.refine.weight, std=0.1)
    torch.nn.init.normal_(model.audio_encoder.out.weight, std=0.1)
    shape = VocoderConfig(width=16, inner=32, layers=1, phase=0.7, contrast=0.3)
    vocoder = Vocoder(shape).eval()
    mel = model.config.mel
    provenance = Provenance(
        sample_rate=mel.sample_rate, mel=mel.to_dict(), licence="CC0-1.0", command="a test"
    )
    return JepaTTS(model, vocoder, provenance=provenance)


@pytest.fixture(scope="session")
def tts() -> JepaTTS:
    """Shared by tests that do not change it."""
    return make_tts()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, tts: JepaTTS) -> Path:
    """The folder of a packed checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("package") / "tiny"
    tts.save_pretrained(folder)
    return folder


def tone(seconds: float, rate: int = 24_000, level: float = 0.3) -> Audio:
    """A buzz with harmonics, as long and as loud as asked."""
    times = np.arange(int(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    return Audio((level * wave / np.abs(wave).max(initial=1e-9)).astype(np.float32), rate)


RATE = 24_000
ALPHABET = " aehlnorstuwy"
TEXTS = (
    "hello there",
    "no one wants to rest",
    "she was the last one",
    "we were near the lane",
    "all the tall trees",
    "her letters sat there",
    "then we saw a hare",
    "a new note on the wall",
    "our hotel was tall",
    "a rare ray at noon",
)


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def config() -> JepaConfig:
    """The tiny model, with phonemes and two named voices."""
    from jepa_tts.config import SIZES

    return replace(SIZES["tiny"], phonemes=ALPHABET, speakers=("high", "low"))


@pytest.fixture
def model(config: JepaConfig) -> JepaModel:
    """A tiny model in evaluation mode with random weights, where it would start at zero too."""
    import torch

    from jepa_tts.model import JepaModel

    torch.manual_seed(1)
    network = JepaModel(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.endswith("embedding.weight"):
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return network.eval()


def _letters(text: str, pitch: float, rng: np.random.Generator) -> tuple[np.ndarray, list[float]]:
    """A tone per letter between two bits of near silence, and the seconds of all of them."""
    seconds = [0.2, *(0.06 + 0.03 * rng.random(len(text))), 0.15]
    parts = []
    for index, length in enumerate(seconds):
        times = np.arange(round(length * RATE)) / RATE
        letter = ALPHABET.find(text[index - 1]) if 0 < index < len(seconds) - 1 else 0
        tone = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 3 + letter))
        parts.append(0.15 * tone * (letter > 0) + 0.003 * rng.standard_normal(len(times)))
    return np.concatenate(parts).astype(np.float32), [float(s) for s in seconds]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wav files, two speakers, with the manifest that describes them."""
    import soundfile

    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    lines = []
    for index, text in enumerate(TEXTS):
        speaker, pitch = (("high", 220.0), ("low", 110.0))[index % 2]
        samples, seconds = _letters(text, pitch, rng)
        soundfile.write(folder / f"{index}.wav", samples, RATE)
        extra = {"phonemes": text, "seconds": seconds}
        split = "validation" if index >= len(TEXTS) - 2 else "train"
        row = {"id": str(index), "audio": f"{index}.wav", "text": text, "speaker": speaker}
        lines.append(json.dumps(row | {"split": split, "extra": extra}))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def start(config: JepaConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a freshly made tiny model."""
    import torch

    from jepa_tts.checkpoint import save_model
    from jepa_tts.model import JepaModel

    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("start")
    save_model(JepaModel(config), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a freshly made tiny vocoder."""
    import torch

    from jepa_tts.checkpoint import save_model
    from jepa_tts.vocoder import Vocoder
    from jepa_tts.vocoder_config import VocoderConfig

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("vocoder")
    save_model(Vocoder(VocoderConfig(width=32, inner=48, layers=2)), folder, "vocoder")
    return folder


@pytest.fixture(scope="session")
def training_cache(manifest: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete training cache: mels, pitch of every row, bytes and latents."""
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.preprocess import align, encode, preprocess

    folder = tmp_path_factory.mktemp("cache")
    preprocess(manifest, folder, pitch_share=1.0)
    network = load_model(start)
    align(network, Corpus(folder))
    encode(network, Corpus(folder))
    return folder
