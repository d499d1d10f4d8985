"""What an adapter adds to each layer, measured without forming the full matrix.

Letters: I inputs of a layer, O its outputs, R rank.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
# The names of PEFT's two factors: of a linear or convolutional layer, and of an embedding.
_FACTORS = (("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B"))


class DeltaError(ValueError):
    """A folder that holds no readable LoRA adapter; the message names the file and the fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """``scale * b @ a`` with ``a`` [R, I] and ``b`` [O, R], what an adapter adds to one weight.

    DoRA scales the columns of the sum as well: its ``magnitude`` [O] is kept beside, and the
    figures are those of the matrix product alone.
    """

    a: Tensor
    b: Tensor
    scale: float
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        """R."""
        return int(self.a.shape[0])

    def singular_values(self) -> Tensor:
        """The R largest singular values of the delta, largest first, float64; NaN if it has one.

        ``b a = Qb (Rb Ra') Qa'`` with orthogonal Q, so those of the R x R product are the same.
        """
        import torch

        if not (bool(torch.isfinite(self.a).all()) and bool(torch.isfinite(self.b).all())):
            return torch.full((self.rank,), math.nan, dtype=torch.float64)
        small = _triangle(self.b) @ _triangle(self.a.T).T  # [min(O, R), min(I, R)]
        return torch.linalg.svdvals(small) * abs(self.scale)

    @property
    def frobenius(self) -> float:
        """The root of the sum of all squared entries."""
        return float(self.singular_values().square().sum().sqrt())

    @property
    def spectral(self) -> float:
        """The largest factor by which it lengthens an input."""
        return float(self.singular_values()[0])

    def inner(self, other: Delta) -> float:
        """The sum of the products of both deltas' entries.

        Raises:
            DeltaError: if they do not belong to layers of the same size.
        """
        if self.a.shape[1] != other.a.shape[1] or self.b.shape[0] != other.b.shape[0]:
            raise DeltaError(
                f"deltas of {_size(self)} and {_size(other)} cannot be compared: "
                "they are of different layers"
            )
        left = self.b.double().T @ other.b.double()  # [R, R]
        right = self.a.double() @ other.a.double().T
        return float((left * right).sum()) * self.scale * other.scale

    def cosine(self, other: Delta) -> float | None:
        """How far both point the same way, from -1 to 1; None where one of them is zero."""
        length = self.frobenius * other.frobenius
        return self.inner(other) / length if length > 0 else None


def read_settings(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The ``adapter_config.json`` of a PEFT directory.

    Raises:
        DeltaError: if it is missing or no JSON object.
    """
    path = Path(folder) / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DeltaError(f"{folder} is no adapter: it has no {CONFIG}; check the path") from error
    except (OSError, ValueError) as error:
        raise DeltaError(f"{path} cannot be read ({error}): copy the adapter again") from error
    if not isinstance(values, dict):
        raise DeltaError(f"{path} must hold a JSON object: copy the adapter again")
    return values


def read_deltas(folder: str | os.PathLike[str]) -> dict[str, Delta]:
    """Every layer's delta in a PEFT directory, by the layer's name in the base network.

    Raises:
        DeltaError: if the folder is no LoRA adapter, or one factor of a layer is missing.
    """
    settings = read_settings(folder)
    return deltas_of(_read_tensors(Path(folder) / WEIGHTS), settings)


def deltas_of(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, Delta]:
    """The same from tensors by their names in PEFT's file.

    Raises:
        DeltaError: as :func:`read_deltas`.
    """
    found: dict[str, Delta] = {}
    for key, a in tensors.items():
        for first, second in _FACTORS:
            if not key.endswith(f".{first}"):
                continue
            stem = key.removesuffix(f".{first}")
            b = tensors.get(f"{stem}.{second}")
            if b is None:
                raise DeltaError(f"{key} has no {second} beside it: copy the adapter again")
            layer = stem.removeprefix(_PREFIX)
            found[layer] = Delta(
                a=a.flatten(1),
                b=b.flatten(1),
                scale=_scale(settings, layer, int(a.shape[0])),
                magnitude=_magnitude(tensors, stem),
            )
    if not found:
        raise DeltaError(
            f"there are no LoRA factors among {len(tensors)} tensors: only LoRA, rsLoRA and DoRA "
            "adapters can be measured (AdaLoRA must be converted first)"
        )
    return found


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise DeltaError(f"{path} is missing: copy the adapter again")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DeltaError(f"{path} is no safetensors file ({error}): copy it again") from error


def _scale(settings: Mapping[str, Any], layer: str, rank: int) -> float:
    alpha = float(settings.get("lora_alpha") or 8)
    for pattern, value in dict(settings.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", layer):
            alpha = float(value)
            break
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _magnitude(tensors: Mapping[str, Tensor], stem: str) -> Tensor | None:
    for name in ("lora_magnitude_vector", "lora_magnitude_vector.weight"):
        if f"{stem}.{name}" in tensors:
            return tensors[f"{stem}.{name}"]
    return None


def _triangle(matrix: Tensor) -> Tensor:
    """The R of a QR decomposition, float64."""
    import torch

    return torch.linalg.qr(matrix.double(), mode="r").R


def _size(delta: Delta) -> str:
    return f"{delta.b.shape[0]} x {delta.a.shape[1]}"
