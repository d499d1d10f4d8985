"""Projectors on disk: equal when read back, bound to both models, refused when damaged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch

from audio_projector.checkpoint import load_projector, save_projector, shipped
from voice_data.artefact import ArtefactError, save_artefact

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def test_a_projector_is_read_back_as_it_was(run_folder: Path, tmp_path: Path) -> None:
    saved = load_projector(run_folder)
    save_projector(tmp_path, saved.projector, saved.binding, provenance=saved.provenance)
    again = load_projector(tmp_path)
    assert again.binding == saved.binding
    assert again.provenance.base_sha256 == saved.binding.tts_sha256
    for name, tensor in saved.projector.state_dict().items():
        assert torch.equal(again.projector.state_dict()[name], tensor)
    assert not any(p.requires_grad for p in again.projector.parameters())


def test_half_precision_is_half_the_size_and_close(run_folder: Path, tmp_path: Path) -> None:
    saved = load_projector(run_folder)
    save_projector(tmp_path, saved.projector, saved.binding, provenance=saved.provenance, half=True)
    sizes = [(f / "model.safetensors").stat().st_size for f in (tmp_path, run_folder)]
    assert sizes[0] < 0.7 * sizes[1]
    for name, tensor in saved.projector.state_dict().items():
        found = load_projector(tmp_path).projector.state_dict()[name]
        torch.testing.assert_close(found, tensor, atol=2e-3, rtol=2e-3)


def test_it_is_bound_to_both_models(run_folder: Path, llm: LanguageModel) -> None:
    binding = load_projector(run_folder).binding
    binding.require_llm(llm)
    tokenizer = replace(binding, tokenizer_sha256="0" * 64)
    with pytest.raises(ArtefactError, match="has other tokenizer"):
        tokenizer.require_llm(llm)
    with pytest.raises(ArtefactError, match="and these are 999999999999"):
        binding.require_tts(SimpleNamespace(weights_sha256="9" * 64))  # type: ignore[arg-type]


def test_a_damaged_projector_is_refused(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(run_folder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ArtefactError, match="cut short"):
        load_projector(folder)


def test_settings_that_do_not_fit_the_weights_are_refused(run_folder: Path, tmp_path: Path) -> None:
    saved = load_projector(run_folder)
    values = {"projector": {**saved.projector.config.to_dict(), "width": 20}, "binding": {}}
    tensors = dict(saved.projector.state_dict())
    save_artefact(tmp_path, values, tensors, "", saved.provenance, kind="audio-projector")
    with pytest.raises(ArtefactError, match="no projector that can be used"):
        load_projector(tmp_path)


def test_the_shipped_projector_is_small_and_whole() -> None:
    saved = load_projector()
    assert saved.projector.size() < 3_000_000
    assert saved.binding.tts == "jepa-tts"
    assert sum(path.stat().st_size for path in shipped().iterdir()) <= 3 * 2**20
