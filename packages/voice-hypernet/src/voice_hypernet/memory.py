"""Memory for arrays that are used over and over: kept, and in large pages where there are some.

A processor knows the places of only so many pages, and in a virtual machine to look one up is slow:
a batch of voices takes an eighth less time this way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PAGE = 1 << 21
"""Bytes of a large page."""
_APART = 16
"""Numbers in a line of the cache, at which every array starts."""


class Block:
    """One piece of memory from which arrays of single precision are cut.

    >>> block = Block(100)
    >>> block.cut(2, 3).shape
    (2, 3)
    """

    def __init__(self, numbers: int) -> None:
        """For as many numbers, each array rounded up to 16."""
        # NumPy asks for large pages from 4 MB on
        memory = np.empty(4 * numbers + 2 * PAGE, np.uint8)
        start = -memory.ctypes.data % PAGE
        self._numbers = memory[start : start + 4 * numbers].view(np.float32)
        self._used = 0

    def cut(self, *shape: int) -> np.ndarray:
        """A new array, with anything in it.

        Raises:
            MemoryError: if there is no room for it.
        """
        size = math.prod(shape)
        end = self._used + size
        if end > len(self._numbers):
            raise MemoryError(f"a block of {len(self._numbers)} numbers has no room for {shape}")
        found = self._numbers[self._used : end].reshape(shape)
        self._used = rounded(end)
        return found

    def clear(self) -> None:
        """Begin again: what is cut from now on takes the place of what was cut before."""
        self._used = 0


def rounded(size: int) -> int:
    """How much an array of this many numbers takes of a block."""
    return -(-size // _APART) * _APART


def empty_together(shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """New arrays with anything in them: in one block, if they fill a large page."""
    size = sum(rounded(math.prod(shape)) for shape in shapes)
    if 4 * size < PAGE:
        return [np.empty(shape, np.float32) for shape in shapes]
    block = Block(size)
    return [block.cut(*shape) for shape in shapes]


def together(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same arrays, in single precision and in one block."""
    block = Block(sum(rounded(array.size) for array in arrays))
    found = []
    for array in arrays:
        found.append(block.cut(*array.shape))
        found[-1][...] = array
    return found
