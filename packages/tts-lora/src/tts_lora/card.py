"""``voice.json``: what an adapter is for, what it was made from, and on what terms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.binding import base_sha256
from tts_lora.targets import AdapterError
from voice_data.artefact import ArtefactError, Provenance
from voice_data.config import ConfigError, from_mapping

if TYPE_CHECKING:
    from voice_data.speech import SpeechModel

VOICE, FORMAT, KIND = "voice.json", 1, "adapter"
CONFIG, WEIGHTS, CONDITION = (
    "adapter_config.json", "adapter_model.safetensors", "condition.safetensors",
)  # fmt: skip
_KINDS = {
    "format": int, "kind": str, "base": str, "description": str, "provenance": dict,
    "metrics": dict, "files": dict, "sha256": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCard:
    """``base`` is a reference for :func:`voice_data.speech.load_speech_model`.

    ``provenance.base_sha256`` binds the adapter to those weights, ``files`` maps the names of the
    folder's files to their SHA-256, ``metrics`` are plain JSON values.

    Raises:
        AdapterError: if the base or its hash is missing, or ``files`` names another file than
            those of an adapter.
    """

    base: str
    provenance: Provenance
    description: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.base.strip():
            raise AdapterError("base is empty: name the model that the adapter is for")
        if not self.provenance.base_sha256:
            raise AdapterError("base_sha256 is empty: record the model's weights_sha256")
        for name in self.files:
            if name not in (CONFIG, WEIGHTS, CONDITION):
                raise AdapterError(f"{VOICE} lists the file {name!r}, which no adapter has")

    @classmethod
    def of(
        cls,
        model: SpeechModel,
        *,
        base: str,
        licence: str,
        consent: str = "",
        mel: Mapping[str, int] | None = None,
        data_manifest_sha256: str = "",
        command: str = "",
        description: str = "",
        metrics: Mapping[str, Any] | None = None,
    ) -> VoiceCard:
        """The card of an adapter that was trained on ``model``, which ``base`` refers to.

        Raises:
            ArtefactError: if the licence is missing or a hash is not one.
        """
        provenance = Provenance(
            sample_rate=model.sample_rate,
            licence=licence,
            consent=consent,
            mel=mel or {},
            base_sha256=base_sha256(model),
            data_manifest_sha256=data_manifest_sha256,
            command=command,
        )
        metrics = metrics or {}
        return cls(base=base, provenance=provenance, description=description, metrics=metrics)

    def require(self, model: SpeechModel) -> None:
        """Check that the adapter was made for ``model``.

        Raises:
            AdapterError: if the base weights or the sample rate differ; both are named.
        """
        made, rate = self.provenance, model.sample_rate
        if made.sample_rate != rate:
            raise AdapterError(
                f"sample_rate does not match: the adapter speaks {made.sample_rate} Hz and the "
                f"model {rate} Hz; use the base {self.base!r}"
            )
        if made.base_sha256 != (found := base_sha256(model)):
            raise AdapterError(
                f"base_sha256 does not match: the adapter was trained on {self.base!r} with "
                f"weights {made.base_sha256[:12]}… and this model's are {found[:12]}…; load that "
                "base, or train the adapter anew"
            )

    def to_json(self) -> str:
        """The text of ``voice.json``; its ``sha256`` covers everything else in it."""
        values = {"format": FORMAT, "kind": KIND, **asdict(self)}
        try:
            values["sha256"] = _digest(values)
            return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise AdapterError(f"{VOICE} cannot be stored as JSON: {error}") from error

    @classmethod
    def read(cls, folder: Path) -> VoiceCard:
        """The card in a folder.

        Raises:
            AdapterError: if the file is missing, damaged, newer than this version, or holds a key
                that is unknown.
        """
        path = folder / VOICE
        values = _parse(path)
        if isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise AdapterError(
                f"{path} has format {values['format']} and this version reads up to {FORMAT}: "
                "upgrade tts-lora"
            )
        for key in values:
            if key not in _KINDS:
                raise AdapterError(f"{path}: unknown key {key!r}; valid: {', '.join(_KINDS)}")
        for key, kind in _KINDS.items():
            if not isinstance(values.get(key), kind):
                raise AdapterError(f"{path}: {key} must be a {kind.__name__}: copy it again")
        if values["kind"] != KIND:
            raise AdapterError(f"{path} describes a {values['kind']!r}, not an {KIND!r}")
        recorded = values.pop("sha256")
        if recorded != _digest(values):
            raise AdapterError(
                f"{path} was changed after it was written: copy the adapter again, or write the "
                "card anew with tts_lora.card.rewrite"
            )
        del values["format"], values["kind"]
        try:
            made = from_mapping(Provenance, values.pop("provenance"), where=str(path))
            return cls(provenance=made, **values)
        except (ConfigError, ArtefactError) as error:
            raise AdapterError(f"{path}: {error}") from error


def rewrite(folder: str | Path, card: VoiceCard) -> VoiceCard:
    """Write a card for the adapter files that are in ``folder`` now, and return it.

    For a PEFT folder from elsewhere, and to add metrics after training.

    Raises:
        AdapterError: if the folder lacks a file of an adapter.
        OSError: if the folder cannot be written.
    """
    from voice_data.storage import file_sha256, write_text

    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise AdapterError(f"{folder} is not a PEFT adapter: it has no {name}")
    present = [name for name in (CONFIG, WEIGHTS, CONDITION) if (folder / name).is_file()]
    card = replace(card, files={name: file_sha256(folder / name) for name in present})
    write_text(folder / VOICE, card.to_json())
    return card


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdapterError(
            f"{path.parent} has no {VOICE}, so nothing says which model, licence and sample rate "
            "it is for: write one with tts_lora.card.rewrite, or check the path"
        ) from error
    except (OSError, ValueError) as error:
        raise AdapterError(f"{path} cannot be read ({error}): copy the adapter again") from error
    if not isinstance(values, dict):
        raise AdapterError(f"{path} must hold a JSON object: copy the adapter again")
    return values
