"""The sentences that a voice is judged by: held out from training, with the person's own sound."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice_data.encoded import EncodedSet

SPLIT = "validation"


class HeldOutError(ValueError):
    """A data set without held-out clips to judge by; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A text that no training step saw, the person's ``recording`` of it, and ``references``: the
    same person saying other texts.
    """

    id: str
    text: str
    speaker: str
    recording: Path
    references: tuple[Path, ...]
    position: int


def held_out(
    data: EncodedSet, *, limit: int = 20, references: int = 10, seed: int = 0, speaker: str = ""
) -> tuple[Sentence, ...]:
    """At most ``limit`` held-out sentences, drawn with ``seed``, in the order of the set.

    Each has up to ``references`` recordings of its speaker: held-out ones first, since an adapter
    may have learnt the training clips by heart.

    Raises:
        HeldOutError: if the set holds nothing out, or nothing of ``speaker``.
    """
    positions = [
        index for index in data.of_split(SPLIT) if not speaker or data.speakers[index] == speaker
    ]
    if not positions:
        known = ", ".join(sorted({repr(name) for name in data.speakers}))
        who = f" of speaker {speaker!r} (there are {known})" if speaker else ""
        raise HeldOutError(
            f"{data.folder} holds out no clips{who}: prepare it with a validation split"
        )
    chosen = sorted(random.Random(seed).sample(positions, min(limit, len(positions))))
    pools = {name: _pool(data, name, seed) for name in {data.speakers[i] for i in chosen}}
    return tuple(
        _sentence(data, index, pools[data.speakers[index]], references) for index in chosen
    )


def _pool(data: EncodedSet, speaker: str, seed: int) -> list[int]:
    """Every clip of a speaker, shuffled, the held-out ones first."""
    mine = [index for index, name in enumerate(data.speakers) if name == speaker]
    random.Random(seed).shuffle(mine)
    return sorted(mine, key=lambda index: data.splits[index] != SPLIT)


def _sentence(data: EncodedSet, index: int, pool: Sequence[int], count: int) -> Sentence:
    others = [each for each in pool if data.texts[each] != data.texts[index]]
    return Sentence(
        id=data.clips[index].id,
        text=data.texts[index],
        speaker=data.speakers[index],
        recording=data.audio_of(index),
        references=tuple(data.audio_of(each) for each in others[:count]),
        position=index,
    )
