"""How fast speech is made, alone and many at once, how soon it starts, what memory it takes; other
small voices on the same sentences in the same run.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jepa_tts.machine import cores, hardware, load, peak_rss_mb
from jepa_tts.rival import rivals
from jepa_tts.timing import PAUSE, Timing, quantile, timed

if TYPE_CHECKING:
    import numpy as np

    from jepa_tts.narrator import Narrator
    from jepa_tts.rival import Rival
    from jepa_tts.tts import JepaTTS

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background, and let it dry overnight.",
    "It is easy to tell the depth of a well.",
    "Four hours of steady work faced us when the morning came.",
    "A large size in stockings is hard to sell, said the man behind the counter.",
)
"""Short, middling and long."""
LONG_SENTENCE = (
    "When the ferry finally came round the headland that evening, most of the people on the quay "
    "had given up waiting, and only the baker and her two sons were left to wave."
)
"""Of thirty-two words, for the time to the first sound."""
BATCHES = (1, 8, 32)
QUEUES = 3
"""Requests per seat of a batch: a batch is measured while it is full."""
LENGTHS = (1, 3, 10, 20)
"""Sentences of a text, from three seconds to a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run. Real-time factors are seconds of speech per second of work: more is faster.

    ``rivals`` are the real-time factors of other voices, one sentence at a time, and the ratios
    compare medians with hibari's in this run; ``None`` where it is not installed. ``batches`` has
    the real-time factor by number of requests at once, ``lengths`` the work in ms per second of
    speech by seconds of text, and ``growth`` the last of them over the first. ``rss_mb`` is the
    peak of one stream, ``batch_rss_mb`` with batches, both before another voice was loaded.
    """

    real_time_factor: float
    real_time_factor_p10: float
    real_time_factor_p90: float
    latency_ms_p50: float
    latency_ms_p90: float
    first_audio_ms: float
    first_audio_ms_p90: float
    load_ms: float
    rss_mb: float
    batch_rss_mb: float
    rivals: dict[str, float]
    single_ratio_to_hibari: float | None
    batch32_ratio_to_hibari: float | None
    batches: dict[int, float]
    lengths: dict[float, float]
    growth: float
    repeats: int
    warm_up: int
    sentences: int
    threads: int
    engine: str
    hardware: str
    load: float
    python: str
    model: str


@dataclass(slots=True)
class _Run:
    """What was measured so far."""

    own: list[Timing] = field(default_factory=list)
    others: dict[str, list[Timing]] = field(default_factory=dict)
    batches: dict[int, list[Timing]] = field(default_factory=dict)
    lengths: dict[int, list[Timing]] = field(default_factory=dict)


def benchmark(
    model: str | None = None,
    vocoder: Path | None = None,
    *,
    repeats: int = 3,
    threads: int | None = None,
    seed: int = 0,
    reference: bool = True,
    batches: Sequence[int] = BATCHES,
    lengths: Sequence[int] = LENGTHS,
) -> Figures:
    """Measure the shipped checkpoint or another one.

    Everything is spoken once to warm up and then ``repeats`` times; all systems take turns, so
    that a busy machine slows all of them. Requests in ``batches`` need a checkpoint that
    :mod:`jepa_tts.narrator` can speak.
    """
    threads = threads or cores()
    started = time.perf_counter()
    tts = _loaded(model, vocoder, threads)
    load_ms = 1000 * (time.perf_counter() - started)
    texts = {count: " ".join((SENTENCES * count)[:count]) for count in lengths}
    rate, narrator = tts.sample_rate, tts.narrator

    def speak(text: str) -> np.ndarray:
        return tts.speak(text, seed=seed).samples

    timed(speak, (*SENTENCES, LONG_SENTENCE), rate)
    first = [_first_audio(tts, seed) for _ in range(2 * repeats + 1)]
    sizes = list(batches) if narrator else []
    rss = peak_rss_mb()
    for size in sizes:
        _batch(tts, size, threads)
    batch_rss = peak_rss_mb()
    others = list(rivals(threads)) if reference else []
    for other in others:
        timed(other.speak, SENTENCES, other.rate)
    run = _Run()
    for _ in range(repeats):
        _turn(run, speak, others, rate)
        for size in sizes:
            run.batches.setdefault(size, []).append(_batch(tts, size, threads))
        for count, text in texts.items():
            run.lengths.setdefault(count, []).extend(timed(speak, [text], rate))
    return _figures(
        run,
        first,
        load_ms=round(load_ms, 1),
        rss_mb=rss,
        batch_rss_mb=batch_rss,
        repeats=repeats,
        threads=threads,
        engine=_engine(narrator),
        model=tts.weights_sha256[:16],
    )


def table(figures: Figures) -> str:
    """The figures for a person."""
    tails = {"p10": figures.real_time_factor_p10, "p90": figures.real_time_factor_p90}
    spread = ", ".join(f"{name} {factor:.1f}" for name, factor in tails.items())
    rows = [
        ("one stream", figures.real_time_factor, f"x   ({spread})"),
        *((name, factor, "x") for name, factor in figures.rivals.items()),
        *((f"batch of {size}", factor, "x") for size, factor in figures.batches.items()),
        ("first audio", figures.first_audio_ms, f"ms  (p90 {figures.first_audio_ms_p90:.1f})"),
        ("peak memory", figures.rss_mb, f"MB  ({figures.batch_rss_mb:.0f} with batches)"),
        *((f"text of {s:.0f} s", cost, "ms per s") for s, cost in figures.lengths.items()),
        ("ratio to hibari", figures.single_ratio_to_hibari, ""),
        ("of a batch of 32", figures.batch32_ratio_to_hibari, ""),
    ]
    lines = [f"{n:16} {value:8.2f} {unit}" for n, value, unit in rows if value is not None]
    lines.append(
        f"{figures.engine}; {figures.hardware}, load {figures.load}; {figures.threads} threads, "
        f"{figures.repeats} repeats of {figures.sentences} sentences after {figures.warm_up} to "
        "warm up"
    )
    return "\n".join(lines)


def _loaded(model: str | None, vocoder: Path | None, threads: int) -> JepaTTS:
    from jepa_tts.tts import JepaTTS

    tts = JepaTTS.from_pretrained(model, vocoder=vocoder)
    if tts.narrator is not None:
        tts.narrator.threads = threads
    else:
        import torch

        torch.set_num_threads(threads)
    return tts


def _turn(
    run: _Run, speak: Callable[[str], np.ndarray], others: Iterable[Rival], rate: int
) -> None:
    """Every sentence by everyone, one after the other."""
    for text in SENTENCES:
        run.own += timed(speak, [text], rate)
        for other in others:
            run.others.setdefault(other.name, []).extend(timed(other.speak, [text], other.rate))


def _batch(tts: JepaTTS, size: int, threads: int) -> Timing:
    from jepa_tts.ensemble import Ensemble, Request

    narrator = tts.narrator
    if narrator is None:
        raise ValueError("a batch needs a checkpoint that the narrator can speak")
    table = narrator.weights.tensors["voices.table.weight"]
    count = max(QUEUES * size, len(SENTENCES))
    requests = [
        Request(text=SENTENCES[i % len(SENTENCES)], voice=table[i % len(table)], seed=i)
        for i in range(count)
    ]
    time.sleep(PAUSE)
    started = time.perf_counter()
    replies = list(Ensemble(narrator, size, threads).speak(requests))
    work = time.perf_counter() - started
    return Timing(work, sum(reply.audio.duration for reply in replies if reply.audio))


def _first_audio(tts: JepaTTS, seed: int) -> float:
    time.sleep(PAUSE)
    started = time.perf_counter()
    stream = tts.stream(LONG_SENTENCE, seed=seed, pieces=True)
    while not len(next(stream).samples):
        pass
    return 1000 * (time.perf_counter() - started)


def _engine(narrator: Narrator | None) -> str:
    if narrator is None:
        torch = sys.modules["torch"]
        return f"torch {torch.__version__}"
    return f"{narrator.precision} on onnxruntime {version('onnxruntime')}"


def _figures(run: _Run, first: list[float], **facts: Any) -> Figures:
    factors = [timing.factor for timing in run.own]
    latencies = [1000 * timing.work for timing in run.own]
    median = quantile(factors, 0.5)
    theirs = {n: quantile([t.factor for t in ts], 0.5) for n, ts in run.others.items()}
    batches = {n: quantile([t.factor for t in ts], 0.5) for n, ts in run.batches.items()}
    lengths = {
        round(ts[0].speech, 1): 1000 / quantile([t.factor for t in ts], 0.5)
        for ts in run.lengths.values()
    }
    costs = list(lengths.values())
    hibari = theirs.get("hibari")
    return Figures(
        real_time_factor=round(median, 2),
        real_time_factor_p10=round(quantile(factors, 0.1), 2),
        real_time_factor_p90=round(quantile(factors, 0.9), 2),
        latency_ms_p50=round(quantile(latencies, 0.5), 1),
        latency_ms_p90=round(quantile(latencies, 0.9), 1),
        first_audio_ms=round(statistics.median(first), 1),
        first_audio_ms_p90=round(quantile(first, 0.9), 1),
        rivals={name: round(factor, 2) for name, factor in theirs.items()},
        single_ratio_to_hibari=round(median / hibari, 4) if hibari else None,
        batch32_ratio_to_hibari=(
            round(batches[32] / hibari, 4) if hibari and 32 in batches else None
        ),
        batches={size: round(factor, 2) for size, factor in batches.items()},
        lengths={seconds: round(cost, 2) for seconds, cost in lengths.items()},
        growth=round(costs[-1] / costs[0], 3) if costs else 1.0,
        warm_up=len(SENTENCES) + 1,
        sentences=len(SENTENCES),
        hardware=hardware(),
        load=load(),
        python=platform.python_version(),
        **facts,
    )
