"""A text spoken by a base model with adapters on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tts_lora.folder import Adapter
    from voice_data.audio import Audio
    from voice_data.speech import SpeechModel

VoiceFrom = Literal["base", "condition"]
NAME = "narration"


class NarrationError(ValueError):
    """Adapters that cannot speak together; the message says why."""


def narrate(
    text: str,
    adapters: Mapping[str, float] | Mapping[Path, float],
    *,
    base: str = "",
    voice: str = "",
    voice_from: VoiceFrom = "condition",
    seed: int = 0,
    device: str = "",
    model: SpeechModel | None = None,
) -> Audio:
    """Speak ``text`` with the adapters in these folders, each multiplied by its weight.

    ``base`` names the model, empty for the one that the first adapter was trained on; ``model``
    saves loading it. The voice that the base is told is the one stored with the heaviest adapter,
    or with ``voice_from="base"`` the base's own; ``voice`` names one of the base's voices instead.

    Raises:
        NarrationError: if there is no adapter, or a weight is not finite.
        AdapterError: if a folder is damaged or made for another base.
        SpeechModelError: if the base cannot be found, or it has no voice of that name.
    """
    from tts_lora.folder import read_adapter
    from voice_data.speech import load_speech_model

    _check(adapters)
    read = {os.fspath(folder): read_adapter(folder) for folder in adapters}
    weights = {os.fspath(folder): float(weight) for folder, weight in adapters.items()}
    first = next(iter(read.values()))
    model = model if model is not None else load_speech_model(base or first.card.base)
    if device:
        model.network.to(device)
    heaviest = read[max(weights, key=lambda folder: weights[folder])]
    told = voice or (heaviest.condition if voice_from == "condition" else None)
    with worn(model, read, weights):
        return model.speak(text, voice=told, seed=seed)


def base_of(adapter: str | os.PathLike[str], base: str = "", device: str = "") -> SpeechModel:
    """The model that an adapter was trained on, or another reference to it.

    Raises:
        AdapterError: if the folder is damaged.
        SpeechModelError: if the base cannot be found.
    """
    from tts_lora.folder import read_adapter
    from voice_data.speech import load_speech_model

    model = load_speech_model(base or read_adapter(adapter).card.base)
    if device:
        model.network.to(device)
    return model


@contextmanager
def worn(
    model: SpeechModel, adapters: Mapping[str, Adapter], weights: Mapping[str, float]
) -> Iterator[None]:
    """Every call of the network inside the block has the weighted sum of the adapters.

    Raises:
        AdapterError: if one does not fit the model.
    """
    if list(weights.values()) == [1.0]:
        with _alone(model, next(iter(adapters.values()))):
            yield
        return
    from tts_lora.mixing import Mixer

    mixer, names = Mixer(model), {}
    try:
        for number, (folder, adapter) in enumerate(adapters.items()):
            name = f"{NAME}-{number}"
            mixer.load(adapter, name)
            names[name] = weights[folder]
        with mixer.rows([names]):
            yield
    finally:
        for name in names:
            mixer.unload(name)


@contextmanager
def _alone(model: SpeechModel, adapter: Adapter) -> Iterator[None]:
    """One adapter through hooks, which are quick; or through PEFT, which knows every layer."""
    from tts_lora.adapter import detach, wear
    from tts_lora.targets import AdapterError

    adapter.card.require(model)
    try:
        wear(model, adapter, NAME, hot=True)
    except AdapterError:
        wear(model, adapter, NAME)
    try:
        yield
    finally:
        detach(model, NAME)


def parse_adapter(text: str) -> tuple[Path, float]:
    """A folder, or ``FOLDER=WEIGHT``, as a command line gives it.

    >>> parse_adapter("voices/ann=0.5")
    (PosixPath('voices/ann'), 0.5)

    Raises:
        NarrationError: if the weight is no number.
    """
    folder, equals, weight = text.rpartition("=")
    if not equals or Path(text).is_dir():
        return Path(text), 1.0
    try:
        return Path(folder), float(weight)
    except ValueError:
        raise NarrationError(
            f"{text!r}: the weight {weight!r} is no number; write DIR=0.5"
        ) from None


def _check(adapters: Mapping[str, float] | Mapping[Path, float]) -> None:
    import math

    if not adapters:
        raise NarrationError("there is no adapter to speak with: give at least one")
    for folder, weight in adapters.items():
        if not math.isfinite(weight):
            raise NarrationError(f"{os.fspath(folder)}: the weight must be a number, not {weight}")
