"""Phonemes as the ids of a model: from the clip, from ``{K AE1 T}``, or from a text by g2p."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from voice_data.speech import SpeechModelError

END = "<sos/eos>"
_log = logging.getLogger(__name__)
_GROUP = re.compile(r"\{([^{}]*)\}")


@runtime_checkable
class Saving(Protocol):
    """A tokenizer that can be written into a checkpoint's folder."""

    def save_pretrained(self, folder: str | Path) -> Any:
        """Write it."""
        ...


class Phonemes:
    """Ids of phonemes by a ``vocabulary``; ``tokenizer`` reads plain text, if there is one.

    >>> Phonemes({"K": 3, "AE1": 4, "T": 5, "<sos/eos>": 1}).ids("{K AE1 T}")
    [3, 4, 5, 1]
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        tokenizer: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> None:
        self.vocabulary = dict(vocabulary)
        self.tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        """Of one sentence, with the end that the model expects.

        Raises:
            SpeechModelError: if a phoneme is unknown, or the text is plain and nothing reads it.
        """
        groups = _GROUP.findall(text)
        if groups:
            return self.of([phoneme for group in groups for phoneme in group.split()])
        if self.tokenizer is None:
            raise SpeechModelError(
                f"{text[:40]!r} needs a reader: pip install g2p-en, or write phonemes, {{K AE1 T}}"
            )
        return list(self.tokenizer(text)["input_ids"])

    def of(self, phonemes: list[str]) -> list[int]:
        """Ids of phonemes, with the end.

        Raises:
            SpeechModelError: if one is unknown.
        """
        names = [*phonemes, END] if phonemes[-1:] != [END] else phonemes
        if unknown := sorted({name for name in names if name not in self.vocabulary}):
            some = ", ".join(list(self.vocabulary)[:12])
            raise SpeechModelError(f"unknown phonemes {', '.join(unknown)}; known: {some}, ...")
        return [self.vocabulary[name] for name in names]


def phonemes_of(clip: str, given: object) -> list[str]:
    """What ``extra["phonemes"]`` of a clip says: a list, or one string with spaces.

    Raises:
        SpeechModelError: if it is something else.
    """
    if isinstance(given, str):
        return given.split()
    if not isinstance(given, (list, tuple)):
        raise SpeechModelError(
            f"clip {clip!r}: extra['phonemes'] must be a list or a string, not {given!r}"
        )
    return [str(each) for each in given]


def split_groups(text: str) -> list[str]:
    """``{...}`` groups, a sentence each; empty for plain text."""
    return [match.group(0) for match in _GROUP.finditer(text)]


def read_phonemes(source: str) -> Phonemes:
    """Of a checkpoint: its tokenizer if that can be built, else its ``vocab.json`` alone.

    Raises:
        SpeechModelError: if there is neither.
    """
    from transformers import AutoTokenizer
    from transformers.utils.hub import cached_file

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        return Phonemes(tokenizer.get_vocab(), tokenizer)
    except (ImportError, OSError, ValueError, KeyError):  # g2p_en, which only plain text needs
        _log.info("%s: no reader of plain text, phonemes only", source)
    try:
        found = Path(str(cached_file(source, "vocab.json")))
        return Phonemes(json.loads(found.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} has no tokenizer and no vocab.json: {error}") from error
