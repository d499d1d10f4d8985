"""A description or a clip becomes the adapter of a voice, in one forward pass.

>>> from voice_hypernet import VoiceHypernet
>>> hypernet = VoiceHypernet.from_pretrained()                          # doctest: +SKIP
>>> voice = hypernet.generate_lora_adapters(text="a deep, calm man")    # doctest: +SKIP
>>> voice.save("deep-calm-man")                                         # doctest: +SKIP
"""

from __future__ import annotations

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
    """Import a public name's module when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'voice_hypernet' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    from importlib import import_module

    return getattr(import_module(f"voice_hypernet.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
