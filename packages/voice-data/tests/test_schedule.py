"""The learning rate by step."""

from __future__ import annotations

from itertools import pairwise

import pytest

from voice_data.schedule import Schedule, learning_rate


def test_it_warms_up_then_follows_a_cosine() -> None:
    schedule = Schedule(learning_rate=0.01, steps=1000, warm_up=100)
    rates = [learning_rate(schedule, step) for step in range(1100)]
    assert rates[:100] == pytest.approx([0.0001 * (k + 1) for k in range(100)])
    assert max(rates) == rates[100] == pytest.approx(0.01)
    assert rates[550] == pytest.approx(0.01 * 1.05 / 2)
    assert rates[1000:] == pytest.approx([0.0005] * 100)
    assert all(a > b for a, b in pairwise(rates[100:1001]))


def test_it_may_start_at_its_peak_and_end_at_once() -> None:
    assert learning_rate(Schedule(learning_rate=0.5, steps=1), 0) == 0.5
    assert learning_rate(Schedule(learning_rate=0.5, steps=3, warm_up=3), 3) == 0.5
    flat = Schedule(learning_rate=0.5, steps=9, final_rate=1.0)
    assert {learning_rate(flat, step) for step in range(20)} == {0.5}
