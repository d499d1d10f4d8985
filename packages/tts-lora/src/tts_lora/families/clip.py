"""What every family asks of a clip and of a text before its own model sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from voice_data.dataset import Example
    from voice_data.manifest import Utterance

SHORTEST = 0.2
"""Seconds: less than a syllable teaches nothing, and is no longer than a window of the mels."""


def check_clip(example: Example, rate: int) -> None:
    """Refuse what cannot be trained on.

    Raises:
        SpeechModelError: if the clip has another rate than ``rate`` Hz, is shorter than 0.2 s, or
            has no text.
    """
    name, audio = example.utterance.id, example.audio
    if audio.rate != rate:
        raise SpeechModelError(
            f"clip {name!r} has {audio.rate} Hz and {rate} Hz are wanted: "
            f"run `voice-data prepare --set rate={rate}`"
        )
    if audio.duration < SHORTEST:
        raise SpeechModelError(
            f"clip {name!r} lasts {audio.duration:.3f} s and {SHORTEST} s is the least: drop it"
        )
    if not example.utterance.text.strip():
        raise SpeechModelError(f"clip {name!r} has no text: write down what is said, or drop it")


def sentences(text: str, count: Callable[[str], int], most: int) -> list[str]:
    """Cut ``text`` into pieces of at most ``most`` units each, whole sentences where they fit.

    ``count`` says how many units of the model a piece has.

    Raises:
        SpeechModelError: if a piece of ten characters still has too many.
        TextError: if nothing is left to be spoken.
    """
    from voice_data.text import split_sentences

    pieces: list[str] = []
    for sentence in split_sentences(text):
        characters = len(sentence)
        while any(count(part) > most for part in split_sentences(sentence, max(characters, 10))):
            if characters <= 10:
                raise SpeechModelError(
                    f"{sentence[:40]!r} has {count(sentence)} units and the model takes {most}: "
                    "shorten the text"
                )
            characters = max(10, characters * 3 // 4)
        pieces.extend(split_sentences(sentence, max(characters, 10)))
    return pieces


def numbers(utterance: Utterance, key: str) -> list[float] | None:
    """The list of numbers that ``utterance.extra[key]`` holds, ``None`` if it has no such key.

    Raises:
        SpeechModelError: if it holds something else.
    """
    if key not in utterance.extra:
        return None
    values = utterance.extra[key]
    items: list[object] = values if isinstance(values, list) else []
    found = [
        float(item)
        for item in items
        if isinstance(item, (int, float)) and not isinstance(item, bool)
    ]
    if not found or len(found) < len(items):
        raise SpeechModelError(
            f"clip {utterance.id!r}: extra[{key!r}] must be a list of numbers, not {values!r}"
        )
    return found


def no_names(voice: object, family: str) -> None:
    """Refuse a voice by name, for families that know none.

    Raises:
        SpeechModelError: if ``voice`` is a string.
    """
    if isinstance(voice, str):
        raise SpeechModelError(
            f"{family} knows no voice by name, so not {voice!r}: pass the condition of some clips "
            "(SpeechModel.condition), or nothing"
        )
