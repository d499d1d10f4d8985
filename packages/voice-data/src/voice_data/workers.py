"""The same function over many clips, here or in several processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


class WorkerError(RuntimeError):
    """A worker process died; the message says what may be the reason."""


@contextmanager
def mapping(processes: int = 1) -> Iterator[Map]:
    """Yield a function like ``map`` that keeps the order of its items.

    Functions and items are pickled where another process does the work, and a script that asks for
    several processes needs ``if __name__ == "__main__":``.

    >>> with mapping() as apply:
    ...     list(apply(abs, [-1, 2]))
    [1, 2]

    Raises:
        ValueError: if ``processes`` is below 1.
        WorkerError: when the results are taken, if a worker died.
    """
    if processes < 1:
        raise ValueError(f"processes must be 1 or more, not {processes}")
    if processes == 1:
        yield map
    else:
        with _executor(processes) as executor:
            yield lambda function, items: _in_order(executor, function, items, processes)


@contextmanager
def _executor(processes: int) -> Iterator[ProcessPoolExecutor]:
    # "spawn" because forking a process in which NumPy or torch run threads can lock up.
    executor = ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _in_order(
    executor: ProcessPoolExecutor,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int,
) -> Iterator[Result]:
    try:
        yield from executor.map(function, items, chunksize=_chunk(items, processes))
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process died, perhaps for lack of memory: run again with fewer processes; "
            "what is done is kept"
        ) from error


def _chunk(items: Sequence[Any], processes: int) -> int:
    return max(1, min(16, len(items) // (4 * processes)))


def _end_with_parent() -> None:
    """Without this, workers whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
