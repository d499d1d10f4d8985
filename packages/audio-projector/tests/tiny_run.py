"""Settings of a run that takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_projector.cache import StatesCache
    from audio_projector.train_config import TrainConfig


def settings(states: StatesCache, out: Path, **changes: Any) -> TrainConfig:
    """A small resampler between the toys."""
    from audio_projector.train_config import TrainConfig

    values: dict[str, Any] = {
        "states": str(states.folder), "out": str(out), "target": "hum", "steps": 8, "batch": 120,
        "layers": (2, 3), "width": 16, "feed_forward": 24, "heads": 2, "blocks": 1,
        "save_every": 4, "log_every": 2, "warm_up": 2, "learning_rate": 0.01,
    }  # fmt: skip
    return TrainConfig(**{**values, **changes})
