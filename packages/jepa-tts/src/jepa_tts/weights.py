"""A packed checkpoint as NumPy arrays, verified as it is read. Torch is not needed here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from jepa_tts.config import JepaConfig
from jepa_tts.languages import read_language, scripts_in
from jepa_tts.vocoder_config import VocoderConfig
from voice_data.artefact import ArtefactError, load_artefact

if TYPE_CHECKING:
    from voice_data.artefact import Provenance

MODEL_KIND, VOCODER_KIND, VOCODER_FOLDER = "jepa-tts", "vocoder", "vocoder"
CODES, SCALES = ".codes", ".scales"
DEFAULT_CARD = "# A voice of jepa-tts\n\nSee config.json for data, licence and settings.\n"
Change = tuple[str, np.ndarray]
"""The name of a linear layer, and what is added to its weight [O, I]."""
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """``tensors`` of the model and ``sounds`` of the vocoder, in float32 by their names."""

    model: JepaConfig
    vocoder: VocoderConfig
    tensors: Mapping[str, np.ndarray]
    sounds: Mapping[str, np.ndarray]
    weights_sha256: str
    provenance: Provenance
    languages: Mapping[str, Path] = field(default_factory=dict)
    """Folders of the languages beside its own, by script."""

    def speaking(self, script: str) -> Weights:
        """The same in the language of a script.

        Raises:
            ArtefactError: if the language is damaged, or for another checkpoint.
        """
        language = read_language(self.languages[script], self.weights_sha256)
        return replace(self, tensors=language.spoken_by(self.tensors), languages={})

    def plus(self, changes: Iterable[Change]) -> Weights:
        """The same with something added to the weights of some layers.

        Raises:
            ValueError: naming a layer that the model lacks, or the shape.
        """
        tensors = dict(self.tensors)
        for layer, change in changes:
            name = f"{layer}.weight"
            check_change(layer, change.shape, tensors[name].shape if name in tensors else None)
            tensors[name] = tensors[name] + change.astype(np.float32)
        return replace(self, tensors=tensors)


def check_change(layer: str, change: tuple[int, ...], weight: tuple[int, ...] | None) -> None:
    """Refuse a change that fits no weight of the model.

    Raises:
        ValueError: naming the layer and the shapes.
    """
    if weight is None:
        raise ValueError(f"the model has no layer {layer!r}: the change is for another model")
    if tuple(change) != tuple(weight):
        raise ValueError(
            f"the change of {layer!r} is {list(change)} and its weight {list(weight)}: "
            "the change is for another model"
        )


def is_packed(folder: Path, vocoder: Path | None = None) -> bool:
    """Whether model and vocoder are artefacts, not folders of training or of another library."""
    inside = vocoder or folder / VOCODER_FOLDER
    return all(_has_format(each) for each in (folder, inside))


def read_weights(folder: Path, vocoder: Path | None = None) -> Weights:
    """The checkpoint in ``folder``; ``vocoder`` takes the place of the vocoder inside it.

    Raises:
        ArtefactError: if a file is missing, damaged or changed, or a key unknown, by name;
            languages are verified when they are first spoken.
        ValueError: if the vocoder does not read the model's mels.
    """
    artefact = load_artefact(folder, kind=MODEL_KIND, framework="numpy")
    inside = vocoder or folder / VOCODER_FOLDER
    sound = load_artefact(inside, kind=VOCODER_KIND, framework="numpy")
    config = parsed(folder, JepaConfig.from_dict, artefact.config)
    shape = parsed(inside, VocoderConfig.from_dict, sound.config)
    check_vocoder(config, shape)
    return Weights(
        model=config,
        vocoder=shape,
        tensors=widened(artefact.tensors),
        sounds=widened(sound.tensors),
        weights_sha256=artefact.weights_sha256,
        provenance=artefact.provenance,
        languages=scripts_in(folder),
    )


def widened(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As :func:`jepa_tts.compression.decompress`, to NumPy arrays.

    Raises:
        ArtefactError: if codes stand without their scales.
    """
    tensors: dict[str, np.ndarray] = {}
    for name, array in packed.items():
        if name.endswith(SCALES):
            continue
        if not name.endswith(CODES):
            tensors[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
            continue
        bare = name.removesuffix(CODES)
        if bare + SCALES not in packed:
            raise ArtefactError(f"{name} has no {bare + SCALES} beside it: the file is incomplete")
        scales = packed[bare + SCALES].astype(np.float32)
        tensors[bare] = array * scales.reshape(-1, *[1] * (array.ndim - 1))
    return tensors


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


def parsed(folder: Path, parse: Callable[[Mapping[str, Any]], C], values: dict[str, Any]) -> C:
    """A configuration of an artefact.

    Raises:
        ArtefactError: naming the file, if it is not one.
    """
    try:
        return parse(values)
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"{folder / 'config.json'}: {error}") from error


def _has_format(folder: Path) -> bool:
    try:
        described = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(described, dict) and "format" in described
