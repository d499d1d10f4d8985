"""The shape of a lexicon: what can be said of each value of each tag, by grammatical role."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Phrases for one value, by role; several are divided by ``|``.

    English: ``voice`` adjectives of a voice, ``person`` adjectives of a person, ``thing`` what the
    voice comes with ("a low pitch"), ``manner`` adverbials of "speak", ``clause`` verb phrases of
    the third person. Korean: ``voice`` and ``person`` are predicates in dictionary form, ``thing``
    nouns, ``manner`` adverbials of "말하다"; ``clause`` is empty. ``heard`` is never written,
    only understood.
    """

    voice: str = ""
    person: str = ""
    thing: str = ""
    manner: str = ""
    clause: str = ""
    heard: str = ""

    def of(self, role: str) -> tuple[str, ...]:
        """The phrases of a role."""
        return tuple(phrase for phrase in getattr(self, role).split("|") if phrase)

    def all(self) -> tuple[tuple[str, str], ...]:
        """Every phrase with its role."""
        return tuple((item.name, phrase) for item in fields(self) for phrase in self.of(item.name))


Lexicon = dict[str, dict[str, Words]]
