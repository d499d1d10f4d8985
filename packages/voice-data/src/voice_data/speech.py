"""The port: what a trainable text-to-speech model is, and how to find one by name.

A package registers a model family under the entry-point group ``voice_data.speech_models`` as a
function from a checkpoint's path (``None``: the family's default) to a :class:`SpeechModel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from voice_data.audio import Audio
    from voice_data.dataset import Example

GROUP = "voice_data.speech_models"
_MEMBERS = ("sample_rate", "network", "collate", "loss", "speak", "stream")


class SpeechModelError(ValueError):
    """A speech model that cannot be found or loaded; the message says what there is instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """``total`` is the scalar tensor to differentiate, ``parts`` its named terms for a log."""

    total: torch.Tensor
    parts: Mapping[str, float]


class SpeechModel(Protocol):
    """A text-to-speech model that can be trained, adapted and heard. Nobody needs to inherit."""

    @property
    def sample_rate(self) -> int:
        """Rate of everything that it reads and speaks, in Hz."""
        ...

    @property
    def network(self) -> torch.nn.Module:
        """The module with the weights; adapters target its linear layers."""
        ...

    def collate(self, examples: Sequence[Example]) -> Any:
        """A batch that :meth:`loss` takes, from clips at ``sample_rate``."""
        ...

    def loss(self, batch: Any) -> Loss:
        """The training loss of a batch; randomness comes from torch's default generator only."""
        ...

    def speak(self, text: str, *, voice: str | None = None, seed: int | None = None) -> Audio:
        """The whole of ``text`` as sound; equal arguments with a ``seed`` give equal sound."""
        ...

    def stream(
        self, text: str, *, voice: str | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound in pieces, each as soon as it is ready."""
        ...


Loader = Callable[["str | None"], SpeechModel]
"""What an entry point names: it takes the part of the reference after the colon, or ``None``."""


def available_models() -> list[str]:
    """The names that :func:`load_speech_model` knows, from the packages that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load_speech_model(reference: str) -> SpeechModel:
    """Load ``"name"`` (that family's default checkpoint) or ``"name:path"`` (a path or a hub id).

    Raises:
        SpeechModelError: if no installed package registers the name (those that are registered are
            listed), or its package fails to import, or what it loads lacks a part of the port.
    """
    name, _, path = reference.partition(":")
    entry = _find(name, reference)
    try:
        loader: Loader = entry.load()
    except (ImportError, AttributeError) as error:
        raise SpeechModelError(
            f"the speech model {name!r} is registered as {entry.value!r}, which fails to import "
            f"({error}): install its package again"
        ) from error
    model = loader(path or None)
    missing = [member for member in _MEMBERS if not hasattr(model, member)]
    if missing:
        raise SpeechModelError(
            f"the speech model {name!r} ({entry.value}) lacks {', '.join(missing)}: "
            "it was made for another version of voice-data"
        )
    return model


def _find(name: str, reference: str) -> EntryPoint:
    found = {entry.value: entry for entry in entry_points(group=GROUP) if entry.name == name}
    if not found:
        names = ", ".join(available_models()) or "none is installed, try: pip install jepa-tts"
        raise SpeechModelError(f"no speech model {name!r} (of {reference!r}); available: {names}")
    if len(found) > 1:
        raise SpeechModelError(
            f"the speech model {name!r} is registered by several packages "
            f"({', '.join(sorted(found))}): uninstall all but one"
        )
    return next(iter(found.values()))
