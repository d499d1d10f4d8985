"""Projectors on disk: an artefact that knows which two models it stands between."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audio_projector.config import ProjectorConfig
from voice_data.artefact import ArtefactError, Provenance, load_artefact, save_artefact
from voice_data.config import ConfigError, from_mapping

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel
    from audio_projector.projector import Projector
    from voice_data.speech import SpeechModel

KIND = "audio-projector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The models that a projector was trained between, by reference and by the hash of their
    weights, and the ``prefix`` after which the language model read.
    """

    llm: str
    llm_sha256: str
    tokenizer_sha256: str
    tts: str
    tts_sha256: str
    prefix: str

    def require_llm(self, llm: LanguageModel) -> None:
        """Refuse another language model.

        Raises:
            ArtefactError: naming what differs.
        """
        pairs = {
            "weights": (self.llm_sha256, llm.weights_sha256),
            "tokenizer": (self.tokenizer_sha256, llm.tokenizer_sha256),
        }
        for name, (known, given) in pairs.items():
            if known != given:
                raise ArtefactError(
                    f"the projector reads states of {self.llm or 'the shipped model'!r} and "
                    f"{llm.name!r} has other {name} ({given[:12]}, not {known[:12]}): use that "
                    "model, or train a projector for this one"
                )

    def require_tts(self, model: SpeechModel) -> None:
        """Refuse another speech model.

        Raises:
            ArtefactError: naming both.
        """
        if model.weights_sha256 != self.tts_sha256:
            raise ArtefactError(
                f"the projector speaks through {self.tts!r} with weights {self.tts_sha256[:12]}, "
                f"and these are {model.weights_sha256[:12]}: use those, or train it anew"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A projector that was read, and what is recorded with it."""

    projector: Projector
    binding: Binding
    provenance: Provenance
    weights_sha256: str


def shipped() -> Path:
    """The folder of the projector inside the package."""
    from importlib.resources import files

    return Path(str(files("audio_projector"))) / "checkpoints" / "smollm2-jepa"


def save_projector(
    folder: str | os.PathLike[str],
    projector: Projector,
    binding: Binding,
    *,
    provenance: Provenance,
    card: str = "",
    half: bool = False,
) -> str:
    """Write a projector, in half precision if asked, and return the hash of its weights.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    tensors = {name: value.detach() for name, value in projector.state_dict().items()}
    if half:
        tensors = {name: value.half() for name, value in tensors.items()}
    values = {"projector": projector.config.to_dict(), "binding": asdict(binding)}
    return save_artefact(folder, values, tensors, card or _CARD, provenance, kind=KIND)


def load_projector(folder: str | os.PathLike[str] | None = None) -> Saved:
    """The projector in a folder (the shipped one without), in float32, in evaluation mode.

    Raises:
        ArtefactError: if it is missing, damaged, cut or changed, or does not fit its settings.
    """
    from audio_projector.projector import Projector

    place = shipped() if folder is None else Path(folder)
    artefact = load_artefact(place, kind=KIND)
    try:
        config = ProjectorConfig.from_dict(artefact.config["projector"], where=str(place))
        binding = from_mapping(Binding, artefact.config["binding"], where=str(place))
        projector = Projector(config)
        projector.load_state_dict({name: t.float() for name, t in artefact.tensors.items()})
    except (KeyError, ConfigError, RuntimeError) as error:
        raise ArtefactError(f"{place} is no projector that can be used: {error}") from error
    return Saved(
        projector=projector.eval().requires_grad_(False),
        binding=binding,
        provenance=artefact.provenance,
        weights_sha256=artefact.weights_sha256,
    )


_CARD = "# A projector of audio-projector\n\nSee config.json for both models and the settings.\n"
