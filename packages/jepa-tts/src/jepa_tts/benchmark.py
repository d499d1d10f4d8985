"""How fast one stream is, how soon it starts, what memory it takes; hibari in the same run."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background, and let it dry overnight.",
    "It is easy to tell the depth of a well.",
    "Four hours of steady work faced us when the morning came.",
    "A large size in stockings is hard to sell, said the man behind the counter.",
)
"""Short, middling and long."""
FIRST_AUDIO = "It is ready. The rest of the story follows in a moment."


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run. Real-time factors are seconds of speech per second of work: more is faster.

    ``single_ratio_to_hibari`` compares the medians of both in this run; it and ``hibari_...`` are
    ``None`` where hibari is not installed. ``rss_mb`` is the peak before hibari was loaded.
    """

    real_time_factor: float
    real_time_factor_p10: float
    real_time_factor_p90: float
    latency_ms_p50: float
    latency_ms_p90: float
    first_audio_ms: float
    load_ms: float
    rss_mb: float
    hibari_real_time_factor: float | None
    single_ratio_to_hibari: float | None
    repeats: int
    warm_up: int
    sentences: int
    threads: int
    batch: int
    hardware: str
    python: str
    torch: str
    model: str


class Timing(NamedTuple):
    """Seconds of work and of speech of one sentence."""

    work: float
    speech: float

    @property
    def factor(self) -> float:
        """Seconds of speech per second of work."""
        return self.speech / self.work


def benchmark(
    model: str | None = None,
    vocoder: Path | None = None,
    *,
    repeats: int = 3,
    threads: int | None = None,
    seed: int = 0,
    reference: bool = True,
) -> Figures:
    """Measure the shipped checkpoint or another one, one sentence at a time.

    Every sentence is spoken once to warm up and then ``repeats`` times; where hibari is measured
    (``reference``), the two take turns, so that a busy machine slows both.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    from jepa_tts.tts import JepaTTS

    started = time.perf_counter()
    tts = JepaTTS.from_pretrained(model, vocoder=vocoder)
    load_ms = 1000 * (time.perf_counter() - started)

    def speak(text: str) -> np.ndarray:
        return tts.speak(text, seed=seed).samples

    timed(speak, SENTENCES, tts.sample_rate)
    first = [_first_audio(lambda: tts.stream(FIRST_AUDIO, seed=seed)) for _ in range(repeats)]
    rss = peak_rss_mb()
    other = _hibari(torch.get_num_threads()) if reference else None
    if other:
        timed(other, SENTENCES, tts.sample_rate)
    own: list[Timing] = []
    others: list[Timing] = []
    for _ in range(repeats):
        own += timed(speak, SENTENCES, tts.sample_rate)
        others += timed(other, SENTENCES, tts.sample_rate) if other else []
    return _figures(
        own,
        others,
        first_audio_ms=round(1000 * statistics.median(first), 1),
        load_ms=round(load_ms, 1),
        rss_mb=rss,
        repeats=repeats,
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        model=tts.weights_sha256[:16],
    )


def timed(speak: Callable[[str], np.ndarray], texts: Iterable[str], rate: int) -> list[Timing]:
    """Speak every text once; ``speak`` returns samples [S] at ``rate`` Hz."""
    timings = []
    for text in texts:
        started = time.perf_counter()
        samples = speak(text)
        timings.append(Timing(time.perf_counter() - started, len(samples) / rate))
    return timings


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of the values lie, interpolated.

    >>> quantile([1.0, 2.0, 3.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def peak_rss_mb() -> float:
    """The most memory that this process has held so far, in MB; 0 where nobody tells."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def hardware() -> str:
    """The processor and the number of its cores that this process may use."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text("utf-8", "replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count()
    return f"{name}, {cores} cores"


def table(figures: Figures) -> str:
    """The figures for a person."""
    lines = [
        f"real time        {figures.real_time_factor:8.1f} x   "
        f"(p10 {figures.real_time_factor_p10:.1f}, p90 {figures.real_time_factor_p90:.1f})",
        f"first audio      {figures.first_audio_ms:8.1f} ms",
        f"peak memory      {figures.rss_mb:8.1f} MB",
    ]
    if figures.single_ratio_to_hibari is not None:
        lines.append(f"hibari           {figures.hibari_real_time_factor:8.1f} x")
        lines.append(f"ratio to hibari  {figures.single_ratio_to_hibari:8.2f}")
    lines.append(
        f"{figures.hardware}, {figures.threads} threads, {figures.repeats} repeats of "
        f"{figures.sentences} sentences after {figures.warm_up} to warm up, batch {figures.batch}"
    )
    return "\n".join(lines)


def _figures(own: list[Timing], others: list[Timing], **facts: float | int | str) -> Figures:
    factors = [timing.factor for timing in own]
    latencies = [1000 * timing.work for timing in own]
    median = quantile(factors, 0.5)
    theirs = quantile([timing.factor for timing in others], 0.5) if others else None
    return Figures(
        real_time_factor=round(median, 2),
        real_time_factor_p10=round(quantile(factors, 0.1), 2),
        real_time_factor_p90=round(quantile(factors, 0.9), 2),
        latency_ms_p50=round(quantile(latencies, 0.5), 1),
        latency_ms_p90=round(quantile(latencies, 0.9), 1),
        hibari_real_time_factor=round(theirs, 2) if theirs else None,
        single_ratio_to_hibari=round(median / theirs, 4) if theirs else None,
        warm_up=len(SENTENCES),
        sentences=len(SENTENCES),
        batch=1,
        hardware=hardware(),
        python=platform.python_version(),
        **facts,  # pyright: ignore[reportArgumentType]
    )


def _first_audio(stream: Callable[[], Iterable[object]]) -> float:
    started = time.perf_counter()
    next(iter(stream()))
    return time.perf_counter() - started


def _hibari(threads: int) -> Callable[[str], np.ndarray] | None:
    if find_spec("hibari") is None:
        return None
    from hibari import Hibari  # pyright: ignore[reportMissingImports]

    voice = Hibari(threads=threads)
    return lambda text: voice(text, seed=0)
