"""The port: what a trainable text-to-speech model is, and how to find one by name.

A package registers a model family under the entry-point group ``voice_data.speech_models`` as a
function from a checkpoint's path (``None``: the family's default) to a :class:`SpeechModel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    import torch

    from voice_data.audio import Audio
    from voice_data.dataset import Example

GROUP = "voice_data.speech_models"
_MEMBERS = (
    "sample_rate", "network", "weights_sha256", "targets", "context",
    "encode", "length", "condition", "collate", "loss", "trace", "speak", "stream",
)  # fmt: skip

Encoded = Mapping[str, "torch.Tensor"]
"""One clip as a model trains on it: named tensors without padding, made once and cached."""

Condition = Mapping[str, "torch.Tensor"]
"""A voice as a model is told it (a speaker vector, reference codes, a style), without a batch."""

Path = Literal["loss", "cached", "uncached"]


class SpeechModelError(ValueError):
    """A speech model that cannot be found or loaded; the message says what there is instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """``total`` is the scalar tensor to differentiate, ``parts`` its named terms for a log.

    ``positions`` is how many positions ``total`` is the mean of, 0 if that is not known: by it the
    gradients of several batches are weighted, so that a step does not depend on how it is cut.
    """

    total: torch.Tensor
    parts: Mapping[str, float]
    positions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a model puts out and what it should have, position by position.

    ``outputs`` [B, T, ...] are logits or regressed values, ``labels`` [B, T, ...] the units (or
    values) that they are compared with, ``mask`` [B, T] is True where a position counts.
    """

    outputs: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


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

    @property
    def weights_sha256(self) -> str:
        """Hash of the base weights, which binds adapters to them."""
        ...

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """Presets of target modules for adapters, as suffixes of module names; the first is the
        default.
        """
        ...

    @property
    def context(self) -> int | None:
        """The largest :meth:`length` that the network takes, ``None`` without a bound."""
        ...

    def encode(self, example: Example) -> Encoded:
        """The part of a training example that no adapter changes; deterministic.

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long or without text.
        """
        ...

    def length(self, encoded: Encoded) -> int:
        """Steps of the network that a clip takes: what a batch's budget counts."""
        ...

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The voice of some clips of one speaker, as far as the base model can be told it."""
        ...

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> Any:
        """A padded batch for :meth:`loss`; without ``conditions`` each clip conditions itself."""
        ...

    def loss(self, batch: Any) -> Loss:
        """The training loss of a batch; randomness comes from torch's default generator only."""
        ...

    def trace(self, batch: Any, path: Path = "loss") -> Trace:
        """What :meth:`loss` compares with what; or the same along the path of generation.

        With ``"cached"`` or ``"uncached"`` the code that :meth:`speak` runs is fed the batch's true
        units one step at a time, with and without its cache: ``labels`` are then the units that it
        is fed next. Training is aligned with generation when all three are equal.
        """
        ...

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The whole of ``text`` as sound; equal arguments with a ``seed`` give equal sound."""
        ...

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound in pieces, each as soon as it is ready."""
        ...


class StatesModel(SpeechModel, Protocol):
    """A speech model whose own encoding of the text can be replaced by another network's.

    It reads a text as N positions of ``states_width`` values each; what stands there may come from
    anywhere. Optional: a :class:`SpeechModel` is complete without. Letters: B batch, N positions.
    """

    @property
    def states_width(self) -> int:
        """D, the width of a state."""
        ...

    def pieces(self, text: str, language: str = "en") -> list[str]:
        """The parts in which a text is spoken, each spelled as it is read."""
        ...

    def spans(self, text: str) -> torch.Tensor:
        """The UTF-8 bytes [start, end) of a piece that each position stands for, [N, 2]."""
        ...

    def text_states(self, texts: Sequence[str]) -> torch.Tensor:
        """The model's own states of some pieces, [B, N, D], zero beyond the end of each."""
        ...

    def distance(self, states: torch.Tensor, texts: Sequence[str]) -> Loss:
        """How far states [B, N, D] are from the model's own of ``texts``, for distillation.

        Raises:
            SpeechModelError: if the states are not of these texts.
        """
        ...

    def loss_of_states(self, batch: Any, states: torch.Tensor) -> Loss:
        """:meth:`loss` of a batch whose texts are given as states [B, N, D]."""
        ...

    def speak_states(
        self, states: torch.Tensor, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The sound of one piece, given as states [N, D].

        Raises:
            SpeechModelError: if the states do not fit this model.
        """
        ...


STATES_MEMBERS = (
    "states_width", "pieces", "spans", "text_states", "distance", "loss_of_states", "speak_states",
)  # fmt: skip


def require_states(model: SpeechModel, reference: str) -> StatesModel:
    """The same model, if it can be told what to say as states.

    Raises:
        SpeechModelError: naming what it lacks.
    """
    missing = [member for member in STATES_MEMBERS if not hasattr(model, member)]
    if missing:
        raise SpeechModelError(
            f"{reference!r} cannot speak from states (it lacks {', '.join(missing)}): "
            "choose another target, such as jepa-tts"
        )
    return cast("StatesModel", model)


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
