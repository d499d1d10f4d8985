"""How long voices take to make and how much memory: measured in a process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BATCH, ROUNDS, BATCHES = 64, 30, 9
_WHO = ("a man", "a woman", "a girl", "an old man", "a boy", "a lady", "a gentleman", "an uncle")
_HOW = ("with a deep voice", "with a high voice", "who speaks slowly", "who speaks fast",
        "calm and warm", "bright and lively", "quiet and breathy", "dark and rough")  # fmt: skip
DESCRIPTIONS = tuple(f"{who} {how}" for how in _HOW for who in _WHO)
"""As many as a batch holds, all different."""


def speed(hypernet: str = "") -> dict[str, Any]:
    """Milliseconds, MiB and the threads that were used.

    A fresh process, in which nothing else was loaded, makes the voices.

    Raises:
        ArtefactError: if the hypernetwork is missing or damaged.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(timed, hypernet).result()


def timed(hypernet: str = "") -> dict[str, Any]:
    """The same, in this process."""
    from voice_hypernet.threads import usable_cores
    from voice_hypernet.voices import VoiceHypernet

    begun = time.perf_counter()
    loaded = VoiceHypernet.from_pretrained(hypernet or None)
    _ = loaded.encoder
    taken = time.perf_counter() - begun
    loaded.generate_lora_adapters(list(DESCRIPTIONS[:8]))  # warm-up
    first, single, batch = [], [], []
    for text in DESCRIPTIONS[:ROUNDS]:
        del loaded.plain_words  # as if nothing like it had been asked for
        for times in (first, single):
            begun = time.perf_counter()
            loaded.generate_lora_adapters(text)
            times.append(time.perf_counter() - begun)
    for _ in range(BATCHES):
        begun = time.perf_counter()
        loaded.generate_lora_adapters(list(DESCRIPTIONS))
        batch.append((time.perf_counter() - begun) / BATCH)
    return {
        "load_ms": 1_000 * taken,
        "first_ms": 1_000 * statistics.median(first),
        "adapter_ms": 1_000 * statistics.median(single),
        "batch_ms": 1_000 * statistics.median(batch),
        "batch": BATCH,
        "peak_mib": peak(),
        "threads": usable_cores(),
    }


def peak() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # not inherited from the parent, as getrusage's is
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1_024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def table(part: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    return [
        "| a new description, ms | one like another before, ms | one of a batch of 64, ms | "
        "loading, ms | memory, MiB | threads |",
        "|---|---|---|---|---|---|",
        f"| {part['first_ms']:.1f} | {part['adapter_ms']:.1f} | {part['batch_ms']:.1f} | "
        f"{part['load_ms']:.0f} | {part['peak_mib']:.0f} | {part['threads']} |",
    ]
