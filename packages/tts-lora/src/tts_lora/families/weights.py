"""The base weights of a network: their hash, and the states that training must not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_ADDED = ("lora_", "ranknum", ".modules_to_save.")  # what PEFT puts into a network


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and bytes of a network's parameters and buffers.

    Adapters do not count, merged ones do: it is the hash of the base that they sit on.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if any(part in name for part in _ADDED):
            continue
        plain = name.replace(".base_layer", "").replace(".original_module", "")
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{plain} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inference mode without dropout; every module has its own training flag back afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norms use the statistics that they have, and keep them, also while training.

    An adapter does not contain them: if training moved them, the adapter would be heard on another
    base than the one that it was trained on, and padding would leak from clip to clip.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.training = True


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from torch's default generator as set by ``seed``, and leave it as it was; ``None``
    draws from it as it is.
    """
    import torch

    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
