"""Scoring: every metric asked for, over every clip."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from voice_data.score.extra import torch_threads
from voice_data.score.naturalness import DistillMos, Dnsmos
from voice_data.score.prosody import measure_pace, measure_pitch
from voice_data.score.recognition import Recogniser, Transcriber, compare, normalise
from voice_data.score.report import Report, Result
from voice_data.score.row import Row, ScoreError, to_rows
from voice_data.score.similarity import SpeakerEncoder, measure_similarity

Metric = Literal["wer", "similarity", "distillmos", "dnsmos", "f0", "rate"]
METRICS: tuple[Metric, ...] = get_args(Metric)

_log = logging.getLogger(__name__)


def score(
    rows: str | Path | Iterable[Row],
    *,
    metrics: Sequence[Metric] = METRICS,
    recogniser: str | Path | Transcriber | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Report:
    """Score spoken clips, a list of `Row` or the path of a manifest, on the metrics asked for.

    ``recogniser`` is a loaded one, a Whisper checkpoint's name or folder, or None for the one that
    comes with the extra; ``threads`` is None for one per available core. Models are loaded one
    after the other and let go, so that the peak memory is that of the largest.

    >>> rows = [Row(audio="speech.wav", text="Hello there.")]
    >>> report = score(rows, metrics=["wer"])  # doctest: +SKIP
    >>> report.summary()["wer"].mean  # doctest: +SKIP

    Raises:
        ScoreError: if there is nothing to score, a metric is unknown, or a row lacks a text.
        AudioError: if a clip cannot be read.
        ImportError: if the ``[metrics]`` extra is not installed.
    """
    listed, threads = to_rows(rows), _threads(threads)
    _check(listed, metrics)
    found: dict[str, list[Any]] = {}
    used: dict[str, str] = {}
    with _threads_of_torch(metrics, threads):
        for metric in dict.fromkeys(metrics):
            _log.info("measuring %s of %d clips", metric, len(listed))
            part, measure = _MEASURES[metric]
            found[part] = measure(listed, _Setup(recogniser, device, threads, used))
    results = tuple(
        Result(
            id=row.id or f"row-{index}",
            speaker=row.speaker,
            text=row.text,
            duration=row.load().duration,
            **{part: values[index] for part, values in found.items()},
        )
        for index, row in enumerate(listed)
    )
    settings = {
        "metrics": list(dict.fromkeys(metrics)),
        "device": device,
        "threads": threads,
        **used,
    }
    return Report(rows=results, settings=settings)


class _Setup(NamedTuple):
    """What the measures share; ``used`` collects what the report should say about them."""

    recogniser: str | Path | Transcriber | None
    device: str
    threads: int
    used: dict[str, str]


def _recognise(rows: Sequence[Row], setup: _Setup) -> list[Any]:
    recogniser = setup.recogniser
    if recogniser is None or isinstance(recogniser, (str, Path)):
        recogniser = Recogniser.from_pretrained(
            recogniser, device=setup.device, threads=setup.threads
        )
    setup.used["recogniser"] = getattr(recogniser, "name", type(recogniser).__name__)
    return [compare(row.text, recogniser.transcribe(row.load())) for row in rows]


def _similarity(rows: Sequence[Row], setup: _Setup) -> list[Any]:
    return list(measure_similarity(rows, SpeakerEncoder.from_pretrained(device=setup.device)))


def _distillmos(rows: Sequence[Row], setup: _Setup) -> list[Any]:
    model = DistillMos.from_pretrained(device=setup.device)
    return [model.measure(row.load()) for row in rows]


def _dnsmos(rows: Sequence[Row], setup: _Setup) -> list[Any]:
    model = Dnsmos.from_pretrained(threads=setup.threads)
    return [model.measure(row.load()) for row in rows]


def _pitch(rows: Sequence[Row], _: _Setup) -> list[Any]:
    return [measure_pitch(row.load()) for row in rows]


def _pace(rows: Sequence[Row], _: _Setup) -> list[Any]:
    return [measure_pace(row.load(), row.text) for row in rows]


# Metric -> the field of `Result` that it fills, and how.
_MEASURES: dict[str, tuple[str, Callable[[Sequence[Row], _Setup], list[Any]]]] = {
    "wer": ("recognition", _recognise),
    "similarity": ("similarity", _similarity),
    "distillmos": ("distillmos", _distillmos),
    "dnsmos": ("dnsmos", _dnsmos),
    "f0": ("pitch", _pitch),
    "rate": ("pace", _pace),
}


def _check(rows: Sequence[Row], metrics: Sequence[str]) -> None:
    if isinstance(metrics, str):
        raise ScoreError(
            f"metrics must be a sequence such as [{metrics!r}], not the string {metrics!r}"
        )
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown or not metrics:
        raise ScoreError(f"unknown metrics {unknown}: choose from {', '.join(METRICS)}")
    if "wer" in metrics:
        # Before any model is loaded: an hour of scoring should not end on an empty text.
        for index, row in enumerate(rows):
            if not normalise(row.text):
                raise ScoreError(
                    f"row {row.id or index} has no words in its text {row.text!r}: "
                    "give what the clip should say, or leave out the metric 'wer'"
                )


def _threads(threads: int | None) -> int:
    if threads is None:
        return os.cpu_count() or 1
    if not isinstance(threads, int) or threads < 1:
        raise ScoreError(f"threads must be a positive integer or None, not {threads!r}")
    return threads


def _threads_of_torch(metrics: Sequence[str], threads: int) -> AbstractContextManager[None]:
    needs_torch = {"similarity", "distillmos"} & set(metrics)
    # the recogniser sets the threads of OpenMP for the whole process: torch's too, if it is loaded
    return torch_threads(threads) if needs_torch or "torch" in sys.modules else nullcontext()
