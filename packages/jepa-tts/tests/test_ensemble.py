"""Many requests at once: each as if it were alone, whatever happens to the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from dataclasses import replace
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
    assert isinstance(replies[3].error, UnicodeError)
    alone = spoken(list(Ensemble(narrator, 1).speak([asked[5]])))
    audio = replies[5].audio
    assert audio is not None
    np.testing.assert_allclose(audio.samples, alone[0], atol=1e-4)


def test_impossible_voices_and_speeds_are_told(narrator: Narrator) -> None:
    (good,) = requests(narrator, TEXTS[:1])
    poisoned = [
        replace(good, voice=good.voice[:-1]),
        replace(good, voice=np.full_like(good.voice, np.nan)),
        replace(good, speed=0.0),
        replace(good, speed=float("nan")),
    ]
    replies = {reply.index: reply for reply in Ensemble(narrator, 2).speak([*poisoned, good])}
    width = len(good.voice)
    assert str(replies[0].error) == (
        f"the voice must be {width} finite numbers, not an array of ({width - 1},)"
    )
    assert "with infinities or NaN" in str(replies[1].error)
    for index, speed in ((2, "0.0"), (3, "nan")):
        assert str(replies[index].error) == f"speed must be between 0.25 and 4, not {speed}"
    assert replies[4].audio is not None


@pytest.mark.parametrize("where", ["score", "sound"])
def test_what_fails_on_its_way_fails_alone(
    where: str, narrator: Narrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw, in the plan of a request or in its sound."""
    plain, failed = getattr(Narrator, where), []

    def broken(self: Narrator, *arguments: object) -> object:
        if not failed:
            failed.append(1)
            raise KeyError("poison")
        return plain(self, *arguments)

    monkeypatch.setattr(Narrator, where, broken)
    replies = list(Ensemble(narrator, 2).speak(requests(narrator)))
    assert sorted(reply.index for reply in replies) == list(range(len(TEXTS)))
    assert [repr(reply.error) for reply in replies if reply.error] == ["KeyError('poison')"]
    assert sum(reply.audio is not None for reply in replies) == len(TEXTS) - 1


def test_no_more_is_planned_than_can_be_seated(
    narrator: Narrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, begun, others = Narrator.score, [], set(threading.enumerate())

    def counted(self: Narrator, *arguments: object) -> object:
        begun.append(arguments)
        return plain(self, *arguments)  # pyright: ignore

    monkeypatch.setattr(Narrator, "score", counted)
    replies = Ensemble(narrator, 2).speak(requests(narrator, TEXTS[:1] * 20))
    assert isinstance(replies, Generator)
    next(replies)
    assert len(begun) <= 6  # two seats, two looked ahead for, and as many after the first
    replies.close()
    assert len(begun) <= 6
    ours = set(threading.enumerate()) - others
    assert not [each for each in ours if "ThreadPool" in each.name]


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
