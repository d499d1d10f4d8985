"""Run a frozen network as if every row of the batch had an adapter of its own.

Letters: B batch, K rows of a layer's input per row of the batch, L layers of a group, R rank,
I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from voice_hypernet.targets import Group, TargetError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

    from voice_hypernet.hypernet import Adapters


@contextmanager
def adapted(
    network: nn.Module, groups: Sequence[Group], adapters: Adapters, scale: float
) -> Iterator[None]:
    """While it lasts, ``y = W x + scale * B (A x)`` in every target layer, differentiably.

    ``adapters`` hold factors for B rows; each layer's input must begin with B (or a multiple of B:
    consecutive rows then share an adapter). The network's own weights are not touched.

    Raises:
        TargetError: if a layer of a group is missing in the network.
        ValueError: if the rows of an input cannot be dealt to the adapters.
    """
    handles: list[RemovableHandle] = []
    try:
        for group in groups:
            factors = adapters[group.kind]
            for depth, name in enumerate(group.names):
                layer = _layer(network, name)
                add = _Addition(name, factors.a[:, depth], factors.b[:, depth], scale)
                handles.append(layer.register_forward_hook(add))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def merged(
    network: nn.Module, groups: Sequence[Group], adapters: Adapters, scale: float
) -> Iterator[None]:
    """While it lasts, the weights themselves hold one voice's change: as fast as without it.

    ``adapters`` hold factors for one row. Afterwards every weight is what it was, bit for bit.

    Raises:
        TargetError: if a layer of a group is missing in the network.
        ValueError: if there are adapters of more than one voice.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    try:
        for group in groups:
            factors = adapters[group.kind]
            if len(factors.a) != 1:
                raise ValueError(f"{len(factors.a)} voices cannot be merged into one network")
            for depth, name in enumerate(group.names):
                weight = _layer(network, name).weight.data
                kept.append((weight, weight.clone()))
                change = scale * factors.b[0, depth] @ factors.a[0, depth]  # [O, I]
                weight += (change.T if group.transposed else change).to(weight)
        yield
    finally:
        for weight, before in kept:
            weight.copy_(before)


class _Addition:
    """A forward hook that adds one layer's low-rank change."""

    def __init__(self, name: str, a: Tensor, b: Tensor, scale: float) -> None:
        self.name, self.a, self.b, self.scale = name, a, b, scale

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        rows, batch = x.shape[0], self.a.shape[0]
        if rows % batch:
            raise ValueError(
                f"{self.name} was given {rows} rows, which {batch} adapters cannot share evenly"
            )
        flat = x.reshape(batch, -1, x.shape[-1])  # [B, K, I]
        low = torch.bmm(flat, self.a.transpose(1, 2))  # [B, K, R]
        change = torch.bmm(low, self.b.transpose(1, 2))  # [B, K, O]
        return output + self.scale * change.view_as(output)


def _layer(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError as error:
        raise TargetError(
            f"the network has no layer {name!r}: the hypernetwork was made for another base model"
        ) from error
