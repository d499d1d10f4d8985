"""GGUF out and in again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from audio_projector.checkpoint import load_projector
from audio_projector.export import ARCHITECTURE, read_gguf, write_gguf
from audio_projector.gguf_header import GgufError, check_gguf
from audio_projector.speaking import convert


@pytest.fixture
def file(run_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "projector.gguf"
    write_gguf(load_projector(run_folder), path)
    return path


def test_a_gguf_is_read_back_within_a_millionth(run_folder: Path, file: Path) -> None:
    saved, again = load_projector(run_folder), read_gguf(file)
    assert again.projector.config == saved.projector.config
    assert again.binding == saved.binding
    assert again.provenance == saved.provenance
    for name, tensor in saved.projector.state_dict().items():
        torch.testing.assert_close(again.projector.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_the_layout_is_as_documented(run_folder: Path, file: Path) -> None:
    from gguf import GGUFReader

    saved, reader = load_projector(run_folder), GGUFReader(str(file))
    config = saved.projector.config

    def entry(name: str) -> object:
        field = reader.get_field(name)
        assert field is not None
        return field.contents()

    assert entry("general.architecture") == ARCHITECTURE
    assert entry(f"{ARCHITECTURE}.llm_width") == config.llm_width
    assert entry(f"{ARCHITECTURE}.tts_width") == config.tts_width
    assert entry(f"{ARCHITECTURE}.layers") == list(config.layers)
    assert json.loads(str(entry(f"{ARCHITECTURE}.binding"))) == asdict(saved.binding)
    shapes = {each.name: [int(n) for n in reversed(each.shape)] for each in reader.tensors}
    assert shapes == {name: list(t.shape) for name, t in saved.projector.state_dict().items()}


def test_both_ways_by_file(run_folder: Path, tmp_path: Path) -> None:
    out = convert(run_folder, None, tmp_path / "a.gguf")
    assert out.largest_difference <= 1e-6
    back = convert(None, tmp_path / "a.gguf", tmp_path / "folder")
    assert back.largest_difference == 0.0
    assert back.parameters == load_projector(tmp_path / "folder").projector.size()
    half = convert(run_folder, None, tmp_path / "half.gguf", half=True)
    weights = load_projector(run_folder).projector.state_dict().values()
    largest = max(float(value.abs().max()) for value in weights)
    assert 0.0 < half.largest_difference <= largest * 2**-11  # eleven bits are kept


def test_a_file_that_is_cut_short_is_refused(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-64])
    assert check_gguf(file).size <= file.stat().st_size
    with pytest.raises(GgufError, match="cut short"):
        read_gguf(cut)


def test_a_gguf_of_something_else_is_refused(tmp_path: Path) -> None:
    import gguf
    import numpy as np

    path = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tensor("a", np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(GgufError, match="holds a 'llama' model"):
        read_gguf(path)
