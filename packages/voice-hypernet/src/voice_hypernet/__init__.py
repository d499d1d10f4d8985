"""A description or a clip becomes the adapter of a voice, in one forward pass.

>>> from voice_hypernet import VoiceHypernet
>>> hypernet = VoiceHypernet.from_pretrained()                          # doctest: +SKIP
>>> voice = hypernet.generate_lora_adapters(text="a deep, calm man")    # doctest: +SKIP
>>> voice.save("deep-calm-man")                                         # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_hypernet.config import HypernetConfig, LoraShape, TrainConfig, VoiceConfig
    from voice_hypernet.voice import Voice
    from voice_hypernet.voices import VoiceHypernet

__version__ = "0.1.0"

_HOMES = {
    "HypernetConfig": "config",
    "LoraShape": "config",
    "TrainConfig": "config",
    "Voice": "voice",
    "VoiceConfig": "config",
    "VoiceHypernet": "voices",
}

__all__ = ["HypernetConfig", "LoraShape", "TrainConfig", "Voice", "VoiceConfig", "VoiceHypernet"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
