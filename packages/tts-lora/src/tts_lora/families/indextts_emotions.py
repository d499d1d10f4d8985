"""The emotions of IndexTTS 2: eight weights become a direction that is added to a voice.

Letters: E directions of all emotions, X numbers of a speaker's style, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

EMOTION_NAMES = (
    "happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotions:
    """Directions ``matrix`` [E, D] for the eight emotions, ``counts`` of each, and the ``styles``
    [E, X] of the speakers that they came from.

    Raises:
        SpeechModelError: if the counts are not eight or do not add up to E.
    """

    matrix: Tensor
    counts: tuple[int, ...] = (1,) * len(EMOTION_NAMES)
    styles: Tensor | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.matrix), *([] if self.styles is None else [len(self.styles)])}
        if len(self.counts) != len(EMOTION_NAMES) or sizes != {sum(self.counts)}:
            raise SpeechModelError(
                f"there are {sorted(sizes)} directions and styles of emotions, and the counts "
                f"{list(self.counts)}: eight counts ({', '.join(EMOTION_NAMES)}) must add up to "
                "both"
            )

    def mixed(self, neutral: Tensor, weights: Tensor, style: Tensor | None = None) -> Tensor:
        """The vector [D] of ``weights`` [8] above the voice's own, ``neutral`` [D].

        As in IndexTTS 2: the weighted sum of one direction per emotion, and what is left of 1 times
        ``neutral``. The direction is that of the speaker with the nearest ``style`` [X]; without
        one, the mean of all.
        """
        import torch
        from torch.nn.functional import cosine_similarity

        rows = list(self.matrix.split(list(self.counts)))
        if style is None or self.styles is None:
            chosen = [directions.mean(0) for directions in rows]
        else:
            near = [cosine_similarity(s, style[None]) for s in self.styles.split(list(self.counts))]
            chosen = [row[int(n.argmax())] for row, n in zip(rows, near, strict=True)]
        return weights @ torch.stack(chosen) + (1 - weights.sum()) * neutral
