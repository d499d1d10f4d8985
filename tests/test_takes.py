"""The evaluation's takes: spoken once, resumed after a crash, and held to their proper length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import takes

from voice_data.audio import Audio

TOOLS = Path(__file__).parents[1] / "tools"
RATE = 8_000


class Metronome:
    """Speaks a tone whose length the text gives, and a silence after a comma."""

    name = "metronome"

    def __init__(self) -> None:
        self.said: list[str] = []

    def speak(self, text: str, voice: str, seed: int) -> Audio:
        self.said.append(text)
        tone, _, rest = text.partition(",")
        seconds = float(tone) if tone[0].isdigit() else 1.0
        samples = np.concatenate(
            [np.full(round(seconds * RATE), 0.3), np.zeros(round(float(rest or 0) * RATE))]
        )
        return Audio(samples.astype(np.float32), RATE)

    def planned(self, text: str, voice: str) -> float | None:
        return None


def jobs(*texts: str) -> list[tuple[str, str, str]]:
    return [(f"{index:04d}", "v", text) for index, text in enumerate(texts)]


def test_takes_are_spoken_once_and_a_torn_line_again(tmp_path: Path) -> None:
    system = Metronome()
    first = takes.speak_all(system, jobs("1", "2"), tmp_path)
    assert system.said == [takes.WARM_UP, takes.WARM_UP, "1", "2"]
    log = tmp_path / "takes.jsonl"
    log.write_text(log.read_text("utf-8")[:-30], "utf-8")  # killed while writing the second
    again = Metronome()
    second = takes.speak_all(again, jobs("1", "2", "3"), tmp_path)
    assert again.said[2:] == ["2", "3"]
    assert second[0] == first[0]
    assert [take.duration for take in second] == [1.0, 2.0, 3.0]
    idle = Metronome()
    assert takes.speak_all(idle, jobs("1", "2", "3"), tmp_path) == second
    assert idle.said == []


def test_stops_are_held_against_the_other_system(tmp_path: Path) -> None:
    mine = takes.speak_all(
        Metronome(), jobs("2", "2", "2", "1", "3.2", "2,1.5", "5.5"), tmp_path / "a"
    )
    theirs = takes.speak_all(Metronome(), jobs(*["1"] * 7), tmp_path / "b")
    found = takes.stops(mine, theirs, tmp_path / "a", tmp_path / "b")
    assert found["early"] == ["0003"]
    assert found["late"] == ["0004", "0005"]
    assert found["never"] == ["0006"]
    assert found["rate"] == pytest.approx(4 / 7)


def test_stops_are_held_against_the_plan(tmp_path: Path) -> None:
    mine = takes.speak_all(Metronome(), jobs("2", "2", "2"), tmp_path)
    planned = [
        replace(take, planned=plan) for take, plan in zip(mine, [2.0, 4.0, 1.0], strict=True)
    ]
    found = takes.stops(planned, mine, tmp_path, tmp_path)
    assert (found["early"], found["late"], found["never"]) == (["0001"], ["0002"], [])
    assert found["with_plan"] == 3


def test_speed_is_audio_over_seconds(tmp_path: Path) -> None:
    mine = takes.speak_all(Metronome(), jobs("2", "4"), tmp_path)
    timed = [replace(take, seconds=s) for take, s in zip(mine, [1.0, 1.0], strict=True)]
    assert takes.speed(timed) == {"x_real_time": 3.0, "x_real_time_median": 3.0}


def test_the_held_out_sentences_are_what_they_say() -> None:
    lines = (TOOLS / "data" / "heldout.txt").read_text("utf-8").splitlines()
    assert len(lines) == len({line.casefold() for line in lines}) == 200
    assert all(4 < len(line.split()) <= 30 for line in lines)
    assert not any(letter.isdigit() for line in lines for letter in line)
