"""How fast and how big: the figures of one answer, warm."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_projector.chunks import ChunkConfig
from audio_projector.generation import WritingConfig

if TYPE_CHECKING:
    from audio_projector.bridge import Bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one answer after a warm-up.

    ``first_audio_ms`` counts from the first token of the language model, ``first_tokens`` how many
    there were by then; ``share`` is the projector's part of all computing time; ``peak_mb`` the
    most memory that the process ever had.
    """

    first_audio_ms: float
    first_tokens: int
    tokens_per_second: float
    audio_seconds: float
    seconds: float
    share: float
    projector_ms: float
    parameters: int
    peak_mb: float
    resident_mb: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure(
    bridge: Bridge,
    prompts: Sequence[str],
    *,
    voice: str | None = None,
    tokens: int = 48,
    chunks: ChunkConfig | None = None,
) -> list[Figures]:
    """The figures of the answer to each prompt; the first prompt is answered once to warm up."""
    import torch

    writing = WritingConfig(tokens=tokens)
    for _ in bridge.answer(prompts[0], voice=voice, writing=writing, chunks=chunks):
        pass
    found = []
    for prompt in prompts:
        begun, seconds, tokens_then = time.perf_counter(), 0.0, 0
        for spoken in bridge.answer(prompt, voice=voice, writing=writing, chunks=chunks):
            seconds += spoken.audio.duration
            tokens_then = tokens_then or spoken.tokens
        clock = bridge.clock
        found.append(
            Figures(
                first_audio_ms=1000 * (clock.first_audio - clock.first_token),
                first_tokens=tokens_then,
                tokens_per_second=clock.tokens / max(1e-9, clock.llm),
                audio_seconds=seconds,
                seconds=time.perf_counter() - begun,
                share=clock.share,
                projector_ms=1000 * clock.projector,
                parameters=bridge.projector.size(),
                peak_mb=peak_megabytes(),
                resident_mb=resident_megabytes(),
                threads=torch.get_num_threads(),
            )
        )
    return found


def peak_megabytes() -> float:
    """The most memory that this process ever had, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def resident_megabytes() -> float:
    """What it has now, in MB; 0 where the system does not say."""
    path = Path("/proc/self/statm")
    if not path.is_file():
        return 0.0
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
