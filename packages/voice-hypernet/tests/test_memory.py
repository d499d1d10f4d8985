from __future__ import annotations

import numpy as np
import pytest

from voice_hypernet.memory import PAGE, Block, empty_together, rounded, together


def test_arrays_of_a_block_do_not_meet() -> None:
    block = Block(rounded(6) + rounded(20))
    first, second = block.cut(2, 3), block.cut(20)
    first[...], second[...] = 1.0, 2.0
    assert first.dtype == second.dtype == np.float32
    assert (first.sum(), second.sum()) == (6.0, 40.0)
    assert first.ctypes.data % PAGE == 0
    assert second.ctypes.data % 64 == 0


def test_a_cleared_block_is_used_again() -> None:
    block = Block(32)
    first = block.cut(32)
    block.clear()
    assert np.shares_memory(first, block.cut(4, 8))


def test_a_full_block_says_so() -> None:
    block = Block(16)
    block.cut(4)
    with pytest.raises(MemoryError, match=r"16 numbers has no room for \(1,\)"):
        block.cut(1)


def test_arrays_are_moved_together() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size) for size in ((3, 5), (1,), (7, 2, 2))]
    moved = together(arrays)
    for array, found in zip(arrays, moved, strict=True):
        np.testing.assert_array_equal(found, array.astype(np.float32))
    assert moved[1].ctypes.data - moved[0].ctypes.data == 64


def test_many_numbers_share_a_block_and_few_do_not() -> None:
    shapes = [(3, 5), (2, PAGE // 8), (7,)]
    for some, one in ((shapes, True), (shapes[::2], False)):
        found = empty_together(some)
        for number, (array, shape) in enumerate(zip(found, some, strict=True)):
            assert (array.shape, array.dtype) == (shape, np.float32)
            array[...] = number
        assert [np.unique(array).tolist() for array in found] == [[n] for n in range(len(found))]
        assert (found[0].base is found[-1].base is not None) == one
