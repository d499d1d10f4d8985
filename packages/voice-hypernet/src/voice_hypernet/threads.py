"""How many threads work at once: ours, or those of NumPy's products, never both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_one_at_a_time = RLock()
"""The number of BLAS's threads is the process's: who sets it is alone until it is set back."""
_FEWEST, _MOST = 4, 8
"""Rows that a thread takes at once."""


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """While it lasts NumPy multiplies in the thread that asks for it.

    With threads of our own beside BLAS's, each waits for the others: 10 ms became 5.
    """
    with _one_at_a_time, _blas().limit(limits=1, user_api="blas"):
        yield


def shares(rows: int) -> list[slice]:
    """Rows in parts for threads to take, one part if they are few.

    >>> shares(3)
    [slice(0, 3, None)]
    """
    size = min(max(_FEWEST, -(-rows // usable_cores())), _MOST)
    return [slice(at, min(at + size, rows)) for at in range(0, max(1, rows), size)]


def usable_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
