"""Fine-tune any text-to-speech model with LoRA, and know that it worked.

from tts_lora import TrainConfig
from tts_lora.train import train
train(TrainConfig(data="ann-set", out="ann"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tts_lora.adapter import load
    from tts_lora.assessment import assess
    from tts_lora.config import LoraConfig, TrainConfig
    from tts_lora.mixing import Mixer
    from tts_lora.narration import narrate
    from voice_data.encoded import EncodedSet, PrepareConfig

__version__ = "0.1.0"

_HOMES = {
    "EncodedSet": "voice_data.encoded",
    "LoraConfig": "tts_lora.config",
    "Mixer": "tts_lora.mixing",
    "PrepareConfig": "voice_data.encoded",
    "TrainConfig": "tts_lora.config",
    "assess": "tts_lora.assessment",
    "load": "tts_lora.adapter",
    "narrate": "tts_lora.narration",
}

__all__ = [
    "EncodedSet",
    "LoraConfig",
    "Mixer",
    "PrepareConfig",
    "TrainConfig",
    "assess",
    "load",
    "narrate",
]


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'tts_lora' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
