"""Many requests at once, each in its own voice: they start and stop independently of one another.

Letters: Z latent dimensions, D width.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.languages import OWN_SCRIPT, script_of
from jepa_tts.noise import Noise
from jepa_tts.request import LONGEST_REQUEST, Reply, Request, checked
from jepa_tts.rows import Rows
from voice_data.audio import Audio

if TYPE_CHECKING:
    from jepa_tts.narrator import Narrator
    from jepa_tts.score import Score

__all__ = ["LONGEST_REQUEST", "Ensemble", "Reply", "Request"]

_log = logging.getLogger(__name__)
SPARSE = 0.75
"""Share of rows in use at which the others are given up, when nobody waits for them."""
ROUND = 32
"""Frames and bytes by which rows grow, so that they rarely do."""


@dataclass(slots=True, eq=False)
class _Job:
    """A sentence of a request, its score from when its turn is near, and the latents so far."""

    index: int
    line: str
    score: Future[Score] | None = None
    latents: list[np.ndarray] = field(default_factory=list)
    done: bool = False

    def scored(self) -> Score:
        """The score, waited for.

        Raises:
            RuntimeError: if nobody has been asked for it.
        """
        if self.score is None:
            raise RuntimeError("no score: look ahead first")
        return self.score.result()


class Ensemble:
    """A narrator with at most ``seats`` sentences on their way, and ``workers`` who sound them.

    Every row is computed for itself: a request sounds the same whatever is spoken beside it. The
    products are those for many rows (:mod:`jepa_tts.int8`), so it is the speech of the narrator
    alone to the noise of eight bits only.
    """

    def __init__(self, narrator: Narrator, seats: int = 32, workers: int = 1) -> None:
        if seats < 1 or workers < 1:
            raise ValueError(f"seats and workers must be positive, not {seats} and {workers}")
        self.narrator, self.seats, self.workers = narrator, seats, workers

    def speak(
        self, requests: Sequence[Request], cancelled: Callable[[int], bool] = lambda _: False
    ) -> Iterator[Reply]:
        """A reply to every request, each as soon as it is made.

        A request that cannot be spoken is told so and disturbs no other. Before every frame
        ``cancelled`` is asked of each request whether it has been given up; then its seat is free.
        A reader that leaves early waits for no more than what the workers are at. Requests in one
        language, chosen by script, are spoken together, one language after the other.
        """
        by_script: dict[str, dict[int, Request]] = {}
        for index, request in enumerate(requests):
            script = script_of(request.text)
            if script not in self.narrator.weights.languages:
                script = OWN_SCRIPT
            by_script.setdefault(script, {})[index] = request
        with ThreadPoolExecutor(self.workers) as pool, _leaving(pool):
            for group in by_script.values():
                session = _Session(self.narrator, self.seats, group, pool)
                yield from session.refused()
                while not session.over():
                    yield from session.dropped(cancelled)
                    session.seat()
                    session.advance()
                    yield from session.sounded()


@contextmanager
def _leaving(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Take back what nobody has begun, when the block ends in whatever way."""
    try:
        yield
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Session:
    """One call of :meth:`Ensemble.speak`, for requests in one language by their indices."""

    def __init__(
        self,
        narrator: Narrator,
        seats: int,
        requests: Mapping[int, Request],
        pool: ThreadPoolExecutor,
    ) -> None:
        self.narrator, self.requests, self.pool = narrator, requests, pool
        self.jobs: dict[int, list[_Job]] = {}
        self.errors: dict[int, Exception] = {}
        self.sounds: dict[int, Future[Audio]] = {}
        self.reader = narrator
        for index, request in requests.items():
            self._admit(index, request)
        self.waiting = deque(job for jobs in self.jobs.values() for job in jobs)
        self.seated: list[_Job | None] = [None] * min(seats, len(self.waiting))
        self.rows: Rows | None = None

    def over(self) -> bool:
        """Whether everything has been replied to."""
        return not (self.waiting or self.sounds or self.errors or any(self.seated))

    def refused(self) -> Iterator[Reply]:
        """Requests with which something is wrong."""
        for index, error in self.errors.items():
            self._forget(index)
            yield Reply(index=index, error=error)
        self.errors.clear()

    def dropped(self, cancelled: Callable[[int], bool]) -> Iterator[Reply]:
        """Requests that nobody waits for any more."""
        for index in [index for index in self.jobs if cancelled(index)]:
            self._forget(index)
            yield Reply(index=index)

    def seat(self) -> None:
        """Give free rows to those who wait; keep no more rows than are needed."""
        self._look_ahead()
        while self.waiting and None in self.seated:
            job = self.waiting[0]
            if job.score is None or (not job.score.done() and any(self.seated)):
                return
            try:
                score = job.scored()
            except Exception as error:  # the request's own: the others are served
                self.errors[job.index] = error
                self._forget(job.index)
                continue
            if not self._has_room(score):
                return
            self.waiting.popleft()
            row = self.seated.index(None)
            self.seated[row] = job
            self._rows.seat(row, score)
        taken = [row for row, job in enumerate(self.seated) if job]
        if not self.waiting and 0 < len(taken) <= SPARSE * len(self.seated):
            shape = len(taken), self._rows.frames, self._rows.letters
            self.rows = self._rows.moved(taken, shape)
            self.seated = [self.seated[row] for row in taken]

    def advance(self) -> None:
        """One frame of everything that has a seat."""
        if not any(self.seated):
            return
        for row, out in enumerate(self._rows.step()):
            job = self.seated[row]
            if job is None:
                continue
            job.latents.append(out[:-1])
            score, made = job.scored(), len(job.latents)
            job.done = made == score.limit or (made + 1 >= score.planned and bool(out[-1] > 0))
            if job.done:
                self._free(row)
                self._sound(job.index)

    def sounded(self) -> Iterator[Reply]:
        """Requests that have become sound; waits for one if there is nothing else to do."""
        if self.sounds and not self.waiting and not any(self.seated):
            wait(self.sounds.values(), return_when=FIRST_COMPLETED)
        for index in [index for index, future in self.sounds.items() if future.done()]:
            yield _reply(index, self.sounds.pop(index))
        yield from self.refused()

    def _admit(self, index: int, request: Request) -> None:
        try:
            script = checked(request, self.narrator.config.width)
            self.reader = self.narrator.fluent(request.text)
        except ValueError as error:
            self.errors[index] = error
        else:
            self.jobs[index] = [_Job(index, line) for line in script]

    def _look_ahead(self) -> None:
        """Have those scored who may be seated next; more of them would only fill the memory."""
        for job in islice(self.waiting, len(self.seated)):
            if job.score is None:
                asked = self.requests[job.index]
                options = job.line, asked.voice, asked.speed
                job.score = self.pool.submit(self.reader.score, *options)

    @property
    def _rows(self) -> Rows:
        if self.rows is None:
            raise RuntimeError("no rows: seat a sentence first")
        return self.rows

    def _has_room(self, score: Score) -> bool:
        """Make rows that the sentence fits into; False: it must wait for others to end."""
        needs = _rounded(score)
        try:
            if self.rows is None:
                together = [job.score for job in islice(self.waiting, len(self.seated))]
                sizes = [_rounded(s.result()) for s in together if s and s.exception() is None]
                needs = [max(size) for size in zip(*sizes, strict=True)]
                self.rows = self.reader.rows((len(self.seated), needs[0], needs[1]))
            elif self.rows.frames < needs[0] or self.rows.letters < needs[1]:
                frames, letters = max(self.rows.frames, needs[0]), max(self.rows.letters, needs[1])
                shape = len(self.seated), frames, letters
                self.rows = self.rows.moved(range(len(self.seated)), shape)
        except MemoryError:
            if any(self.seated):
                return False
            if len(self.seated) == 1:
                raise
            half = len(self.seated) // 2
            _log.warning("%d rows do not fit into memory: going on with %d", len(self.seated), half)
            self.seated, self.rows = self.seated[:half], None
            return self._has_room(score)
        return True

    def _sound(self, index: int) -> None:
        """Sound a request as soon as all its sentences are there: they share one noise."""
        jobs = self.jobs[index]
        if all(job.done for job in jobs):
            del self.jobs[index]
            latents = [np.stack(job.latents) for job in jobs]
            seed = self.requests[index].seed
            self.sounds[index] = self.pool.submit(_sounded, self.narrator, latents, seed)

    def _forget(self, index: int) -> None:
        jobs = self.jobs.pop(index, [])
        for job in jobs:
            if job.score is not None:
                job.score.cancel()
        self.waiting = deque(job for job in self.waiting if job not in jobs)
        for row, job in enumerate(self.seated):
            if job in jobs:
                self._free(row)

    def _free(self, row: int) -> None:
        self.seated[row] = None
        self._rows.free(row)


def _reply(index: int, made: Future[Audio]) -> Reply:
    """What became of a request that was to sound."""
    error = made.exception()
    if error is None:
        return Reply(index=index, audio=made.result())
    if not isinstance(error, Exception):
        raise error
    return Reply(index=index, error=error)


def _rounded(score: Score) -> list[int]:
    """Frames and bytes of a row that the sentence fits into."""
    return [-(-size // ROUND) * ROUND for size in (score.limit, score.bias.shape[-1])]


def _sounded(narrator: Narrator, latents: Sequence[np.ndarray], seed: int) -> Audio:
    noise = Noise(seed)
    parts = [narrator.sound(each, noise) for each in latents]
    return Audio(np.concatenate(parts), narrator.config.mel.sample_rate)
