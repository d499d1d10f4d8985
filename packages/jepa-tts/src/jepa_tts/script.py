"""A text as the model speaks it: cut into sentences, each normalised. Torch is not needed here."""

from __future__ import annotations

from jepa_tts.languages import OWN_SCRIPT, script_of
from voice_data.text import TextError, is_english, normalize, split_sentences

LANGUAGE_OF = {"DEVANAGARI": "hi"}
"""How figures are read between letters of a script."""
UNDETERMINED = "und"
LONGEST_SENTENCE = 180
"""Characters spoken in one breath, about what training has shown; longer ones are cut."""


def sentences(text: str, language: str = "en") -> list[str]:
    """The sentences of a text; those without a word in them are dropped.

    A sentence that is not in Latin script is not read as English, whatever ``language`` says.

    >>> sentences("Dr. Lee has 2 cats. \\U0001f600")
    ['Doctor Lee has two cats.']

    Raises:
        TextError: if nothing is left to be spoken.
    """
    found: list[str] = []
    for raw in split_sentences(text, LONGEST_SENTENCE):
        try:
            spoken = normalize(raw, _written_in(raw, language))
        except TextError:
            continue
        found += split_sentences(spoken, LONGEST_SENTENCE)
    return found or [normalize(text, language)]  # which says what is wrong


def _written_in(sentence: str, language: str) -> str:
    """Another script is another language, whatever the text around it is in."""
    script = script_of(sentence)
    if is_english(language) and script != OWN_SCRIPT:
        return LANGUAGE_OF.get(script, UNDETERMINED)
    return language
