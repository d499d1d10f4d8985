"""A small joint-embedding-predictive text-to-speech model: bytes in, 24 kHz speech out.

from jepa_tts import JepaTTS
tts = JepaTTS.from_pretrained()
audio = tts.speak("The kettle is on.", voice=tts.voices[0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jepa_tts.config import JepaConfig
    from jepa_tts.model import JepaModel
    from jepa_tts.train import TrainConfig
    from jepa_tts.tts import JepaTTS
    from jepa_tts.vocoder import Vocoder
    from jepa_tts.voice import Voice

__version__ = "0.1.0"

_HOMES = {
    "JepaConfig": "config",
    "JepaModel": "model",
    "JepaTTS": "tts",
    "TrainConfig": "train",
    "Vocoder": "vocoder",
    "Voice": "voice",
}

__all__ = ["JepaConfig", "JepaModel", "JepaTTS", "TrainConfig", "Vocoder", "Voice"]


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'jepa_tts' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    from importlib import import_module

    return getattr(import_module(f"jepa_tts.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
