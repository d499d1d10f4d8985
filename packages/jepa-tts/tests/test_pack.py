"""The folder that ships: it loads whole or is refused by name."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_tts.checkpoint import save_model
from jepa_tts.pack import load_package, open_vocoder, package_checkpoint, packed, save_package
from jepa_tts.tts import JepaTTS
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig
from voice_data.artefact import ArtefactError, Provenance


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    """A package of one's own, to break."""
    return Path(shutil.copytree(package, tmp_path / "copy"))


def edit(path: Path, change: Any) -> None:
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values), "utf-8")


def test_training_folders_become_a_package(tts: JepaTTS, tmp_path: Path) -> None:
    save_model(tts.model, tmp_path / "model")
    save_model(tts.vocoder, tmp_path / "vocoder", "vocoder")
    assert tts.provenance is not None
    provenance = replace(tts.provenance, data_manifest_sha256="ab" * 32)
    digest = package_checkpoint(
        tmp_path / "model", tmp_path / "vocoder", tmp_path / "out", card="# Hi\n",
        provenance=provenance,
    )  # fmt: skip
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    names = ["README.md", "config.json", "model.safetensors"]
    assert found == names + [f"vocoder{os.sep}{name}" for name in names]
    loaded = load_package(tmp_path / "out")
    assert loaded.weights_sha256 == digest
    assert loaded.provenance == provenance
    assert loaded.model.config == tts.config
    assert (tmp_path / "out" / "README.md").read_text("utf-8") == "# Hi\n"
    for name, tensor in tts.model.state_dict().items():
        other = loaded.model.state_dict()[name]
        assert other.dtype == torch.float32
        assert float((other - tensor).norm()) <= 0.01 * float(tensor.norm()) + 1e-6, name


def test_bits_decide_the_size(tts: JepaTTS, tmp_path: Path) -> None:
    assert tts.provenance is not None
    sizes = []
    for bits in (8, 16):
        out = tmp_path / str(bits)
        save_package(tts.model, tts.vocoder, out, card="x", provenance=tts.provenance, bits=bits)
        sizes.append((out / "model.safetensors").stat().st_size)
        assert not load_package(out).model.training
    assert sizes[0] < 0.8 * sizes[1]


def test_a_flipped_byte_is_refused_by_name(copy: Path) -> None:
    for name in ("model.safetensors", "vocoder/model.safetensors"):
        path = copy / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(ArtefactError, match=r"model\.safetensors is damaged or was replaced"):
            load_package(copy)
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    load_package(copy)


def test_a_cut_file_is_refused_by_name(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match=r"model\.safetensors is cut short"):
        load_package(copy)


def test_a_missing_vocoder_is_refused_by_name(copy: Path) -> None:
    shutil.rmtree(copy / "vocoder")
    with pytest.raises(ArtefactError, match="vocoder is not an artefact"):
        load_package(copy)


def test_unknown_keys_are_refused_by_name(copy: Path, tts: JepaTTS) -> None:
    config = copy / "config.json"
    plain = config.read_text("utf-8")
    edit(config, lambda values: values.update(extra=1))
    with pytest.raises(ArtefactError, match="unknown key 'extra'"):
        load_package(copy)
    config.write_text(plain, "utf-8")
    edit(config, lambda values: values["config"].update(widht=9))
    with pytest.raises(ArtefactError, match="was changed after the weights"):
        load_package(copy)


def test_an_unknown_setting_of_the_model_lists_the_valid_ones(tts: JepaTTS, tmp_path: Path) -> None:
    from voice_data.artefact import save_artefact

    assert tts.provenance is not None
    values = json.loads(json.dumps(tts.config.to_dict() | {"widht": 9}))
    weights = dict(tts.model.state_dict())
    save_artefact(tmp_path / "out", values, weights, "", tts.provenance, kind="jepa-tts")
    with pytest.raises(ArtefactError, match="unknown key 'widht' in JepaConfig; valid"):
        load_package(tmp_path / "out")


def test_weights_of_another_size_are_refused(tts: JepaTTS, tmp_path: Path) -> None:
    from voice_data.artefact import save_artefact

    assert tts.provenance is not None
    values = json.loads(json.dumps(replace(tts.config, width=64).to_dict()))
    weights = dict(tts.model.state_dict())
    save_artefact(tmp_path / "out", values, weights, "", tts.provenance, kind="jepa-tts")
    with pytest.raises(ArtefactError, match=r"the weights do not fit: .*size mismatch"):
        load_package(tmp_path / "out")


def test_a_vocoder_of_other_mels_is_refused(tts: JepaTTS, package: Path, tmp_path: Path) -> None:
    other = Vocoder(VocoderConfig(width=16, inner=16, layers=1, n_mels=80))
    save_model(other, tmp_path / "vocoder", "vocoder")
    with pytest.raises(ValueError, match="n_mels does not match: it is 100 in the model and 80"):
        load_package(package, tmp_path / "vocoder")
    assert tts.provenance is not None
    with pytest.raises(ValueError, match="n_mels does not match"):
        save_package(tts.model, other, tmp_path / "o", card="", provenance=tts.provenance)
    assert not (tmp_path / "o").exists()


def test_a_provenance_of_another_rate_is_refused(tts: JepaTTS, tmp_path: Path) -> None:
    wrong = Provenance(sample_rate=16_000, licence="CC0-1.0")
    with pytest.raises(ArtefactError, match="sample_rate does not match"):
        save_package(tts.model, tts.vocoder, tmp_path / "o", card="", provenance=wrong)


def test_diverged_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="w does not fit half precision: the training"):
        packed({"w": torch.tensor([1e6])}, 16)
    with pytest.raises(ValueError, match="w does not fit"):
        packed({"w": torch.full((100, 100), float("nan"))}, 8)


def test_a_training_folder_needs_a_vocoder(tts: JepaTTS, package: Path, tmp_path: Path) -> None:
    save_model(tts.model, tmp_path / "model")
    with pytest.raises(ArtefactError, match="has no vocoder: name one"):
        load_package(tmp_path / "model")
    loaded = JepaTTS.from_pretrained(tmp_path / "model", vocoder=package / "vocoder")
    assert loaded.voices == tts.voices
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match=r"model\.safetensors"):
        load_package(tmp_path / "model", package / "vocoder")


def test_a_read_only_folder_is_named(tts: JepaTTS, tmp_path: Path) -> None:
    """A file where the folder would be stands in for it: root may write anywhere."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write the file, a file stands where a folder"):
        tts.save_pretrained(tmp_path / "file" / "out")


def test_loading_draws_no_random_numbers(package: Path) -> None:
    """Drawing weights only to overwrite them would double the time to load."""
    torch.manual_seed(11)
    expected = torch.randn(3)
    torch.manual_seed(11)
    load_package(package)
    open_vocoder(package / "vocoder")
    assert torch.equal(torch.randn(3), expected)
