"""Many requests at once: each as if it were alone, whatever happens to the others."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from jepa_tts import narrator as narrator_module
from jepa_tts.ensemble import LONGEST_REQUEST, Ensemble, Reply, Request
from jepa_tts.narrator import Narrator
from jepa_tts.rows import Rows
from jepa_tts.script import sentences
from jepa_tts.weights import read_weights
from voice_data.text import TextError

TEXTS = (
    "It is easy to tell the depth of a well.",
    "Stop.",
    "One fell, and two stood there. Was there a third?",
    "We met by the river at noon.",
    "Rice is often served in round bowls.",
)


@pytest.fixture(scope="module")
def narrator(package: Path) -> Narrator:
    """Of the tiny checkpoint."""
    return Narrator(read_weights(package))


def requests(narrator: Narrator, texts: tuple[str, ...] = TEXTS) -> list[Request]:
    """The texts in both voices, each with its own seed."""
    table = narrator.weights.tensors["voices.table.weight"]
    return [Request(text=t, voice=table[i % 2], seed=i) for i, t in enumerate(texts)]


def spoken(replies: list[Reply]) -> dict[int, np.ndarray]:
    """Samples by request."""
    assert all(reply.error is None for reply in replies)
    return {reply.index: reply.audio.samples for reply in replies if reply.audio}


@pytest.mark.parametrize(("seats", "workers"), [(1, 1), (2, 1), (3, 2), (32, 2)])
def test_a_batch_is_its_members_alone(narrator: Narrator, seats: int, workers: int) -> None:
    asked = requests(narrator)
    made = spoken(list(Ensemble(narrator, seats, workers).speak(asked)))
    assert sorted(made) == list(range(len(TEXTS)))
    for index, request in enumerate(asked):
        (alone,) = spoken(list(Ensemble(narrator, 1).speak([request]))).values()
        np.testing.assert_allclose(made[index], alone, atol=1e-4)


def test_in_float32_it_is_the_narrator(package: Path) -> None:
    exact = Narrator(read_weights(package), precision="float32")
    made = spoken(list(Ensemble(exact).speak(requests(exact))))
    for index, request in enumerate(requests(exact)):
        lines = sentences(request.text)
        parts = exact.spoken(lines, request.voice, 1.0, request.seed)
        want = np.concatenate([part.samples for part in parts])
        assert made[index].shape == want.shape
        assert np.sqrt(((made[index] - want) ** 2).mean()) < 1e-3


def test_the_poisoned_are_told_and_the_others_served(narrator: Narrator) -> None:
    poison = ("", "x" * (LONGEST_REQUEST + 1), "\udcff broken", "\U0001f600")
    asked = requests(narrator, (TEXTS[0], *poison, TEXTS[1]))
    replies = {reply.index: reply for reply in Ensemble(narrator, 2).speak(asked)}
    assert sorted(replies) == list(range(6))
    assert isinstance(replies[1].error, TextError)
    assert "at most 20000 fit into a request" in str(replies[2].error)
    assert all(replies[index].error for index in (3, 4))
    alone = spoken(list(Ensemble(narrator, 1).speak([asked[5]])))
    audio = replies[5].audio
    assert audio is not None
    np.testing.assert_allclose(audio.samples, alone[0], atol=1e-4)


def test_a_cancelled_request_frees_its_seat(narrator: Narrator) -> None:
    """One of two seats is taken by a text without end, until it is cancelled."""
    asked = requests(narrator, ("so it went on, and on it went " * 300, *TEXTS))
    gone = iter([False] * 3)
    replies = Ensemble(narrator, 2).speak(asked, lambda index: not index and next(gone, True))
    made = list(replies)
    assert made[0] == Reply(index=0)
    assert len(spoken(made)) == len(TEXTS)


def test_too_little_memory_halves_the_seats(
    narrator: Narrator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Small(Rows):
        def __init__(self, step, config, start, shape, spare=None) -> None:
            if shape[0] > 2:
                raise MemoryError
            super().__init__(step, config, start, shape, spare)

    monkeypatch.setattr(narrator_module, "Rows", Small)
    with caplog.at_level(logging.WARNING):
        made = spoken(list(Ensemble(narrator, 5).speak(requests(narrator))))
    assert len(made) == len(TEXTS)
    assert "5 rows do not fit into memory: going on with 2" in caplog.text


def test_seats_and_workers_are_checked(narrator: Narrator) -> None:
    for seats, workers in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            Ensemble(narrator, seats, workers)


def test_no_requests_no_replies(narrator: Narrator) -> None:
    assert list(Ensemble(narrator).speak([])) == []
