"""Artefacts: round trips, equal bytes, and the refusal of anything that has changed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voice_data import artefact
from voice_data.artefact import ArtefactError, Provenance, load_artefact, save_artefact
from voice_data.mel import MelConfig
from voice_data.storage import file_sha256

PROVENANCE = Provenance(
    sample_rate=24_000,
    licence="Apache-2.0",
    consent="synthetic",
    mel=MelConfig().to_dict(),
    data_manifest_sha256="ab" * 32,
    command="jepa-tts train",
)
TENSORS = {
    "weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "bias": np.array([-1.5], dtype=np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_artefact(tmp_path / "model", {"width": 3}, TENSORS, "# A card\n", PROVENANCE, kind="test")
    return tmp_path / "model"


def test_round_trip(folder: Path) -> None:
    loaded = load_artefact(folder, kind="test", framework="numpy")
    assert loaded.config == {"width": 3}
    assert loaded.provenance == PROVENANCE
    assert loaded.weights_sha256 == file_sha256(folder / "model.safetensors")
    assert sorted(loaded.tensors) == ["bias", "weight"]
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(loaded.tensors[name], tensor, strict=True)
    assert (folder / "README.md").read_text() == "# A card\n"


def test_torch_tensors_survive_bit_for_bit(tmp_path: Path) -> None:
    import torch

    tensors = {"a": torch.randn(3, 4).T, "b": torch.tensor([1.0], dtype=torch.bfloat16)}
    save_artefact(tmp_path / "model", {}, tensors, "", PROVENANCE)
    loaded = load_artefact(tmp_path / "model").tensors
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert loaded["b"].dtype == torch.bfloat16


def test_equal_inputs_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    turned = dict(reversed(TENSORS.items()))
    save_artefact(tmp_path / "again", {"width": 3}, turned, "# A card\n", PROVENANCE, kind="test")
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_saving_again_keeps_other_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    save_artefact(folder, {"width": 4}, TENSORS, "", PROVENANCE)
    assert load_artefact(folder).config == {"width": 4}
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "notes.txt",
    ]


@pytest.mark.parametrize("position", [3, 20, -1])
def test_one_flipped_bit_in_the_weights_is_refused(folder: Path, position: int) -> None:
    flip(folder / "model.safetensors", position)
    with pytest.raises(ArtefactError, match=r"model\.safetensors is (damaged|cut short)"):
        load_artefact(folder)


def test_no_flipped_bit_in_the_settings_goes_unnoticed(folder: Path) -> None:
    path = folder / "config.json"
    original = path.read_bytes()
    for position, byte in enumerate(original):
        if bytes([byte]).isspace() or bytes([byte ^ 1]).isspace():
            continue  # white space between values means nothing in JSON
        flip(path, position)
        with pytest.raises(ArtefactError, match=r"config\.json|artefact|model\.safetensors"):
            load_artefact(folder, framework="numpy")
        path.write_bytes(original)


def test_a_truncated_file_is_named_with_its_size(folder: Path) -> None:
    path = folder / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ArtefactError, match=rf"cut short, {size - 4} of {size} bytes"):
        load_artefact(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match=r"model\.safetensors is missing"):
        load_artefact(folder)
    with pytest.raises(
        ArtefactError, match=r"elsewhere is not an artefact: it has no config\.json"
    ):
        load_artefact(folder / "elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, r"config\.json: unknown key 'colour'; valid: format, kind"),
        ({"format": 2}, r"has format 2 and this version reads up to 1: upgrade"),
        ({"format": "1"}, r"format must be a int, not '1'"),
        ({"kind": None}, r"kind must be a str"),
        ({"config": {"width": 4}}, r"config\.json was changed after the weights were written"),
        ({"weights_sha256": "0" * 64}, r"model\.safetensors is damaged or was replaced"),
    ],
)
def test_changed_settings_are_refused_by_name(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtefactError, match=message):
        load_artefact(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "format": 1}', "\xff"])
def test_broken_settings_are_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtefactError, match=r"config\.json"):
        load_artefact(folder)


def test_a_missing_key_is_named(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values["provenance"]
    path.write_text(json.dumps(values))
    with pytest.raises(ArtefactError, match="the key 'provenance' is missing"):
        load_artefact(folder)


def test_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(ArtefactError, match="holds a 'test' artefact, not a 'vocoder' one"):
        load_artefact(folder, kind="vocoder")


def test_require_names_the_field_that_differs() -> None:
    PROVENANCE.require(sample_rate=24_000, mel=MelConfig().to_dict())
    with pytest.raises(
        ArtefactError, match=r"sample_rate .* made with 24000 and is used with 16000"
    ):
        PROVENANCE.require(sample_rate=16_000)
    with pytest.raises(ArtefactError, match="mel does not match"):
        PROVENANCE.require(mel=MelConfig(n_mels=80).to_dict())
    with pytest.raises(ArtefactError, match="base_sha256 does not match"):
        PROVENANCE.require(base_sha256="cd" * 32)
    with pytest.raises(ArtefactError, match="data_manifest_sha256 does not match"):
        PROVENANCE.require(data_manifest_sha256="cd" * 32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"licence": " "}, "licence is empty"),
        ({"sample_rate": 0}, "sample_rate must be a positive int"),
        ({"base_sha256": "xyz"}, "base_sha256 must be 64 hexadecimal digits"),
    ],
)
def test_provenance_checks_its_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        Provenance(**{"sample_rate": 24_000, "licence": "MIT", **values})


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({}, {}, "no tensors"),
        ({}, {"a": "text"}, "cannot be stored as safetensors"),
        ({"a": {1, 2}}, TENSORS, "cannot be stored as JSON"),
        ({"a": float("nan")}, TENSORS, "cannot be stored as JSON"),
    ],
)
def test_what_cannot_be_stored_leaves_nothing(
    tmp_path: Path, config: dict[str, Any], tensors: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtefactError, match=message):
        save_artefact(tmp_path / "model", config, tensors, "", PROVENANCE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    target = tmp_path / "model"
    if exists:
        save_artefact(target, {"width": 3}, TENSORS, "old", PROVENANCE)
    write_bytes, calls = Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) == 3:
            write_bytes(path, data[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"the disk is full.*model") as caught:
        save_artefact(target, {"width": 9}, TENSORS, "new", PROVENANCE)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    if exists:
        assert load_artefact(target).config == {"width": 3}
        assert len(list(target.iterdir())) == 3
    assert [path.name for path in tmp_path.iterdir()] == (["model"] if exists else [])


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(OSError, match="model"):
        save_artefact(tmp_path / "model", {}, TENSORS, "", PROVENANCE)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("model", "mine")]


def test_the_file_names_are_frozen() -> None:
    assert (artefact.CONFIG, artefact.WEIGHTS, artefact.CARD, artefact.FORMAT) == (
        "config.json",
        "model.safetensors",
        "README.md",
        1,
    )


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
