"""Vocos directories: read natively, or refused by the part that is not supported."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig
from jepa_tts.vocos_import import VocosError, is_vocos_folder, load_vocos, vocos_config

FEATURES = {"sample_rate": 24_000, "n_fft": 512, "hop_length": 128, "n_mels": 40}
CONFIG: dict[str, Any] = {
    "feature_extractor": {
        "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
        "init_args": {**FEATURES, "padding": "center"},
    },
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {
            "input_channels": 40, "dim": 24, "intermediate_dim": 48, "num_layers": 2,
        },
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": 24, "n_fft": 512, "hop_length": 128, "padding": "same"},
    },
}  # fmt: skip


@pytest.fixture
def vocos(tmp_path: Path) -> Path:
    """A Vocos directory with random weights, and what the package adds to its state."""
    expected = Vocoder(vocos_config(CONFIG))
    state = dict(expected.state_dict())
    state["feature_extractor.mel_spec.spectrogram.window"] = torch.ones(512)
    state["head.istft.window"] = torch.hann_window(512)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    torch.save(state, tmp_path / "pytorch_model.bin")
    return tmp_path


def test_reads_the_configuration() -> None:
    assert vocos_config(CONFIG) == VocoderConfig(
        head="istft", sample_rate=24_000, n_mels=40, width=24, inner=48, layers=2, n_fft=512,
        hop_length=128, padding="same",
    )  # fmt: skip


def test_reads_both_kinds_of_weights(vocos: Path) -> None:
    from safetensors.torch import save_file

    assert is_vocos_folder(vocos)
    mel = torch.randn(1, 40, 20)
    pickled = load_vocos(vocos)
    state = torch.load(vocos / "pytorch_model.bin", weights_only=True)
    (vocos / "pytorch_model.bin").unlink()
    save_file(state, vocos / "model.safetensors")
    assert torch.equal(load_vocos(vocos)(mel).samples, pickled(mel).samples)
    assert pickled(mel).samples.shape == (1, 20 * 128)


def test_nothing_is_executed(vocos: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (vocos / "executed",))

    with (vocos / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"x": Trap()}, file)
    with pytest.raises(VocosError, match=r"pytorch_model\.bin cannot be read"):
        load_vocos(vocos)
    assert not (vocos / "executed").exists()


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("backbone", "class_path", "vocos.models.VocosResNetBackbone", "only vocos.models.Vocos"),
        ("head", "class_path", "vocos.heads.IMDCTSymExpHead", "head is .* only vocos.heads.ISTFT"),
        ("head", "class_path", None, "head needs a class_path"),
        ("backbone", "adanorm_num_embeddings", 4, "only mels are read"),
        ("backbone", "dim", "wide", "width must be a positive integer, not 'wide'"),
        ("backbone", "dim", None, "the argument 'dim' is missing"),
        ("feature_extractor", "hop_length", 256, "hop_length is 256 in the features and 128"),
    ],
)
def test_unsupported_parts_are_named(part: str, name: str, value: Any, message: str) -> None:
    config = copy.deepcopy(CONFIG)
    where = config[part] if name == "class_path" else config[part]["init_args"]
    if value is None:
        del where[name]
    else:
        where[name] = value
    with pytest.raises(VocosError, match=message):
        vocos_config(config)


def test_missing_and_broken_files_are_named(vocos: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["backbone"]["init_args"]["num_layers"] = 3
    (vocos / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(VocosError, match=r"the weights do not fit config\.yaml"):
        load_vocos(vocos)
    (vocos / "pytorch_model.bin").unlink()
    with pytest.raises(VocosError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        load_vocos(vocos)
    (vocos / "config.yaml").write_text("a: [")
    with pytest.raises(VocosError, match=r"config\.yaml cannot be read"):
        load_vocos(vocos)
    (vocos / "config.yaml").write_text("- 1")
    with pytest.raises(VocosError, match="must hold a mapping"):
        load_vocos(vocos)
