"""Speech data in, verified training sets out.

>>> from voice_data import normalize
>>> normalize("Chapter 12.")
'Chapter twelve.'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_data.audio import Audio, read, write
    from voice_data.manifest import Utterance, read_manifest, write_manifest
    from voice_data.speech import load_speech_model
    from voice_data.text import normalize

__version__ = "0.1.0"

_HOMES = {
    "Audio": "audio",
    "read": "audio",
    "write": "audio",
    "Utterance": "manifest",
    "read_manifest": "manifest",
    "write_manifest": "manifest",
    "load_speech_model": "speech",
    "normalize": "text",
}

__all__ = [
    "Audio",
    "Utterance",
    "load_speech_model",
    "normalize",
    "read",
    "read_manifest",
    "write",
    "write_manifest",
]


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'voice_data' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    from importlib import import_module

    return getattr(import_module(f"voice_data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
