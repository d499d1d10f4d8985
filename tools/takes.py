"""Takes: sentences spoken by a system, how long that took, and whether each ended when it should.

Part of ``evaluate_speech.py``.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from voice_data.audio import Audio, read, write
from voice_data.score.prosody import silences
from voice_data.storage import write_text

WARM_UP = "This first sentence is spoken twice and never counted."
EARLY, LATE, NEVER = 0.6, 1.5, 2.5  # of the expected length
TRAILING = 1.0  # s of silence at the end that count as a late stop


class System(Protocol):
    """What is evaluated: a name, speech for text, and how long it meant to speak, in seconds."""

    name: str

    def speak(self, text: str, voice: str, seed: int) -> Audio: ...

    def planned(self, text: str, voice: str) -> float | None: ...


class Timbre:
    """The model under test."""

    name = "timbre"

    def __init__(self, checkpoint: str | None) -> None:
        from jepa_tts import JepaTTS

        self._tts: Any = JepaTTS.from_pretrained(*([checkpoint] if checkpoint else []))

    def speak(self, text: str, voice: str, seed: int) -> Audio:
        return self._tts.speak(text, voice=voice, seed=seed)

    def planned(self, text: str, voice: str) -> float | None:
        plan = getattr(self._tts, "planned_duration", None)
        return None if plan is None else float(plan(text, voice=voice))


class Anchor:
    """Hibari's bundled voice, whatever voice is asked for."""

    name = "hibari"

    def __init__(self, threads: int) -> None:
        from hibari import Hibari

        self._tts: Any = Hibari(threads=threads)

    def speak(self, text: str, voice: str, seed: int) -> Audio:  # noqa: ARG002
        return Audio(self._tts(text, seed=seed).astype(np.float32), self._tts.sample_rate)

    def planned(self, text: str, voice: str) -> float | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One spoken sentence: where it lies, and what speaking it took; times in seconds."""

    id: str
    text: str
    voice: str
    file: str
    duration: float
    seconds: float
    planned: float | None


def speak_all(system: System, jobs: Sequence[tuple[str, str, str]], folder: Path) -> list[Take]:
    """Takes of all jobs (id, voice, text); those already on disk are not spoken again."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "takes.jsonl"
    done = {take.id: take for take in _logged(log)}
    missing = [job for job in jobs if job[0] not in done]
    if missing:
        for _ in range(2):
            system.speak(WARM_UP, missing[0][1], 0)
    # A crash may have left half a line: what is kept is written afresh.
    write_text(log, "".join(_line(take) for take in done.values()))
    with log.open("a", encoding="utf-8") as file:
        for name, voice, text in tqdm(missing, desc=f"speaking: {system.name}", disable=None):
            done[name] = _take(system, name, voice, text, folder)
            file.write(_line(done[name]))
            file.flush()
    return [done[name] for name, _, _ in jobs]


def _take(system: System, name: str, voice: str, text: str, folder: Path) -> Take:
    start = time.perf_counter()
    audio = system.speak(text, voice, seed=0)
    seconds = time.perf_counter() - start
    write(folder / f"{name}.wav", audio)
    return Take(
        id=name,
        text=text,
        voice=voice,
        file=f"{name}.wav",
        duration=audio.duration,
        seconds=seconds,
        planned=system.planned(text, voice),
    )


def _line(take: Take) -> str:
    return json.dumps(asdict(take)) + "\n"


def _logged(log: Path) -> list[Take]:
    if not log.exists():
        return []
    takes = []
    for line in log.read_text("utf-8").splitlines():
        try:
            takes.append(Take(**json.loads(line)))
        except ValueError:
            continue  # cut short by a crash: spoken again
    return takes


def stops(
    takes: Sequence[Take], anchor: Sequence[Take], folder: Path, other: Path
) -> dict[str, Any]:
    """How many takes stop early, late or never, and which.

    A take is held against two lengths: the one that its model planned, and hibari's speech for the
    same sentence times the usual ratio of the two. Early: under 0.6 of either. Late: over 1.5 of
    either, or more than a second of silence at the end. Never: over 2.5 of either.
    """
    mine = [_spoken(folder / take.file) for take in takes]
    theirs = [_spoken(other / take.file) for take in anchor]
    pace = statistics.median(a / b for (a, _), (b, _) in zip(mine, theirs, strict=True))
    found: dict[str, list[str]] = {"early": [], "late": [], "never": []}
    for take, (spoken, trailing), (reference, _) in zip(takes, mine, theirs, strict=True):
        ratios = [spoken / (pace * reference)] if pace > 0 else [0.0]
        if take.planned:
            ratios.append(take.duration / take.planned)
        if max(ratios) > NEVER:
            found["never"].append(take.id)
        elif max(ratios) > LATE or trailing > TRAILING:
            found["late"].append(take.id)
        elif min(ratios) < EARLY:
            found["early"].append(take.id)
    bad = sum(len(names) for names in found.values())
    planned = sum(take.planned is not None for take in takes)
    return {**found, "rate": bad / len(takes), "sentences": len(takes), "with_plan": planned}


def _spoken(path: Path) -> tuple[float, float]:
    """Seconds of speech without the silence around it, and of silence at the end."""
    audio = read(path)
    leading, trailing = silences(audio)
    return max(audio.duration - leading - trailing, 1e-3), trailing


def speed(takes: Sequence[Take]) -> dict[str, float]:
    """Times real time: of all the audio over all the seconds, and of the middle sentence."""
    total = sum(take.duration for take in takes) / sum(take.seconds for take in takes)
    middle = statistics.median(take.duration / take.seconds for take in takes)
    return {"x_real_time": total, "x_real_time_median": middle}
