"""A frozen language model speaks: its hidden states, through a small trained projector, become the
text states of a frozen speech model.

>>> from audio_projector import Bridge
>>> Bridge.from_pretrained().speak("Good morning.").duration      # doctest: +SKIP
1.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_projector.bridge import Bridge, Spoken
    from audio_projector.checkpoint import load_projector, save_projector
    from audio_projector.config import ProjectorConfig
    from audio_projector.llm import LanguageModel

__all__ = [
    "Bridge",
    "Spoken",
    "LanguageModel",
    "ProjectorConfig",
    "load_projector",
    "save_projector",
]

__version__ = "0.1.0"

_PLACES = {
    "Bridge": "bridge",
    "Spoken": "bridge",
    "LanguageModel": "llm",
    "ProjectorConfig": "config",
    "load_projector": "checkpoint",
    "save_projector": "checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'audio_projector' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"audio_projector.{_PLACES[name]}"), name)
