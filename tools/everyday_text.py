"""Everyday English from WordNet: what words mean, for an encoder that must know more than its task.

``apt-get download wordnet-base`` and ``dpkg -x`` give the ``data.*`` files (WordNet 3.0 licence).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_VOCAL = re.compile(
    r"\b(?:voice|speak\w*|speech|talk\w*|sound\w*|tone|pitch|sing\w*|loud\w*|utter\w*|whisper\w*"
    r"|manner|tempo|speed|pace|slow\w*|fast|calm\w*|elderly|man|woman|child)\b"
)
_FRAMES = {
    "adj": ("a {} voice", "a {} person", "sounding {}", "a {} way of speaking", "{}"),
    "adv": ("speaks {}", "talking {}", "said {}", "read it {}, please"),
    "noun": (
        "the voice of a {}",
        "like a {}",
        "a {}",
        "talks like a {}",
        "an old {} telling stories",
    ),
}
_PERSON = "18"  # WordNet's file number of nouns that denote people


class Entry(NamedTuple):
    """A line of WordNet: its words, what it is a kind of, its gloss and its example sentences."""

    file: str
    place: str
    above: tuple[str, ...]
    words: tuple[str, ...]
    gloss: str
    examples: tuple[str, ...]


def entries(folder: Path, part: str) -> Iterator[Entry]:
    """What ``data.<part>`` holds."""
    for line in (folder / f"data.{part}").read_text("utf-8").splitlines():
        if line.startswith(" "):
            continue
        head, _, said = line.partition(" | ")
        fields = head.split()
        end = 4 + 2 * int(fields[3], 16)
        plain = tuple(word.partition("(")[0].replace("_", " ") for word in fields[4:end:2])
        links = fields[end + 1 : end + 1 + 4 * int(fields[end])]
        above = tuple(
            to for kind, to in zip(links[::4], links[1::4], strict=True) if kind[0] == "@"
        )
        gloss = said.partition('"')[0].strip(" ;")
        examples = tuple(re.findall(r'"([^"]+)"', said))
        yield Entry(fields[1], fields[0], above, plain, gloss, examples)


def sexes(folder: Path) -> list[tuple[str, str]]:
    """Words for people of one sex, as WordNet's kinds of "male" and "female" have them.

    Words that have a meaning of the other sex are left out, and so are names.
    """
    people = {each.place: each for each in entries(folder, "noun") if each.file == _PERSON}
    found: dict[str, set[str]] = {}
    for entry in people.values():
        if sex := _sex(entry, people):
            for word in entry.words:
                found.setdefault(word, set()).add(sex)
    return sorted(
        (f"a {word}", min(s)) for word, s in found.items() if len(s) == 1 and word.islower()
    )


def _sex(entry: Entry, people: Mapping[str, Entry]) -> str:
    for sex in ("male", "female"):
        if {sex, f"{sex} person"} <= set(entry.words):
            return sex
    above = {_sex(people[place], people) for place in entry.above if place in people}
    above.discard("")
    return above.pop() if len(above) == 1 else ""


def everyday(folder: Path, count: int, seed: int) -> list[str]:
    """``count`` texts: words as voices, people and manners, glosses and examples.

    >>> from tempfile import mkdtemp
    >>> root = Path(mkdtemp())
    >>> line = '00001740 00 a 01 husky 0 000 | deep and harsh; "her husky voice"  '
    >>> for name in ("adj", "adv", "noun", "verb"):
    ...     _ = (root / f"data.{name}").write_text(line if name == "adj" else "")
    >>> sorted(everyday(root, 2, seed=0))
    ['deep and harsh', 'her husky voice']
    """
    rng = random.Random(seed)
    vocal, framed, other = [], [], []
    for part in ("adj", "adv", "noun", "verb"):
        for entry in entries(folder, part):
            texts = [entry.gloss, *entry.examples]
            near = bool(_VOCAL.search(" ".join(texts)))
            (vocal if near else other).extend(text for text in texts if 3 < len(text) < 140)
            if part in _FRAMES and (part != "noun" or entry.file == _PERSON):
                framed += [rng.choice(_FRAMES[part]).format(w) for w in entry.words if w.islower()]
    for pool in (vocal, framed, other):
        pool[:] = list(dict.fromkeys(pool))
        rng.shuffle(pool)
    chosen = vocal[: round(count * 0.3)] + framed[: round(count * 0.5)]
    chosen += other[: count - len(chosen)]
    rng.shuffle(chosen)
    return chosen
