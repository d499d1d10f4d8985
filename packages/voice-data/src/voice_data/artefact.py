"""Model directories that record where they come from and are loaded only if nothing has changed.

``config.json`` (settings, provenance, hash of the weights), ``model.safetensors``, ``README.md``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from voice_data.config import ConfigError, from_mapping
from voice_data.storage import file_sha256, write_files

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_KEYS = ("format", "kind", "config", "provenance", "weights_sha256")
_DESCRIPTION = "description_sha256"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER_BYTES = 8  # a safetensors file starts with the length of its header


class ArtefactError(ValueError):
    """An artefact that must not be used; the message names the file, the fault and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a checkpoint or an adapter was made from, and on what terms it may be used.

    ``sample_rate`` is in Hz; ``mel`` is ``MelConfig.to_dict()``, or empty without mels. The hashes
    are SHA-256 in hexadecimal, or ``""`` where there is no base model or no manifest.

    >>> Provenance(sample_rate=24_000, licence="Apache-2.0").base_sha256
    ''

    Raises:
        ArtefactError: if a hash is not one, the rate is not positive, or the licence is missing.
    """

    sample_rate: int
    licence: str
    consent: str = ""
    mel: Mapping[str, int] = field(default_factory=dict)
    base_sha256: str = ""
    data_manifest_sha256: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.sample_rate, bool) or self.sample_rate < 1:
            raise ArtefactError(f"sample_rate must be a positive int in Hz, not {self.sample_rate}")
        if not self.licence.strip():
            raise ArtefactError("licence is empty: say on what terms the weights may be used")
        for name in ("base_sha256", "data_manifest_sha256"):
            value = getattr(self, name)
            if value and not _SHA256.fullmatch(value):
                raise ArtefactError(f"{name} must be 64 hexadecimal digits or '', not {value!r}")

    def require(
        self,
        *,
        sample_rate: int | None = None,
        mel: Mapping[str, int] | None = None,
        base_sha256: str | None = None,
        data_manifest_sha256: str | None = None,
    ) -> None:
        """Compare with what the caller works with; ``None`` means that it does not matter.

        Raises:
            ArtefactError: naming the first field that differs and both values.
        """
        wanted = {
            "sample_rate": sample_rate,
            "mel": mel,
            "base_sha256": base_sha256,
            "data_manifest_sha256": data_manifest_sha256,
        }
        for name, value in wanted.items():
            recorded = getattr(self, name)
            if value is not None and recorded != value:
                raise ArtefactError(
                    f"{name} does not match: the artefact was made with {recorded!r} and is used "
                    f"with {value!r}; use the model it was made for, or train it anew"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A verified artefact: ``tensors`` maps names to torch tensors, or NumPy arrays if asked."""

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Any]
    provenance: Provenance
    weights_sha256: str


def save_artefact(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: Mapping[str, Any],
    card: str,
    provenance: Provenance,
    *,
    kind: str = "model",
) -> str:
    """Write an artefact, whole or not at all, and return the SHA-256 of its weights.

    ``config`` must be plain JSON values; ``tensors`` holds torch tensors or NumPy arrays; ``card``
    is the model card in Markdown. A folder that exists keeps its other files. Equal inputs give
    equal bytes.

    Raises:
        ArtefactError: if there are no tensors, or something cannot be stored.
        OSError: if the disk is full or the folder cannot be written; the message says what to do.
    """
    folder, settings = Path(folder), {"config": dict(config), "provenance": asdict(provenance)}
    description = {"format": FORMAT, "kind": kind, **settings}
    weights = _serialized(tensors, {_DESCRIPTION: _description_hash(description)})
    digest = hashlib.sha256(weights).hexdigest()
    text = json.dumps({**description, "weights_sha256": digest}, indent=2, ensure_ascii=False)
    files = {CARD: card.encode(), CONFIG: f"{text}\n".encode(), WEIGHTS: weights}
    write_files(folder, files)
    return digest


def load_artefact(
    folder: str | os.PathLike[str],
    *,
    kind: str | None = None,
    framework: Literal["torch", "numpy"] = "torch",
) -> Artefact:
    """Read an artefact after checking every byte of its settings and weights against their hashes.

    Raises:
        ArtefactError: if a file is missing, cut short or changed, a key is unknown or missing, the
            format is newer than this version, or ``kind`` is given and differs.
    """
    folder = Path(folder)
    values = _read_config(folder / CONFIG)
    if kind is not None and values["kind"] != kind:
        raise ArtefactError(f"{folder} holds a {values['kind']!r} artefact, not a {kind!r} one")
    weights = folder / WEIGHTS
    _check_weights(weights, values["weights_sha256"])
    from safetensors import safe_open

    with safe_open(weights, framework="pt" if framework == "torch" else "np") as file:
        if (file.metadata() or {}).get(_DESCRIPTION) != _description_hash(values):
            raise ArtefactError(
                f"{folder / CONFIG} was changed after the weights were written: restore it, "
                "or save the artefact again"
            )
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        provenance = from_mapping(Provenance, values["provenance"], where=str(folder / CONFIG))
    except ConfigError as error:
        raise ArtefactError(str(error)) from error
    return Artefact(
        kind=values["kind"],
        config=values["config"],
        tensors=tensors,
        provenance=provenance,
        weights_sha256=values["weights_sha256"],
    )


def _description_hash(values: Mapping[str, Any]) -> str:
    """The hash of everything in config.json but the weights' own hash.

    It is stored inside the weights file, whose hash config.json holds: neither can change alone.
    """
    described = {key: values[key] for key in _KEYS if key != "weights_sha256"}
    try:
        text = json.dumps(described, sort_keys=True, allow_nan=False, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"config cannot be stored as JSON: {error}") from error


def _serialized(tensors: Mapping[str, Any], metadata: dict[str, str]) -> bytes:
    if not tensors:
        raise ArtefactError("there are no tensors to save: pass the model's state_dict()")
    import numpy as np

    try:
        if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
            from safetensors.numpy import save

            arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
            return save(arrays, metadata)
        from safetensors.torch import save as save_torch

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        return save_torch(plain, metadata)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise ArtefactError(f"the tensors cannot be stored as safetensors: {error}") from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except FileNotFoundError as error:
        raise ArtefactError(
            f"{path.parent} is not an artefact: it has no {CONFIG}; check the path"
        ) from error
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}): copy the artefact again") from error
    if not isinstance(values, dict):
        raise ArtefactError(f"{path} must hold a JSON object: copy the artefact again")
    if isinstance(values.get("format"), int) and values["format"] > FORMAT:
        raise ArtefactError(
            f"{path} has format {values['format']} and this version reads up to {FORMAT}: "
            "upgrade voice-data"
        )
    _check_keys(path, values)
    return values


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _check_keys(path: Path, values: Mapping[str, Any]) -> None:
    for key in values:
        if key not in _KEYS:
            raise ArtefactError(f"{path}: unknown key {key!r}; valid: {', '.join(_KEYS)}")
    kinds = {"format": int, "kind": str, "config": dict, "provenance": dict, "weights_sha256": str}
    for key, kind in kinds.items():
        if key not in values:
            raise ArtefactError(f"{path}: the key {key!r} is missing: copy the artefact again")
        if not isinstance(values[key], kind):
            raise ArtefactError(f"{path}: {key} must be a {kind.__name__}, not {values[key]!r}")


def _check_weights(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ArtefactError(f"{path} is missing: copy the artefact again")
    found = file_sha256(path)
    if found == expected:
        return
    size, promised = path.stat().st_size, _promised_bytes(path)
    if promised is not None and size < promised:
        raise ArtefactError(
            f"{path} is cut short, {size} of {promised} bytes are there: copy the artefact again"
        )
    raise ArtefactError(
        f"{path} is damaged or was replaced: its SHA-256 is {found} and {CONFIG} promises "
        f"{expected}; copy the artefact again"
    )


def _promised_bytes(path: Path) -> int | None:
    """The size that a safetensors header implies, or None where the header itself is damaged."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_HEADER_BYTES), "little")
            header = json.loads(file.read(min(length, path.stat().st_size)))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        return _HEADER_BYTES + length + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
