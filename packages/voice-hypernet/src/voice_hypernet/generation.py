"""What `t2a-generate` does: voices from a request, and a folder for each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voice_hypernet.adapter import CARD, LONGEST_DESCRIPTION
from voice_hypernet.voice import Voice, VoiceError
from voice_hypernet.voices import VoiceHypernet

_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Voices to make: one for each text, or one of a clip alone, or one blended of folders.

    ``consent`` says what the speaker of the clip agreed to.
    """

    texts: tuple[str, ...] = ()
    clip: Path | None = None
    blended: tuple[tuple[Path, float], ...] = ()
    strength: float | None = None
    rank: int | None = None
    alpha: float | None = None
    consent: str = ""


def make(hypernet: VoiceHypernet, request: Request) -> list[Voice]:
    """The voices of a request, in order.

    Raises:
        VoiceError, DescriptionError, ClipError, AudioError: if something cannot be used.
    """
    if request.blended:
        parts = [(Voice.load(folder), weight) for folder, weight in request.blended]
        voices = [hypernet.blend(parts)]
    elif request.texts:
        voices = hypernet.generate_lora_adapters(
            list(request.texts), request.clip, request.strength
        )
    else:
        voices = [hypernet.generate_lora_adapters(None, request.clip, request.strength)]
    if request.rank is not None or request.alpha is not None:
        voices = [voice.resized(request.rank, request.alpha) for voice in voices]
    if request.consent:
        voices = [
            replace(voice, origin=replace(voice.origin, consent=request.consent))
            for voice in voices
        ]
    return voices


def folders(out: Path, texts: Sequence[str]) -> list[Path]:
    """Where the voices go: ``out`` itself for one, folders in it for several.

    Raises:
        VoiceError: if there are other files than a voice's.
    """
    if len(texts) < 2:
        places = [out]
    else:
        width = len(str(len(texts)))
        places = [out / f"{i:0{width}}-{_name(text)}" for i, text in enumerate(texts, 1)]
    for place in places:
        if place.is_file():
            raise VoiceError(f"{place} is a file: choose another folder")
        if place.is_dir() and any(place.iterdir()) and not (place / CARD).is_file():
            raise VoiceError(f"{place} holds other files than a voice: choose another folder")
    return places


def described(voice: Voice, folder: Path | None, sha256: str = "") -> dict[str, Any]:
    """A voice as plain values."""
    return {
        "folder": None if folder is None else str(folder),
        "description": voice.description[:LONGEST_DESCRIPTION],
        "understood": dict(voice.understood),
        "warnings": list(voice.warnings),
        "base": voice.origin.base,
        "rank": voice.rank,
        "alpha": voice.alpha,
        "sha256": sha256,
    }


def _name(text: str) -> str:
    words = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", text).lower()).strip("-_")
    return words[:_LONGEST_NAME].strip("-_") or "voice"
