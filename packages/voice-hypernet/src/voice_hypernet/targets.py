"""Which layers of a base model are adapted: the only place that walks one.

Layers of one kind (the same name at another depth, the same sizes) form a group, whose adapters a
hypernetwork makes as one batch. Letters: I inputs, O outputs, L layers of a group.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


class TargetError(ValueError):
    """Target modules that a base model does not have; the message lists near names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers of one kind: ``names`` [L] are module names in the order of their depth.

    ``transposed`` layers (GPT-2's Conv1D) store their weight as [I, O].
    """

    kind: str
    names: tuple[str, ...]
    inputs: int
    outputs: int
    transposed: bool = False


def find_groups(network: nn.Module, targets: Sequence[str]) -> tuple[Group, ...]:
    """The groups of all linear layers whose name ends in one of ``targets``, in a fixed order.

    A target is a suffix of whole name parts: ``attention.out`` matches ``layer.3.attention.out``.

    Raises:
        TargetError: if a target matches no linear layer (near names are listed).
    """
    linear = {name: sizes for name, module in network.named_modules() if (sizes := _sizes(module))}
    for target in targets:
        if not any(_ends(name, target) for name in linear):
            raise TargetError(_nothing(target, linear))
    groups: dict[tuple[str, int, int, bool], list[str]] = {}
    for name, sizes in linear.items():
        if any(_ends(name, target) for target in targets):
            groups.setdefault((kind_of(name), *sizes), []).append(name)
    return tuple(
        Group(kind=kind, names=tuple(names), inputs=ins, outputs=outs, transposed=transposed)
        for (kind, ins, outs, transposed), names in sorted(groups.items())
    )


def kind_of(name: str) -> str:
    """A module's name without its depth: every number becomes ``*``.

    >>> kind_of("layers.3.attention.qkv")
    'layers.*.attention.qkv'
    """
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)


def adapted_parameters(groups: Sequence[Group], rank: int) -> int:
    """How many numbers one adapter of this rank holds."""
    return sum(len(g.names) * rank * (g.inputs + g.outputs) for g in groups)


def _sizes(module: Any) -> tuple[int, int, bool] | None:
    from torch import nn

    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features, False
    if type(module).__name__ == "Conv1D" and getattr(module, "nf", None) is not None:
        inputs, outputs = module.weight.shape
        return int(inputs), int(outputs), True
    return None


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith("." + target)


def _nothing(target: str, linear: dict[str, tuple[int, int, bool]]) -> str:
    kinds = sorted({kind_of(name) for name in linear})
    tails = sorted({".".join(kind.split(".")[-n:]) for kind in kinds for n in (1, 2)})
    near = difflib.get_close_matches(target, tails, n=4, cutoff=0.3) or tails[:6]
    return f"no linear layer is named {target!r}; near names: {', '.join(near) or 'none at all'}"
