"""Reading and writing models: safetensors and a config, checked before anything is used."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from jepa_tts.compression import decompress
from jepa_tts.config import SIZES, JepaConfig
from jepa_tts.low_rank import merged
from jepa_tts.model import JepaModel
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig
from voice_data.artefact import load_artefact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from jepa_tts.corpus import Corpus
    from jepa_tts.train import TrainConfig


UNNAMED = "virtual-"
"""Speakers whose names begin so are only ever heard from clips: they teach the prompt encoder."""


def start_model(config: TrainConfig, corpus: Corpus, phonemes: str = "") -> JepaModel:
    """The model that a stage continues (``config.start``), or a new one of ``config.size``.

    A language that is added spells with its own ``phonemes``.
    """
    torch.manual_seed(config.seed)
    if config.start:
        model = load_model(Path(config.start))
        return spelling(model, phonemes) if config.language and phonemes else model
    size = replace(SIZES[config.size], phonemes=phonemes, speakers=named_voices(corpus))
    return JepaModel(size)


def spelling(model: JepaModel, phonemes: str) -> JepaModel:
    """A copy of the model with a new head for ``phonemes``, or itself if these are its own."""
    if model.config.phonemes == phonemes:
        return model
    copy = JepaModel(replace(model.config, phonemes=phonemes))
    head = "text_encoder.phoneme_head."
    known = {k: v for k, v in model.state_dict().items() if not k.startswith(head)}
    copy.load_state_dict(copy.state_dict() | known)
    return copy


def named_voices(corpus: Corpus) -> tuple[str, ...]:
    """Speakers of a cache, those who speak most first; ``virtual-`` ones stay unnamed."""
    frames: Counter[str] = Counter()
    for row in corpus.rows:
        if not row.speaker.startswith(UNNAMED):
            frames[row.speaker] += row.frames
    return tuple(name for name, _ in sorted(frames.items(), key=lambda item: (-item[1], item[0])))


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file so that a crash leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def save_model(model: JepaModel | Vocoder, folder: Path, kind: str = "jepa-tts") -> None:
    """Write ``config.json`` and ``model.safetensors`` of a model in training."""
    save_tensors(folder / "model.safetensors", merged(model))
    described = {"kind": kind, "config": model.config.to_dict()}
    partial = folder / "config.json.part"
    partial.write_text(json.dumps(described, indent=2, ensure_ascii=False), "utf-8")
    partial.replace(folder / "config.json")


def load_model(folder: Path) -> JepaModel:
    """The model in ``folder``: of a training run, or a packed one, which is verified.

    Raises:
        FileNotFoundError: if it holds none.
        ValueError: for an unknown key or weights that do not fit the configuration.
    """
    model = JepaModel(JepaConfig.from_dict(_described(folder)["config"]))
    _fill(model, folder)
    return model


def load_vocoder(folder: Path) -> Vocoder:
    """The vocoder in ``folder``: of a training run, or a packed one, which is verified.

    Raises:
        FileNotFoundError: if it holds none.
        ValueError: for an unknown key or weights that do not fit the configuration.
    """
    vocoder = Vocoder(VocoderConfig.from_dict(_described(folder)["config"]))
    _fill(vocoder, folder)
    return vocoder


def hash_weights(model: JepaModel) -> str:
    """SHA-256 over the names and values of a model's weights."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _described(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    try:
        described = json.loads(path.read_text("utf-8"))
        described["config"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a model: {error!r}; save it again") from error
    return described


def _fill(model: JepaModel | Vocoder, folder: Path) -> None:
    path = folder / "model.safetensors"
    try:
        if "format" in _described(folder):
            tensors = decompress(load_artefact(folder).tensors)
        else:
            tensors = load_file(path)
        model.load_state_dict(tensors)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}): copy it again") from error
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit its config.json: {error}") from error
