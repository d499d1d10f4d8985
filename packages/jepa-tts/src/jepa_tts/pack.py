"""The checkpoint as it ships: a folder for the model, in it one for the vocoder, verified at load.

``config.json``, ``model.safetensors`` (8 bits with a scale per row, or half precision) and
``README.md``, and the same three in ``vocoder/``.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from jepa_tts.checkpoint import load_model, load_vocoder
from jepa_tts.compression import compress, decompress
from jepa_tts.config import JepaConfig
from jepa_tts.model import JepaModel
from jepa_tts.postfilter import finished
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig
from jepa_tts.vocos_import import is_vocos_folder, load_vocos
from voice_data.artefact import ArtefactError, Provenance, load_artefact, save_artefact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

_log = logging.getLogger(__name__)
MODEL_KIND, VOCODER_KIND, VOCODER_FOLDER = "jepa-tts", "vocoder", "vocoder"
Bits = Literal[8, 16]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A verified checkpoint, in float32 and in evaluation mode."""

    model: JepaModel
    vocoder: Vocoder
    weights_sha256: str
    provenance: Provenance


def package_checkpoint(
    model_folder: Path,
    vocoder_folder: Path,
    out: Path,
    *,
    card: str,
    provenance: Provenance,
    vocoder_card: str = "",
    bits: Bits = 8,
    vocoder_bits: Bits = 8,
    postfilter: float = 0.0,
    phase: float | None = None,
    contrast: float | None = None,
) -> str:
    """Write ``out`` from two training folders; returns the SHA-256 of the model's weights.

    ``vocoder_folder`` may also be a Vocos directory. The sample rate and mel settings of
    ``provenance`` must be the model's own. ``postfilter`` is the gain of ``sharpen``, 0 for none;
    ``phase`` and ``contrast`` replace what the vocoder's configuration says of them.

    Raises:
        ValueError: if vocoder and mels do not fit, or a weight is out of range.
        OSError: if ``out`` cannot be written.
    """
    vocoder = open_vocoder(Path(vocoder_folder))
    return save_package(
        load_model(Path(model_folder)),
        finished(vocoder, postfilter=postfilter, phase=phase, contrast=contrast),
        Path(out),
        card=card,
        provenance=provenance,
        vocoder_card=vocoder_card,
        bits=bits,
        vocoder_bits=vocoder_bits,
    )


def pack_with_record(
    model: Path,
    vocoder: Path,
    out: Path,
    *,
    card: Path,
    licence: str,
    consent: str = "",
    command: str = "",
    manifest: Path | None = None,
    vocoder_card: Path | None = None,
    bits: str | int = 8,
    vocoder_bits: str | int = 8,
    **finish: Any,
) -> str:
    """:func:`package_checkpoint` with the provenance made from files: the verb ``pack``."""
    from voice_data.manifest import manifest_hash

    described = json.loads((model / "config.json").read_text("utf-8"))
    mel = JepaConfig.from_dict(described["config"]).mel
    provenance = Provenance(
        sample_rate=mel.sample_rate,
        mel=mel.to_dict(),
        licence=licence,
        consent=consent,
        command=command,
        data_manifest_sha256=manifest_hash(manifest) if manifest else "",
    )
    return package_checkpoint(
        model,
        vocoder,
        out,
        card=card.read_text("utf-8"),
        vocoder_card=vocoder_card.read_text("utf-8") if vocoder_card else "",
        provenance=provenance,
        bits=8 if int(bits) == 8 else 16,
        vocoder_bits=8 if int(vocoder_bits) == 8 else 16,
        **finish,
    )


def save_package(
    model: JepaModel,
    vocoder: Vocoder,
    out: Path,
    *,
    card: str,
    provenance: Provenance,
    vocoder_card: str = "",
    bits: Bits = 16,
    vocoder_bits: Bits = 16,
) -> str:
    """As :func:`package_checkpoint`, from a model and a vocoder in memory."""
    mel = model.config.mel
    provenance.require(sample_rate=mel.sample_rate, mel=mel.to_dict())
    check_vocoder(model.config, vocoder.config)
    weights = packed(model.state_dict(), bits), packed(vocoder.state_dict(), vocoder_bits)
    configs = _plain(model.config.to_dict()), _plain(vocoder.config.to_dict())
    digest = save_artefact(out, configs[0], weights[0], card, provenance, kind=MODEL_KIND)
    card = vocoder_card or card
    folder = out / VOCODER_FOLDER
    save_artefact(folder, configs[1], weights[1], card, provenance, kind=VOCODER_KIND)
    return digest


def load_package(folder: Path, vocoder: Path | None = None) -> Package:
    """Read and verify ``folder``; ``vocoder`` takes the place of the vocoder inside it.

    A training folder (:func:`jepa_tts.checkpoint.save_model`) is read too, if ``vocoder`` is given.

    Raises:
        ArtefactError: for a missing, damaged, cut or changed file, or an unknown key, by name.
        ValueError: if the vocoder does not read the model's mels.
    """
    folder = Path(folder)
    if not _is_artefact(folder):
        return _load_training(folder, vocoder)
    artefact = load_artefact(folder, kind=MODEL_KIND)
    config = _parsed(folder, JepaConfig.from_dict, artefact.config)
    model = _filled(folder, lambda: JepaModel(config), artefact.tensors)
    mel = config.mel
    artefact.provenance.require(sample_rate=mel.sample_rate, mel=mel.to_dict())
    sound = open_vocoder(vocoder or folder / VOCODER_FOLDER)
    check_vocoder(config, sound.config)
    return Package(
        model=model,
        vocoder=sound,
        weights_sha256=artefact.weights_sha256,
        provenance=artefact.provenance,
    )


def open_vocoder(folder: Path) -> Vocoder:
    """A vocoder from a shipped folder, a training folder or a Vocos directory."""
    if is_vocos_folder(folder):
        return load_vocos(folder)
    if not _is_artefact(folder):
        return _opened(load_vocoder, folder)
    artefact = load_artefact(folder, kind=VOCODER_KIND)
    config = _parsed(folder, VocoderConfig.from_dict, artefact.config)
    return _filled(folder, lambda: Vocoder(config), artefact.tensors)


def check_vocoder(model: JepaConfig, vocoder: VocoderConfig) -> None:
    """Refuse a vocoder that reads other mels than the model writes.

    Raises:
        ValueError: naming the first setting that differs, with both values.
    """
    for name, wanted in model.mel.to_dict().items():
        found = getattr(vocoder, name)
        if found != wanted:
            raise ValueError(
                f"{name} does not match: it is {wanted} in the model and {found} in the vocoder; "
                "use the vocoder that was trained on the model's mels"
            )


def packed(tensors: Mapping[str, Tensor], bits: Bits) -> dict[str, Tensor]:
    """Tensors as stored: :mod:`jepa_tts.compression` for 8 bits, half precision for 16.

    Raises:
        ValueError: if a value is too large for half precision, or not finite.
    """
    stored = compress(tensors) if bits == 8 else {n: _halved(t) for n, t in tensors.items()}
    for name, tensor in (*tensors.items(), *stored.items()):
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} does not fit half precision: the training has diverged")
    return stored


def _halved(tensor: Tensor) -> Tensor:
    return tensor.detach().half() if tensor.is_floating_point() else tensor


def _load_training(folder: Path, vocoder: Path | None) -> Package:
    if vocoder is None:
        raise ArtefactError(
            f"{folder} is a checkpoint of training and has no vocoder: name one (vocoder=...), or "
            "make a package with `jepa-tts pack`"
        )
    model = _opened(load_model, folder)
    sound = open_vocoder(vocoder)
    check_vocoder(model.config, sound.config)
    mel = model.config.mel
    provenance = Provenance(
        sample_rate=mel.sample_rate, mel=mel.to_dict(), licence="not recorded (training folder)"
    )
    return Package(
        model=model.eval(), vocoder=sound.eval(), weights_sha256="", provenance=provenance
    )


def _opened(load: Callable[[Path], M], folder: Path) -> M:
    try:
        return load(folder).eval().requires_grad_(False)
    except FileNotFoundError as error:
        raise ArtefactError(f"{error.filename or error} is missing: check the path") from error
    except (RuntimeError, KeyError) as error:
        raise ArtefactError(f"{folder}: the weights do not fit: {_first_line(error)}") from error


def _is_artefact(folder: Path) -> bool:
    """A training folder's config.json has no format; anything else is left to the strict reader."""
    try:
        described = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return True
    return not (isinstance(described, dict) and set(described) == {"kind", "config"})


def _parsed(folder: Path, parse: Callable[[Mapping[str, Any]], Any], values: dict[str, Any]) -> Any:
    try:
        return parse(values)
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"{folder / 'config.json'}: {error}") from error


class _Unfilled(TorchFunctionMode):
    """Build modules without drawing random weights, which takes longer than reading real ones."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _filled(folder: Path, build: Callable[[], M], tensors: Mapping[str, Tensor]) -> M:
    with _Unfilled():
        module = build()
    try:
        module.load_state_dict(decompress(tensors), assign=True)
    except (RuntimeError, ValueError) as error:
        raise ArtefactError(f"{folder}: the weights do not fit: {_first_line(error)}") from error
    return module.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON values: tuples become lists."""
    return json.loads(json.dumps(values))
