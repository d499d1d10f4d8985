"""The machine that something is measured on, and the memory that it took."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def peak_rss_mb() -> float:
    """The most memory that this process has held so far, in MB; 0 where nobody tells."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def cores() -> int:
    """The cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def hardware() -> str:
    """The processor and the number of its cores that this process may use."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text("utf-8", "replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {cores()} cores"


def load() -> float:
    """Processes that wanted a core in the last minute; 0 where nobody tells."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows
        return 0.0
