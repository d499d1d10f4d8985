"""What the base would be told of the voices of training: a target in itself.

Through the base's loss a step learns of some ten clips; here it hears of hundreds of voices at next
to no cost. Letters: K rows of a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voice_hypernet.conditions import conditions

if TYPE_CHECKING:
    from voice_data.speech import Condition, SpeechModel
    from voice_hypernet.corpus import Speaker, VoiceCorpus

ROWS = 512
"""Voices, with repetitions, that a step is held to."""
_SMALLEST = 1e-8


class Telling:
    """The base's own conditions of known voices, by name."""

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        """``conditions`` are alike for all voices, but for what is no floating-point tensor.

        Raises:
            ValueError: if there is nothing in them that could be a target.
        """
        some = next(iter(conditions.values()), {})
        self._targets: dict[str, dict[str, Tensor]] = {}
        self._spread: dict[str, Tensor] = {}
        for name in sorted(some):
            values = {voice: told[name] for voice, told in conditions.items()}
            if len({value.shape for value in values.values()}) > 1:
                continue
            if some[name].is_floating_point():
                self._targets[name] = values
                stacked = torch.stack(list(values.values()))
                self._spread[name] = stacked.var(0, unbiased=False).mean().clamp_min(_SMALLEST)
        if not self._targets:
            raise ValueError(
                "this base is told nothing about a voice that could be learnt from: set told=0"
            )

    @classmethod
    def of(cls, model: SpeechModel, corpus: VoiceCorpus, speakers: Sequence[Speaker]) -> Telling:
        """What a base would be told of some speakers by a few of their clips.

        Raises:
            ValueError: if it is told nothing that could be a target.
        """
        return cls(conditions(model, corpus, speakers))

    def loss(self, told: Mapping[str, Tensor], voices: Sequence[str]) -> Tensor:
        """How far ``told`` [K, ...] is from the conditions of K voices, in their variance."""
        return torch.stack([
            (told[name] - torch.stack([values[voice] for voice in voices])).square().mean()
            / self._spread[name]
            for name, values in self._targets.items()
        ]).mean()  # fmt: skip
