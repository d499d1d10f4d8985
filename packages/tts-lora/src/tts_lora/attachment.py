"""An adapter that is attached to a network: its factors, its bits, its gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from tts_lora.delta import Delta


def live_deltas(network: torch.nn.Module, name: str) -> dict[str, Delta]:
    """The deltas of the adapter ``name`` as they stand in the network, by layer.

    Raises:
        DeltaError: if no LoRA layer holds an adapter of that name.
    """
    from tts_lora.delta import Delta, DeltaError

    found: dict[str, Delta] = {}
    for layer, module in network.named_modules():
        factors = _factors(module, name)
        if factors is not None:
            a, b = (each.detach().cpu().flatten(1) for each in factors)
            found[layer] = Delta(a=a, b=b, scale=float(module.scaling[name]))  # type: ignore[index]
    if not found:
        raise DeltaError(f"no LoRA called {name!r} is attached to the network: load one first")
    return found


@contextmanager
def trainable(network: torch.nn.Module, name: str) -> Iterator[None]:
    """Let the adapter take gradients inside the block: one that is loaded to speak takes none."""
    mine = [p for key, p in network.named_parameters() if "lora_" in key and f".{name}" in key]
    before = [parameter.requires_grad for parameter in mine]
    try:
        for parameter in mine:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, flag in zip(mine, before, strict=True):
            parameter.requires_grad_(flag)


def same_bits(deltas: Mapping[str, Delta], folder: str | Path) -> bool:
    """Whether a PEFT directory holds these very factors.

    Raises:
        DeltaError: if the folder is no adapter.
    """
    import torch

    from tts_lora.delta import read_deltas

    stored = read_deltas(folder)
    if set(stored) != set(deltas):
        return False
    return all(
        torch.equal(stored[layer].a, live.a)
        and torch.equal(stored[layer].b, live.b)
        and math.isclose(stored[layer].scale, live.scale, rel_tol=1e-9)
        for layer, live in deltas.items()
    )


def _factors(module: Any, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
    """A and B of one layer."""
    if name in getattr(module, "lora_A", ()):
        return module.lora_A[name].weight, module.lora_B[name].weight
    if name in getattr(module, "lora_embedding_A", ()):
        return module.lora_embedding_A[name], module.lora_embedding_B[name]
    return None
