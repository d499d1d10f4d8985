"""Iterators that run ahead of their readers, in threads of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def in_turn(items: Iterable[Item], gate: threading.Semaphore) -> Iterator[Item]:
    """``items``, each made while holding the ``gate``: no more are made at once than it lets in."""
    source = iter(items)
    while True:
        with gate:
            item = next(source, None)
        if item is None:
            return
        yield item


def ahead(items: Iterable[Item], most: int = 4096) -> Iterator[Item]:
    """``items`` in their order, the next ones (``most`` at a time) made while the reader works.

    An error of ``items`` reaches the reader in its place. When the reader stops early, the thread
    ends after the item that it is at.
    """
    done: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(most)
    left = threading.Event()

    def put(message: tuple[Item] | BaseException | None) -> bool:
        while not left.is_set():
            try:
                done.put(message, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
        except BaseException as error:  # the reader's to handle
            put(error)
        else:
            put(None)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (message := done.get()) is not None:
            if isinstance(message, BaseException):
                raise message
            yield message[0]
    finally:
        left.set()
        thread.join()
