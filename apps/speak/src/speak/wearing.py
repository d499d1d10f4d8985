"""A voice that was described, heard or saved, put on the model that will speak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jepa_tts.tts import JepaTTS
    from jepa_tts.voice import Voice as Told
    from voice_hypernet import Voice

CARD = "voice.json"


def is_saved(voice: str) -> bool:
    """Whether ``voice`` is the folder of a voice that ``t2a-generate`` wrote."""
    return (Path(voice) / CARD).is_file()


def describes(voice: str) -> bool:
    """Whether ``voice`` is a saved voice or a description; a single word may be a misspelt name."""
    from voice_data.describe import parse

    words = [word for word in voice.split() if any(letter.isalpha() for letter in word)]
    return is_saved(voice) or len(words) > 1 or bool(words and parse(voice).tags.mentioned)


def designed(voice: str | None, like: Path | None, hypernet: str | None) -> Voice:
    """The voice of a saved folder, or made of a description, a clip, or both; warnings are shown.

    Raises:
        click.UsageError: for a saved voice beside a clip.
        DescriptionError, VoiceError, ClipError: if no voice can be made of it.
    """
    from voice_hypernet import Voice, VoiceHypernet

    if voice is not None and is_saved(voice):
        if like is not None:
            raise click.UsageError("--like excludes a saved voice: give one of them")
        return Voice.load(voice)
    made = VoiceHypernet.from_pretrained(hypernet).generate_lora_adapters(voice, like)
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    return made


def put_on(tts: JepaTTS, voice: Voice) -> Told | None:
    """Change the model's weights for good; returns what to tell it, if there is anything.

    Raises:
        VoiceError: if the voice was made for another model.
    """
    from jepa_tts.voice import Voice as Told

    voice.require(tts)  # pyright: ignore[reportArgumentType] # the hash and the rate are enough
    tts.add(voice.deltas())
    vector = voice.condition.get("voice")
    if vector is None:
        return None
    return Told(name="described", vector=vector, base_sha256=tts.weights_sha256)
