"""Which layers of a network an adapter changes, by preset or by the ends of their names."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from voice_data.artefact import ArtefactError

if TYPE_CHECKING:
    from torch import nn

_NEAR, _SHOWN, _CUTOFF, _WILD = 4, 6, 0.4, "*?["


class AdapterError(ArtefactError):
    """An adapter that must not be used so; the message says why and what to do instead."""


def adaptable(network: nn.Module) -> dict[str, nn.Module]:
    """Name -> layer, for every base layer that an adapter can change.

    Adapters that are in the network already do not show: the layer below them is what counts.
    """
    found: dict[str, nn.Module] = {}
    seen: set[int] = set()

    def walk(module: nn.Module, prefix: str) -> None:
        for name, child in module.named_children():
            child, path = below(child), f"{prefix}{name}"
            if id(child) in seen:
                continue
            seen.add(id(child))
            if _is_adaptable(child):
                found[path] = child
            walk(child, f"{path}.")

    walk(network, "")
    return found


def below(module: nn.Module) -> nn.Module:
    """The base layer under PEFT's layers and wrappers, or ``module`` itself."""
    for attribute in ("base_layer", "original_module"):
        inner = module._modules.get(attribute)
        if inner is not None:
            return below(inner)
    return module


def is_conv1d(layer: nn.Module) -> bool:
    """Whether this is the Conv1D of GPT-2: a linear layer whose weight is [in, out]."""
    module = sys.modules.get("transformers.pytorch_utils")  # loaded if a network has one
    return module is not None and isinstance(layer, module.Conv1D)


def is_linear(layer: nn.Module) -> bool:
    """Whether the layer is a matrix product: what several adapters can share in one batch."""
    from torch import nn

    return isinstance(layer, nn.Linear) or is_conv1d(layer)


def sizes(layer: nn.Module) -> tuple[int, int]:
    """In and out features of a linear layer."""
    weight: Any = layer.weight
    rows, columns = weight.shape
    return (rows, columns) if is_conv1d(layer) else (columns, rows)


def lora_shapes(layer: nn.Module, rank: int, *, dora: bool) -> dict[str, tuple[int, ...]]:
    """The tensors that PEFT stores for a layer, by the end of their names, with their shapes."""
    from torch import nn

    weight: Any = layer.weight
    if isinstance(layer, nn.Embedding):
        count, width = weight.shape
        return {"lora_embedding_A": (rank, count), "lora_embedding_B": (width, rank)}
    if is_linear(layer):
        inside, out = sizes(layer)
        shapes = {"lora_A.weight": (rank, inside), "lora_B.weight": (out, rank)}
        return {**shapes, "lora_magnitude_vector": (out,)} if dora else shapes
    out, *kernel = weight.shape
    ones = (1,) * (len(kernel) - 1)
    shapes = {"lora_A.weight": (rank, *kernel), "lora_B.weight": (out, rank, *ones)}
    return {**shapes, "lora_magnitude_vector": (1, out, *ones)} if dora else shapes


def resolve(
    network: nn.Module,
    targets: str | Sequence[str],
    presets: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """The full names of the layers that ``targets`` means, in the order of the network.

    ``targets`` is the name of a preset (``""``: the first) or a sequence of ends of names, in which
    ``*`` stands for anything: ``("q_proj", "decoder.*.out")``.

    Raises:
        AdapterError: if a preset or a target is unknown; near names are listed.
    """
    patterns = preset(targets, presets) if isinstance(targets, str) else tuple(targets)
    if not patterns:
        raise AdapterError(f"targets is empty: {_advice(presets)}")
    names = list(adaptable(network))
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            raise AdapterError(
                f"the target {pattern!r} matches no layer that can be adapted; near names: "
                f"{', '.join(near(pattern, names)) or 'none'}; {_advice(presets)}"
            )
    return tuple(name for name in names if any(matches(name, p) for p in patterns))


def preset(name: str, presets: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The targets of a preset; ``""`` is the first.

    Raises:
        AdapterError: if there is none of that name.
    """
    if not presets:
        raise AdapterError("this model has no presets: name the layers to adapt")
    if name and name not in presets:
        raise AdapterError(
            f"no preset {name!r}: {_advice(presets)}; layers are given as a list, such as [{name}]"
        )
    return presets[name or next(iter(presets))]


def matches(name: str, target: str) -> bool:
    """Whether ``name`` is or ends with ``target``, at a dot."""
    if any(sign in target for sign in _WILD):
        return fnmatchcase(name, target) or fnmatchcase(name, f"*.{target}")
    return name == target or name.endswith(f".{target}")


def near(wanted: str, names: Iterable[str]) -> list[str]:
    """Names, or ends of names, that look like ``wanted``."""
    ends = {".".join(name.split(".")[-count:]) for name in names for count in (1, 2, 3)}
    plain = sorted(end for end in ends if not end[0].isdigit())
    found = difflib.get_close_matches(wanted, plain, n=_NEAR, cutoff=_CUTOFF)
    return found or sorted({name.split(".")[-1] for name in names})[: 2 * _NEAR]


def suffixes(network: nn.Module, chosen: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The shortest ``target_modules`` with which PEFT finds exactly the ``chosen`` layers.

    Raises:
        AdapterError: if PEFT, which knows only ends of names, cannot tell them from others.
    """
    names = [name for name, _ in network.named_modules() if ".base_layer" not in name]
    for targets in (sorted(set(patterns)), sorted(chosen)):
        found = {name for name in names if any(_ends(name, target) for target in targets)}
        if found == set(chosen):
            return targets
    extra = sorted(found - set(chosen))
    raise AdapterError(
        f"PEFT cannot adapt these layers without {', '.join(extra)} as well: their names end "
        "alike; add those layers to the targets"
    )


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _is_adaptable(layer: nn.Module) -> bool:
    from torch import nn

    # MultiheadAttention reads this one's weight without calling it: an adapter would do nothing.
    if type(layer).__name__ == "NonDynamicallyQuantizableLinear":
        return False
    kinds = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d)
    return isinstance(layer, kinds) or is_conv1d(layer)


def _advice(presets: Mapping[str, tuple[str, ...]]) -> str:
    shown = "; ".join(f"{name!r} ({_few(ends)})" for name, ends in presets.items())
    return f"presets of this model: {shown or 'none'}"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
