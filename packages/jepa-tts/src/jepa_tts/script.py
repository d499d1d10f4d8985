"""A text as the model speaks it: cut into sentences, each normalised. Torch is not needed here."""

from __future__ import annotations

from voice_data.text import TextError, normalize, split_sentences

LONGEST_SENTENCE = 180
"""Characters spoken in one breath, about what training has shown; longer ones are cut."""


def sentences(text: str, language: str = "en") -> list[str]:
    """The sentences of a text; those without a word in them are dropped.

    >>> sentences("Dr. Lee has 2 cats. \\U0001f600")
    ['Doctor Lee has two cats.']

    Raises:
        TextError: if nothing is left to be spoken.
    """
    found: list[str] = []
    for raw in split_sentences(text, LONGEST_SENTENCE):
        try:
            spoken = normalize(raw, language)
        except TextError:
            continue
        found += split_sentences(spoken, LONGEST_SENTENCE)
    return found or [normalize(text, language)]  # which says what is wrong
