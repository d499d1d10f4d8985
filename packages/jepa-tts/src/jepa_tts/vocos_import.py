"""Reading a Vocos directory: ``config.yaml``, ``pytorch_model.bin`` or ``model.safetensors``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = "config.yaml"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_FEATURES = "vocos.feature_extractors.MelSpectrogramFeatures"
_BACKBONE = "vocos.models.VocosBackbone"
_HEAD = "vocos.heads.ISTFTHead"
_NOT_WEIGHTS = ("feature_extractor.", "head.istft.window")


class VocosError(ValueError):
    """A Vocos directory that cannot be read; the message names the part and what is supported."""


def is_vocos_folder(folder: Path) -> bool:
    """Whether ``folder`` looks like one."""
    return (Path(folder) / CONFIG).is_file()


def load_vocos(folder: Path) -> Vocoder:
    """The vocoder in a Vocos directory, in evaluation mode. Nothing in it is ever executed.

    Raises:
        VocosError: if a file is missing or damaged, or it holds parts other than mel features, the
            ConvNeXt backbone and the inverse-STFT head.
    """
    folder = Path(folder)
    config = vocos_config(_read_yaml(folder / CONFIG), str(folder / CONFIG))
    tensors = {k: v for k, v in _weights(folder).items() if not k.startswith(_NOT_WEIGHTS)}
    vocoder = Vocoder(config)
    try:
        vocoder.load_state_dict(tensors)
    except RuntimeError as error:
        text = " ".join(str(error).split())[:200]
        raise VocosError(f"{folder}: the weights do not fit {CONFIG}: {text}") from error
    return vocoder.eval().requires_grad_(False)


def vocos_config(values: Mapping[str, Any], where: str = CONFIG) -> VocoderConfig:
    """Our configuration from a parsed Vocos ``config.yaml``.

    Raises:
        VocosError: for a part or argument that is not supported, or two that contradict.
    """
    features = _part(values, "feature_extractor", _FEATURES, where)
    backbone = _part(values, "backbone", _BACKBONE, where)
    head = _part(values, "head", _HEAD, where)
    if backbone.get("adanorm_num_embeddings") is not None:
        raise VocosError(f"{where}: adanorm_num_embeddings is for Encodec; only mels are read")
    hop, size = head.get("hop_length"), head.get("n_fft")
    for name, value in (("hop_length", hop), ("n_fft", size)):
        if name in features and features[name] != value:
            raise VocosError(
                f"{where}: {name} is {features[name]} in the features and {value} in the head"
            )
    try:
        return VocoderConfig(
            head="istft",
            sample_rate=features.get("sample_rate", 24_000),
            n_mels=backbone["input_channels"],
            width=backbone["dim"],
            inner=backbone["intermediate_dim"],
            layers=backbone["num_layers"],
            n_fft=head["n_fft"],
            hop_length=head["hop_length"],
            padding=head.get("padding", "same"),
        )
    except KeyError as error:
        raise VocosError(f"{where}: the argument {error} is missing") from error
    except ValueError as error:
        raise VocosError(f"{where}: {error}") from error


def _part(values: Mapping[str, Any], name: str, path: str, where: str) -> Mapping[str, Any]:
    part = values.get(name)
    if not isinstance(part, dict) or "class_path" not in part:
        raise VocosError(
            f"{where}: {name} needs a class_path: is this the config of a Vocos model?"
        )
    if part["class_path"] != path:
        raise VocosError(f"{where}: {name} is {part['class_path']}; only {path} is supported")
    return part.get("init_args") or {}


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise VocosError(f"{path} cannot be read ({text}): copy the model again") from error
    if not isinstance(values, dict):
        raise VocosError(f"{path} must hold a mapping: copy the model again")
    return values


def _weights(folder: Path) -> Mapping[str, torch.Tensor]:
    for name in WEIGHTS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            if path.suffix == ".safetensors":
                from safetensors.torch import load_file

                return load_file(path)
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            raise VocosError(f"{path} cannot be read ({text}): copy the model again") from error
    raise VocosError(f"{folder} holds neither {' nor '.join(WEIGHTS)}: copy the model again")
