"""The clock against a loop that follows its definition."""

from __future__ import annotations

import math

import pytest
import torch

from jepa_tts.clock import PRIOR_FLOOR, clock

DURATIONS = (
    [2.0, 3.0, 1.0],
    [0.0, 1.5, 0.0, 0.25, 0.25, 4.0],
    [0.3, 0.3, 0.3, 0.3, 0.9],
    [1.0, 2.0, 0.0, 0.0],
    [0.0, 0.0, 5.5],
)


def expected_row(durations: list[float], frame: int) -> tuple[int, list[float], list[float]]:
    """Byte, phase and prior of one frame, straight from the definitions."""
    time, starts, total = frame + 0.5, [], 0.0
    for duration in durations:
        starts.append(total)
        total += duration
    sounding = [i for i, d in enumerate(durations) if d > 0]
    byte = next((i for i in sounding if time < starts[i] + durations[i]), sounding[-1])
    since, until = time - starts[byte], starts[byte] + durations[byte] - time
    phase = [
        min(1.0, max(0.0, since / max(durations[byte], 1e-3))),
        min(2.0, since / 4),
        max(-1.0, min(2.0, until / 4)),
        math.log1p(durations[byte]),
    ]
    prior = [PRIOR_FLOOR] * len(durations)
    for i in sounding:
        distance = (time - (starts[i] + durations[i] / 2)) / (durations[i] / 2 + 0.7)
        prior[i] = max(PRIOR_FLOOR, -0.5 * distance**2)
    return byte, phase, prior


@pytest.mark.parametrize("durations", DURATIONS)
def test_equals_a_loop(durations: list[float]) -> None:
    frames = math.ceil(sum(durations)) + 6  # beyond the end too
    times = clock(torch.tensor([durations]), frames)
    for frame in range(frames):
        byte, phase, prior = expected_row(durations, frame)
        assert int(times.position[0, frame]) == byte
        torch.testing.assert_close(times.phase[0, frame], torch.tensor(phase), atol=1e-4, rtol=0)
        torch.testing.assert_close(times.prior[0, frame], torch.tensor(prior), atol=1e-4, rtol=0)


def test_padding_changes_nothing() -> None:
    rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(d) for d in DURATIONS], batch_first=True)
    together = clock(rows, 9)
    for index, durations in enumerate(DURATIONS):
        alone = clock(torch.tensor([durations]), 9)
        assert torch.equal(together.position[index], alone.position[0])
        torch.testing.assert_close(together.phase[index], alone.phase[0])
        torch.testing.assert_close(together.prior[index, :, : len(durations)], alone.prior[0])
        assert (together.prior[index, :, len(durations) :] == PRIOR_FLOOR).all()


def test_rows_are_a_slice() -> None:
    times = clock(torch.tensor([DURATIONS[0]]), 6)
    for part, whole in zip(times.rows(2, 5), times, strict=True):
        assert torch.equal(part, whole[:, 2:5])


def test_silence_only_is_finite() -> None:
    times = clock(torch.zeros(1, 4), 3)
    assert all(bool(torch.isfinite(part.float()).all()) for part in times)
    assert not times.position.any()
