"""What the families that speak a text sentence by sentence have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import sentences
from tts_lora.families.weights import evaluating, seeded, weights_sha256
from voice_data.speech import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.audio import Audio
    from voice_data.speech import Condition


def loss_of(parts: Mapping[str, Tensor], *, positions: int) -> Loss:
    """The sum of some scalars, each named for the log."""
    terms = list(parts.values())
    named = {name: float(value.detach()) for name, value in parts.items()}
    return Loss(total=sum(terms[1:], terms[0]), parts=named, positions=positions)


class Family(ABC):
    """The parts of a :class:`voice_data.speech.SpeechModel` that do not depend on the network."""

    language = "en"
    """How texts are normalized; ``und`` leaves the words as they are."""

    def __init__(self, network: Any) -> None:
        self._network = network

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""

    @property
    def network(self) -> Any:
        """The module whose linear layers adapters target."""
        return self._network

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the base weights, whatever adapters sit on them."""
        return weights_sha256(self._network)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The whole text as one sound.

        Raises:
            TextError: if there is nothing to speak.
            SpeechModelError: if the voice is unknown.
        """
        import numpy as np

        from voice_data.audio import Audio

        pieces = list(self.stream(text, voice=voice, seed=seed))
        return Audio(np.concatenate([piece.samples for piece in pieces]), self.sample_rate)

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound sentence by sentence."""
        import torch

        from voice_data.audio import Audio

        for index, part in enumerate(self._parts(text)):
            drawn = seeded(None if seed is None else seed + index)
            with drawn, evaluating(self._network), torch.no_grad():
                samples = self._sound(part, voice)
            yield Audio(samples.float().cpu().numpy(), self.sample_rate)

    @abstractmethod
    def _units(self, text: str) -> int:
        """How many of the network's units a text has."""

    @property
    @abstractmethod
    def _most_units(self) -> int:
        """How many it takes at once."""

    @abstractmethod
    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        """Samples [S] of one sentence; called in inference mode."""

    def _parts(self, text: str) -> list[str]:
        return sentences(self._normal(text), self._units, self._most_units)

    def _normal(self, text: str) -> str:
        """The text as it is spoken, alike in training and in speech."""
        from voice_data.text import normalize

        return normalize(text, self.language)

    def _here(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch where the network is."""
        device = next(self._network.parameters()).device
        return {name: value.to(device) for name, value in batch.items()}
