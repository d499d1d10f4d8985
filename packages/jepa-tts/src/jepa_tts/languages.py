"""Languages beside a checkpoint's own, each chosen by the script of a sentence (torch not needed).

A checkpoint's folder ``languages`` holds one folder for each: a text encoder and durations of its
own, and additions of low rank to the predictor, as an artefact bound to the checkpoint's weights.
Speech in the checkpoint's own language is not touched (compare the adapters of MMS: Pratap et al.,
2023).

Letters: O output rows, I inputs, R rank.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voice_data.artefact import CARD, ArtefactError, load_artefact, save_artefact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jepa_tts.model import JepaModel

LANGUAGES, LANGUAGE_KIND = "languages", "jepa-tts-language"
OWN_SCRIPT = "LATIN"
UP, DOWN = ".up", ".down"
"""Ends of the names of an addition's factors, [O, R] and [R, I]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """``tensors`` take the place of the checkpoint's; pairs of factors are added to them."""

    code: str
    script: str
    phonemes: str
    tensors: Mapping[str, np.ndarray]

    def spoken_by(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The checkpoint's tensors with the language's instead of, and added to, them."""
        changed = dict(tensors)
        for name, tensor in self.tensors.items():
            if name.endswith(UP):
                weight = name.removesuffix(UP)
                change = tensor @ self.tensors[weight + DOWN]
                changed[weight] = changed[weight] + change.astype(np.float32)
            elif not name.endswith(DOWN):
                changed[name] = tensor
        return changed


def script_of(text: str) -> str:
    """The script of most letters, as Unicode names it; :data:`OWN_SCRIPT` if there are none.

    >>> script_of("नमस्ते world"), script_of("Guten Tag!"), script_of("42")
    ('DEVANAGARI', 'LATIN', 'LATIN')
    """
    found = Counter(
        unicodedata.name(letter, OWN_SCRIPT).split()[0] for letter in text if letter.isalpha()
    )
    return found.most_common(1)[0][0] if found else OWN_SCRIPT


def scripts_in(folder: Path) -> dict[str, Path]:
    """The folders of a checkpoint's languages by their scripts; nothing is loaded.

    Raises:
        ArtefactError: if one of them is not a language, or two have one script.
    """
    found: dict[str, Path] = {}
    for path in sorted((folder / LANGUAGES).glob("*/config.json")):
        try:
            script = str(json.loads(path.read_text("utf-8"))["config"]["script"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(f"{path} does not describe a language: copy it again") from error
        if script in found:
            paths = f"{found[script]} and {path.parent}"
            raise ArtefactError(f"{paths} are both for {script}: keep one of them")
        found[script] = path.parent
    return found


def read_language(folder: Path, base_sha256: str) -> Language:
    """A language, verified, with its tensors in float32.

    Raises:
        ArtefactError: if a file is missing, damaged or changed, or it is for another checkpoint.
    """
    from jepa_tts.weights import widened

    artefact = load_artefact(folder, kind=LANGUAGE_KIND, framework="numpy")
    artefact.provenance.require(base_sha256=base_sha256)
    try:
        facts = {name: str(artefact.config[name]) for name in ("code", "script", "phonemes")}
    except KeyError as error:
        raise ArtefactError(f"{folder / 'config.json'} lacks {error}: copy it again") from error
    return Language(**facts, tensors=widened(artefact.tensors))


def carry(folders: Iterable[Path], folder: Path, *, before: str, after: str) -> None:
    """Put languages beside the checkpoint in ``folder``, which has the weights ``after`` (SHA-256)
    where theirs has ``before``; their additions are added to whatever its predictor has become.

    Raises:
        ArtefactError: if one of them is damaged, or for another checkpoint than ``before``.
        OSError: if one cannot be written.
    """
    for path in folders:
        artefact = load_artefact(path, kind=LANGUAGE_KIND, framework="numpy")
        artefact.provenance.require(base_sha256=before)
        save_artefact(
            folder / LANGUAGES / path.name,
            artefact.config,
            artefact.tensors,
            (path / CARD).read_text("utf-8"),
            replace(artefact.provenance, base_sha256=after),
            kind=LANGUAGE_KIND,
        )


def speaking(model: JepaModel, language: Language) -> JepaModel:
    """A copy of a model that speaks the language, in evaluation mode.

    Raises:
        ValueError: if layers of the model have been wrapped, as PEFT does while it trains.
    """
    import torch

    from jepa_tts.model import JepaModel

    copy = JepaModel(replace(model.config, phonemes=language.phonemes))
    known = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    if set(known) != set(copy.state_dict()):
        raise ValueError(
            "layers of the model are wrapped by an adapter in training, which speaks the "
            "model's own language only: merge the adapter or load it with tts-lora"
        )
    changed = language.spoken_by(known)
    copy.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in changed.items()})
    return copy.eval().requires_grad_(False)
