"""Which of two pronunciations of a word is heard, judged by sound alone.

A recogniser guesses words from their context and would hear "I red the book" where "I reed the
book" was said. So nothing is recognised here: the speech model's own training loss says how well
the sound goes with the sentence respelled in either way ("redd", "reed"), and the better one counts
as heard. Neither text nor projector nor the way in which the sound was made has a part in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice_data.audio import Audio
    from voice_data.speech import SpeechModel


class PronunciationError(ValueError):
    """Homographs that cannot be judged; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Homograph:
    """A sentence with a word of two pronunciations, and the word respelled as it is to sound
    (``right``) and as it is not (``wrong``).
    """

    text: str
    word: str
    right: str
    wrong: str

    def __post_init__(self) -> None:
        if self.text.lower().split().count(self.word.lower()) == 0 and not _find(
            self.text, self.word
        ):
            raise PronunciationError(f"{self.word!r} is not in {self.text!r}")
        if self.right == self.wrong:
            raise PronunciationError(f"{self.text!r} has two equal respellings")

    def spelled(self, spelling: str) -> str:
        """The sentence with the word spelled in another way."""
        start = _find(self.text, self.word)[0]
        found = self.text[start : start + len(self.word)]
        spelling = spelling.capitalize() if found[0].isupper() else spelling
        return self.text[:start] + spelling + self.text[start + len(self.word) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``margin`` is above 0 where the right pronunciation is heard: by how much the loss under the
    wrong one is larger, as a share of both together.
    """

    item: Homograph
    margin: float

    @property
    def heard(self) -> bool:
        """Whether it was pronounced as it should be."""
        return self.margin > 0


def read_homographs(path: Path) -> list[Homograph]:
    """JSON lines with ``text``, ``word``, ``right`` and ``wrong``.

    Raises:
        PronunciationError: naming the line that cannot be used.
    """
    found = []
    for number, row in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            found.append(Homograph(**json.loads(row)))
        except (ValueError, TypeError) as error:
            raise PronunciationError(f"{path}:{number}: {error}") from error
    if not found:
        raise PronunciationError(f"{path} is empty")
    return found


def judge(item: Homograph, spoken: Audio, model: SpeechModel) -> Verdict:
    """Compare both respellings by the loss of ``model``, which hears the voice from the sound.

    Raises:
        SpeechModelError: if the sound is too short or too long for the model.
    """
    right, wrong = (_loss(item.spelled(each), spoken, model) for each in (item.right, item.wrong))
    return Verdict(item=item, margin=(wrong - right) / max(1e-9, wrong + right))


def _loss(text: str, spoken: Audio, model: SpeechModel) -> float:
    import torch

    from voice_data.dataset import Example
    from voice_data.manifest import Utterance

    utterance = Utterance(id=text, audio=f"{text}.wav", text=text, language="en")
    with torch.no_grad():
        encoded = model.encode(Example(utterance=utterance, audio=spoken))
        return float(model.loss(model.collate([encoded])).total)


def _find(text: str, word: str) -> tuple[int, ...]:
    """Where a word begins in a text, as a whole word."""
    import re

    return tuple(m.start() for m in re.finditer(rf"\b{re.escape(word)}\b", text, re.IGNORECASE))
