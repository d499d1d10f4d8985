"""Running ahead changes neither order nor errors, and ends with its reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from jepa_tts.ahead import ahead, in_turn


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "ahead"]


def test_everything_comes_in_its_order() -> None:
    assert list(ahead(iter(range(1000)), most=3)) == list(range(1000))
    assert threads() == []


def test_it_is_ahead_of_its_reader() -> None:
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            if number == 3:
                third.set()
            yield number

    reader = ahead(items())
    assert next(reader) == 0
    assert third.wait(10)  # made, though only the first one was asked for
    assert list(reader) == [1, 2, 3]


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    reader = ahead(items())
    assert next(reader) == 1
    with pytest.raises(ValueError, match="no second"):
        next(reader)
    assert threads() == []


def test_a_reader_that_leaves_ends_it() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10**9):
            made.append(number)
            yield number

    reader = ahead(items(), most=5)
    assert next(reader) == 0
    reader.close()
    assert threads() == []
    assert len(made) < 20


def test_no_more_at_once_than_the_gate_lets_in() -> None:
    gate, busy, most = threading.Semaphore(1), [0], [0]

    def items() -> Iterator[int]:
        for number in range(20):
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            time.sleep(0.001)
            busy[0] -= 1
            yield number

    sources = [ahead(in_turn(items(), gate)) for _ in range(2)]
    pairs = list(zip(*sources, strict=True))
    assert pairs == [(number, number) for number in range(20)]
    assert most == [1]
