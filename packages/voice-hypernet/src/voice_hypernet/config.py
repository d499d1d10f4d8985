"""The sizes of a hypernetwork and the shape of what it generates, strict about names and values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Head = Literal["joint", "by-rank"]
Fusion = Literal["concat", "add", "cross-attention"]

HEADS: tuple[Head, ...] = ("joint", "by-rank")
FUSIONS: tuple[Fusion, ...] = ("concat", "add", "cross-attention")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraShape:
    """The adapters that come out: ``alpha / rank`` scales them, ``targets`` name the modules.

    ``targets`` holds suffixes of module names; empty means the base model's default preset.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _positive(self, "rank")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"LoraShape.alpha must be positive, not {self.alpha!r}")
        if isinstance(self.targets, str):
            raise ValueError(f"LoraShape.targets must be a list of names, not {self.targets!r}")

    @property
    def scale(self) -> float:
        """The factor of ``B A`` in the adapted weight."""
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class HypernetConfig:
    """Everything that decides the shape of a :class:`voice_hypernet.hypernet.Hypernetwork`.

    ``head`` is ``joint`` (A and B of all ranks at once) or ``by-rank`` (the trunk is asked once per
    rank: far smaller heads).
    """

    lora: LoraShape = field(default_factory=LoraShape)
    condition: int = 256
    width: int = 256
    inner: int = 512
    blocks: int = 4
    head: Head = "by-rank"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("condition", "width", "inner", "blocks"):
            _positive(self, name)
        if self.head not in HEADS:
            raise ValueError(f"HypernetConfig.head must be one of {list(HEADS)}, not {self.head!r}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"HypernetConfig.dropout must be in [0, 1), not {self.dropout!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a config file; :meth:`from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HypernetConfig:
        """A configuration from plain values.

        Raises:
            ValueError: for an unknown key (the valid names are listed) or an impossible value.
        """
        values = dict(values)
        _refuse_unknown(cls, values)
        if isinstance(values.get("lora"), Mapping):
            lora = dict(values["lora"])
            _refuse_unknown(LoraShape, lora)
            if isinstance(lora.get("targets"), list):
                lora["targets"] = tuple(lora["targets"])
            values["lora"] = LoraShape(**lora)
        return cls(**values)


def _positive(config: object, name: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, int) or value < 1:
        kind = type(config).__name__
        raise ValueError(f"{kind}.{name} must be a positive integer, not {value!r}")


def _refuse_unknown(cls: type, values: Mapping[str, Any]) -> None:
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} in {cls.__name__}; valid: {sorted(known)}")
