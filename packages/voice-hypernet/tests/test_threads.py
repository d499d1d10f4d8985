"""Threads of ours and of NumPy's products do not meet."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import ThreadpoolController

from voice_hypernet import threads
from voice_hypernet.threads import shares, single_threaded_blas, usable_cores


@pytest.fixture(autouse=True)
def _looked_for_again() -> None:
    """Other tests load BLAS libraries besides NumPy's, after it was looked for."""
    threads._blas.cache_clear()


def blas_threads() -> set[int]:
    """Of every BLAS in the process."""
    found = ThreadpoolController().select(user_api="blas").info()
    return {each["num_threads"] for each in found}


def test_blas_has_one_thread_while_it_lasts() -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with single_threaded_blas():
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_an_error_sets_it_back() -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), single_threaded_blas():
            _ = 1 // 0
        assert blas_threads() == {2}


def test_many_threads_leave_blas_as_it_was() -> None:
    before, seen = blas_threads(), []

    def use(_: int) -> None:
        with single_threaded_blas():
            seen.append(blas_threads())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(16)))
    assert seen == [{1}] * 16
    assert blas_threads() == before


def test_who_has_it_may_ask_again() -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with single_threaded_blas():
            with single_threaded_blas():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


@pytest.mark.parametrize("cores", [1, 2, 64])
@pytest.mark.parametrize("rows", [0, 1, 4, 5, 7, 64, 1_000])
def test_every_row_is_in_one_share(rows: int, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    found = shares(rows)
    assert [row for part in found for row in range(rows)[part]] == list(range(rows))
    assert len(found) == 1 if rows < 5 else len(found) >= min(cores, rows // 4)
    assert len(found) <= max(1, rows)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_that_a_process_may_not_use_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
