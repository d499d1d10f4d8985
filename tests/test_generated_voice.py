"""A generated voice is an ordinary adapter: tts-lora and PEFT load it, and it sounds the same."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import pytest
import torch

from jepa_tts.config import SIZES
from jepa_tts.model import JepaModel
from jepa_tts.speech import JepaSpeech
from jepa_tts.tts import JepaTTS
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig
from tts_lora import adapter as lora
from tts_lora.folder import read_adapter
from tts_lora.narration import narrate
from voice_data.artefact import Provenance
from voice_data.speech import load_speech_model
from voice_hypernet import HypernetConfig, LoraShape, Voice, VoiceConfig, VoiceHypernet
from voice_hypernet.clip import FEATURES
from voice_hypernet.network import VoiceNetwork
from voice_hypernet.numpy_network import NumpyNetwork
from voice_hypernet.targets import find_groups
from voice_hypernet.voice import Origin

TEXT = "A word, and another one."


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny jepa-tts checkpoint with random weights."""
    torch.manual_seed(0)
    config = replace(SIZES["tiny"], speakers=("ada", "bert"), phonemes="abc")
    model = JepaModel(config).eval()
    torch.nn.init.constant_(model.durations.out.bias, 0.7)
    torch.nn.init.normal_(model.mel_decoder.refine.weight, std=0.1)
    vocoder = Vocoder(VocoderConfig(width=16, inner=32, layers=1)).eval()
    provenance = Provenance(
        sample_rate=config.mel.sample_rate, mel=config.mel.to_dict(), licence="CC0-1.0"
    )
    folder = tmp_path_factory.mktemp("package") / "tiny"
    JepaTTS(model, vocoder, provenance=provenance).save_pretrained(folder)
    return folder


def base(package: Path) -> JepaSpeech:
    """The checkpoint through the port, untouched."""
    model = load_speech_model(f"jepa-tts:{package}")
    assert isinstance(model, JepaSpeech)
    return model


@pytest.fixture(scope="module")
def voice(package: Path) -> Voice:
    """What a hypernetwork with random weights makes of features of a clip."""
    model = base(package)
    config = VoiceConfig(
        hypernet=HypernetConfig(lora=LoraShape(rank=4, alpha=8.0), condition=8, width=16, inner=16)
    )
    groups = find_groups(model.network, next(iter(model.targets.values())))
    torch.manual_seed(0)
    neutral = {"voice": 0.1 * torch.randn(model.tts.config.width)}
    network = VoiceNetwork(config, groups, neutral).requires_grad_(False)
    for head in (*network.hypernet.heads, *network.heads.values()):
        for value in head.parameters():
            value.copy_(0.1 * torch.randn_like(value))
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    origin = Origin(
        base=f"jepa-tts:{package}",
        base_sha256=model.weights_sha256,
        sample_rate=model.sample_rate,
        licence="CC0-1.0",
    )
    hypernet = VoiceHypernet(NumpyNetwork(config, groups, arrays), origin)
    features = np.random.default_rng(0).normal(size=FEATURES).astype(np.float32)
    return hypernet.generate_lora_adapters(audio_features=features)


@pytest.fixture(scope="module")
def folder(voice: Voice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "made"
    voice.save(path)
    return path


def said(model: JepaSpeech, voice: Voice) -> np.ndarray:
    with voice.worn(model) as told:
        return model.speak(TEXT, voice=told, seed=3).samples


def test_the_voice_is_a_file(package: Path, voice: Voice, folder: Path) -> None:
    first = said(base(package), voice)
    again = said(base(package), Voice.load(folder))
    np.testing.assert_array_equal(first, again)
    plain = base(package).speak(TEXT, voice=voice.told(), seed=3).samples
    assert len(plain) != len(first) or np.abs(plain - first).max() > 0.01


def test_tts_lora_speaks_in_it(package: Path, voice: Voice, folder: Path) -> None:
    found = read_adapter(folder)
    found.check(base(package))
    assert found.card.base == f"jepa-tts:{package}"
    assert found.settings.rank == 4
    wanted = said(base(package), voice)
    spoken = narrate(TEXT, {folder: 1.0}, seed=3)
    assert len(spoken.samples) == len(wanted)
    np.testing.assert_allclose(spoken.samples, wanted, atol=2e-3)


def test_tts_lora_swaps_and_mixes_it(package: Path, folder: Path, tmp_path: Path) -> None:
    Voice.load(folder).resized(alpha=16.0).save(tmp_path / "double")
    mixed = narrate(TEXT, {folder: 2.0}, model=base(package), seed=3)
    single = narrate(TEXT, {tmp_path / "double": 1.0}, model=base(package), seed=3)
    np.testing.assert_allclose(mixed.samples, single.samples, atol=2e-3)
    model = base(package)
    layer = model.network.get_submodule("predictor.text_in")
    plain = layer.get_parameter("weight").clone()
    lora.load(model, folder, name="a", hot=True)
    lora.detach(model, "a")
    assert torch.equal(layer.get_parameter("weight"), plain)


def test_peft_loads_it(package: Path, voice: Voice, folder: Path) -> None:
    network = base(package).network.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    wrapped = peft.PeftModel.from_pretrained(copy.deepcopy(network), str(folder))
    merged = wrapped.merge_and_unload().state_dict()
    changes = dict(voice.deltas())
    assert changes
    for name, value in before.items():
        change = changes.get(name.removesuffix(".weight"), 0.0)
        np.testing.assert_allclose(merged[name].numpy(), value.numpy() + change, atol=1e-5)


def test_speech_without_torch_wears_it_too(package: Path, voice: Voice, folder: Path) -> None:
    from speak.wearing import put_on

    light = JepaTTS.from_pretrained(package)
    told = put_on(light, Voice.load(folder))
    heavy = JepaTTS.from_pretrained(package)
    voice.merge(heavy.model)
    assert told is not None
    np.testing.assert_array_equal(told.vector, voice.condition["voice"])
    wanted = heavy.speak(TEXT, voice=told, seed=3)
    spoken = light.speak(TEXT, voice=told, seed=3)
    assert light.narrator is None or spoken.duration == pytest.approx(wanted.duration, rel=0.1)
    if light.narrator is None:
        np.testing.assert_allclose(spoken.samples, wanted.samples, atol=1e-4)
