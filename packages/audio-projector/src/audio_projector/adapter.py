"""A voice for the speech model from a PEFT folder: plain LoRA added into its linear layers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.artefact import ArtefactError
from voice_data.storage import file_sha256

if TYPE_CHECKING:
    import torch

    from voice_data.speech import Condition, SpeechModel

CONFIG, WEIGHTS, CONDITION, VOICE = (
    "adapter_config.json", "adapter_model.safetensors", "condition.safetensors", "voice.json",
)  # fmt: skip
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_UNSUPPORTED = ("use_dora", "modules_to_save", "fan_in_fan_out", "rank_pattern", "alpha_pattern")


def wear(model: SpeechModel, folder: str | os.PathLike[str]) -> Condition | None:
    """Add an adapter to the weights, for as long as the model lives; returns the voice with it.

    Raises:
        ArtefactError: if a file is missing, damaged or changed, the adapter belongs to another
            model, or it is more than plain LoRA: merge such a one with `tts-lora merge`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    root = Path(folder)
    config, card = _json(root / CONFIG), _json(root / VOICE)
    _check(root, config, card, model)
    try:
        tensors = load_file(root / WEIGHTS)
        condition = load_file(root / CONDITION) if (root / CONDITION).is_file() else None
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{root} cannot be read ({error}): copy the adapter again") from error
    rank = int(config["r"])
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    changes = {_layer(name): None for name in tensors}
    layers = dict(model.network.named_modules())
    for name in changes:
        up, down = (tensors.get(f"{_PREFIX}{name}{end}") for end in (_UP, _DOWN))
        if name not in layers or up is None or down is None:
            raise ArtefactError(f"{root} changes {name!r}, which this model has not: {_REMEDY}")
        _add(layers[name], scale * (up @ down), root, name)
    return condition


def _add(layer: Any, change: torch.Tensor, root: Path, name: str) -> None:
    import torch

    weight = getattr(layer, "weight", None)
    if weight is None or weight.shape != change.shape:
        raise ArtefactError(f"{root} does not fit the layer {name!r}: {_REMEDY}")
    with torch.no_grad():
        weight += change.to(weight)


def _layer(name: str) -> str:
    for end in (_UP, _DOWN):
        if name.startswith(_PREFIX) and name.endswith(end):
            return name[len(_PREFIX) : -len(end)]
    raise ArtefactError(f"{name!r} is no part of a plain LoRA: {_REMEDY}")


def _check(root: Path, config: dict[str, Any], card: dict[str, Any], model: SpeechModel) -> None:
    kind = config.get("peft_type")
    unsupported = [name for name in _UNSUPPORTED if config.get(name)]
    if kind != "LORA" or unsupported:
        raise ArtefactError(f"{root} is {kind} with {unsupported or 'no LoRA'}: {_REMEDY}")
    base = card.get("provenance", {}).get("base_sha256")
    if base != model.weights_sha256:
        raise ArtefactError(
            f"{root} was trained on weights {str(base)[:12]} and these are "
            f"{model.weights_sha256[:12]}: use the model that it was trained on"
        )
    for name, digest in card.get("files", {}).items():
        if name in (WEIGHTS, CONDITION, CONFIG) and file_sha256(root / name) != digest:
            raise ArtefactError(f"{root / name} was changed: copy the adapter again")


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}): give an adapter's folder") from error


_REMEDY = "merge it into the model with `tts-lora merge` and name that as the target"
