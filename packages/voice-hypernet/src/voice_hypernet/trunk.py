"""The hypernetwork's trunk without torch, arranged for speed; the numbers are the same.

What is arranged: a norm's own weights and the sign and mean that it removes go into the layers
around it, and the first layer reads places and conditions apart, since their sum is all it is
given. Letters: B batch, C condition, D width, H inner width, L layers of a group, R rank, P places
(a layer of a group and, with heads by rank, a rank), I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from voice_hypernet.config import HypernetConfig
from voice_hypernet.memory import Block, empty_together, rounded, together
from voice_hypernet.targets import Group
from voice_hypernet.threads import shares, single_threaded_blas, usable_cores

EPSILON = 1e-5
_ROWS = 768
"""Rows that go through the trunk together: their arrays fit into a processor's cache."""
_ROUNDS = 2
"""As many times the rows go through the heads together, where most groups have few."""


class Factors(NamedTuple):
    """The adapters of one group: ``a`` [B, L, R, I] and ``b`` [B, L, O, R]."""

    a: np.ndarray
    b: np.ndarray


class _Block(NamedTuple):
    """``up`` [D, H] gives the negative of the layer's sum, so that ``exp`` can be taken at once."""

    up: np.ndarray
    up_bias: np.ndarray
    down: np.ndarray
    down_bias: np.ndarray


class _Head(NamedTuple):
    """Weights [D, I] and [D, O], times R without heads by rank, and what is added to every voice's
    ``a`` [L, R, I] and transposed ``b`` [L, R, O].
    """

    a_weight: np.ndarray
    b_weight: np.ndarray
    a: np.ndarray
    b: np.ndarray


class _Space(NamedTuple):
    """Memory for rows [N, D] that are on their way, and for what happens to some [M, D or H]."""

    x: np.ndarray
    normed: np.ndarray
    hidden: np.ndarray
    gate: np.ndarray


class Trunk:
    """What :class:`voice_hypernet.hypernet.Hypernetwork` computes, from the arrays of its state."""

    def __init__(
        self, config: HypernetConfig, groups: Sequence[Group], tensors: Mapping[str, np.ndarray]
    ) -> None:
        """Take over the weights, named as in the state.

        Raises:
            KeyError: naming the first that is missing.
        """
        self.config, self.groups = config, tuple(groups)
        self._steps = config.lora.rank if config.head == "by-rank" else 1
        self._into = _centred(tensors["into.weight"].T)
        self._into_bias = _centred(tensors["into.bias"])
        self._places = _centred(self._all_places(tensors))
        self._blocks = [_block(tensors, f"trunk.{i}") for i in range(config.blocks)]
        self._heads = [self._head(tensors, index) for index in range(len(self.groups))]
        self._near = self._places @ self._blocks[0].up  # [P, H]
        self._move_together()
        self._at_once = max(1, _ROWS // len(self._places))  # conditions
        self._free: list[Block] = []

    def __call__(self, condition: np.ndarray) -> dict[str, Factors]:
        """[B, C] -> the factors of every group."""
        seen = condition @ self._into + self._into_bias
        made = self._empty(len(seen))
        fill = partial(self._fill_some, made, seen)
        parts = shares(len(seen))
        if len(parts) == 1:
            fill(parts[0])
        else:
            with single_threaded_blas(), ThreadPoolExecutor(usable_cores()) as pool:
                list(pool.map(fill, parts))
        return {kind: Factors(f.a, f.b.swapaxes(2, 3)) for kind, f in made.items()}

    def _fill_some(self, made: Mapping[str, Factors], seen: np.ndarray, some: slice) -> None:
        """Write the factors of some conditions [B, D]; other threads write those of others."""
        block = self._block()
        with np.errstate(over="ignore"):  # x / (1 + infinity) is the zero that it should be
            for at in range(some.start, some.stop, _ROUNDS * self._at_once):
                rows = slice(at, min(at + _ROUNDS * self._at_once, some.stop))
                self._fill(made, rows, self._through(seen[rows], block))
        self._free.append(block)

    def _block(self) -> Block:
        """One that no other thread is using, large enough for :meth:`_space`."""
        try:
            return self._free.pop()
        except IndexError:
            some = self._at_once * len(self._places)
            width, inner = self.config.width, self.config.inner
            sizes = (_ROUNDS * some * width, some * width, some * inner, some * inner)
            return Block(sum(map(rounded, sizes)))

    def _space(self, block: Block, count: int) -> _Space:
        """For so many conditions."""
        block.clear()
        rows = count * len(self._places)
        some = min(rows, self._at_once * len(self._places))
        sizes = (self.config.width, self.config.inner, self.config.inner)
        return _Space(
            block.cut(rows, self.config.width), *(block.cut(some, size) for size in sizes)
        )

    def _empty(self, rows: int) -> dict[str, Factors]:
        """Room for the factors of every group, ``b`` transposed: so it is made."""
        shapes = [
            (rows, len(group.names), self.config.lora.rank, size)
            for group in self.groups
            for size in (group.inputs, group.outputs)
        ]
        room = iter(empty_together(shapes))
        return {group.kind: Factors(next(room), next(room)) for group in self.groups}

    def _fill(self, made: Mapping[str, Factors], rows: slice, x: np.ndarray) -> None:
        """Write the factors for what came through the trunk, [B, P, D], into some rows."""
        for (start, end), group, head in zip(self._spans(), self.groups, self._heads, strict=True):
            some = x[:, start:end].reshape(-1, x.shape[-1])
            a, b = made[group.kind].a[rows], made[group.kind].b[rows]
            np.matmul(some, head.a_weight, out=a.reshape(len(some), -1))
            np.matmul(some, head.b_weight, out=b.reshape(len(some), -1))
            a += head.a
            b += head.b

    def _through(self, seen: np.ndarray, block: Block) -> np.ndarray:
        """[B, D] -> all layers and the last norm, [B, P, D] in the block."""
        space, places = self._space(block, len(seen)), len(self._places)
        for at in range(0, len(seen), self._at_once):
            some = seen[at : at + self._at_once]
            rows = len(some) * places
            x = space.x[at * places :][:rows]
            self._change(some, _Space(x, *(each[:rows] for each in space[1:])))
        return space.x.reshape(len(seen), places, -1)

    def _change(self, seen: np.ndarray, space: _Space) -> None:
        """The same for few, [B, D], in place."""
        x, normed, hidden, gate = space
        shape = (len(seen), len(self._places), -1)
        np.add(seen[:, None], self._places, out=x.reshape(shape))
        for index, block in enumerate(self._blocks):
            if index == 0:
                far = seen @ block.up  # [B, H]
                np.add(far[:, None], self._near, out=hidden.reshape(shape))
                hidden *= _scales(x)
            else:
                np.matmul(np.multiply(x, _scales(x), out=normed), block.up, out=hidden)
            hidden += block.up_bias
            np.exp(hidden, out=gate)
            gate += 1.0
            hidden /= gate
            x += np.matmul(hidden, block.down, out=normed)
            x += block.down_bias
        x *= _scales(x)

    def _move_together(self) -> None:
        """Move all large arrays into one block."""
        many = [self._places, self._near]
        many += [array for each in (*self._blocks, *self._heads) for array in each]
        moved = iter(together(many))
        self._places, self._near = next(moved), next(moved)
        self._blocks = [_Block(*(next(moved) for _ in each)) for each in self._blocks]
        self._heads = [_Head(*(next(moved) for _ in each)) for each in self._heads]

    def _spans(self) -> Iterator[tuple[int, int]]:
        """The places of every group."""
        start = 0
        for group in self.groups:
            yield start, (start := start + len(group.names) * self._steps)

    def _all_places(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """What tells one row of the trunk from another, [P, D]."""
        kinds, depths, ranks = (tensors[f"{name}.weight"] for name in ("kinds", "depths", "ranks"))
        rows = [
            (depths[: len(group.names), None] + ranks[: self._steps] + kinds[index]).reshape(
                -1, self.config.width
            )
            for index, group in enumerate(self.groups)
        ]
        return np.concatenate(rows)

    def _head(self, tensors: Mapping[str, np.ndarray], index: int) -> _Head:
        name, group = f"heads.{index}", self.groups[index]
        gain = np.float32(1.0 / math.sqrt(self.config.width))
        weight, bias = _after_norm(tensors, "norm", tensors[f"{name}.linear.weight"] * gain)
        both = weight.reshape(self.config.width, -1, group.inputs + group.outputs)
        bias = bias.reshape(-1, group.inputs + group.outputs)  # [1 or R, I + O]
        a_weight, b_weight = (
            np.ascontiguousarray(each).reshape(self.config.width, -1)
            for each in np.split(both, [group.inputs], axis=2)
        )
        return _Head(
            a_weight,
            b_weight,
            tensors[f"{name}.a"] + bias[:, : group.inputs],
            tensors[f"{name}.b"].swapaxes(1, 2) + bias[:, group.inputs :],
        )


def _block(tensors: Mapping[str, np.ndarray], name: str) -> _Block:
    up, bias = _after_norm(tensors, f"{name}.norm", -tensors[f"{name}.up.weight"])
    down = -tensors[f"{name}.down.weight"].T
    return _Block(
        up=up,
        up_bias=bias - tensors[f"{name}.up.bias"],
        down=_centred(down),
        down_bias=_centred(tensors[f"{name}.down.bias"]),
    )


def _after_norm(
    tensors: Mapping[str, np.ndarray], norm: str, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A linear layer [O, I] behind a norm, as one layer [I, O] and its bias [O]."""
    scale, shift = tensors[f"{norm}.weight"], tensors[f"{norm}.bias"]
    return np.ascontiguousarray((weight * scale).T), weight @ shift


def _centred(x: np.ndarray) -> np.ndarray:
    """Without the mean along the last axis, which every norm takes away."""
    return np.ascontiguousarray(x - x.mean(-1, keepdims=True), np.float32)


def _scales(x: np.ndarray) -> np.ndarray:
    """What makes centred rows [N, D] of unit deviation, [N, 1]."""
    scale = np.einsum("nd,nd->n", x, x)
    scale *= np.float32(1.0 / x.shape[1])
    scale += np.float32(EPSILON)
    np.sqrt(scale, out=scale)
    return np.reciprocal(scale, out=scale)[:, None]
