"""Several adapters in one network at once, chosen per row inside one batch.

Letters: B batch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tts_lora.binding import bind
from tts_lora.folder import Adapter, read_adapter
from tts_lora.rack import Mix, rack_of
from tts_lora.targets import AdapterError

if TYPE_CHECKING:
    from voice_data.speech import Condition, SpeechModel

Choice = str | Mapping[str, float] | None
"""An adapter's name, names with weights (``{"a": 0.5, "b": 0.5}``), or ``None``: the base model."""


class Mixer:
    """The adapters that are resident in a speech model; ranks, scales and targets may differ.

        mixer = Mixer(model)
        mixer.load("voices/ann", "ann")
        with mixer.rows(["ann", None]):
            model.network(...)  # a batch of two

    Plain LoRA, rsLoRA and DoRA on linear layers (GPT-2's Conv1D too) can be mixed. Loading and
    unloading may happen at any time from any thread: a batch keeps what it started with. All mixers
    of one network share their adapters.
    """

    def __init__(self, model: SpeechModel) -> None:
        self._model, self._rack = model, rack_of(model.network)

    @property
    def names(self) -> list[str]:
        """The resident adapters."""
        return self._rack.names

    def load(self, adapter: Adapter | str | os.PathLike[str], name: str) -> Adapter:
        """Make an adapter (or the one in a folder) resident; no row has it until it is chosen.

        Raises:
            AdapterError: if it is damaged, made for another model, cannot be mixed, or the name is
                taken.
        """
        if not isinstance(adapter, Adapter):
            adapter = read_adapter(adapter)
        adapter.card.require(self._model)
        bind(self._model)
        self._rack.add(name, adapter)
        return adapter

    def unload(self, name: str) -> None:
        """Forget an adapter; its memory is free when the last batch that uses it is done.

        Raises:
            AdapterError: if there is none of that name.
        """
        self._rack.remove(name)

    def condition(self, name: str) -> Condition | None:
        """The voice that came with an adapter, for ``speak``.

        Raises:
            AdapterError: if there is none of that name.
        """
        return self._rack.resident(name).condition

    @contextmanager
    def rows(self, choices: Sequence[Choice]) -> Iterator[None]:
        """Inside the block row ``i`` of every batch has the adapter ``choices[i]``.

        The choice holds for this thread (or asyncio task) alone. Gradients flow through it. Rows
        that all choose the same may be any number.

        Raises:
            AdapterError: if a name is not resident, a weight is not finite, an adapter is merged
                into the weights, or the network is called with another number of rows.
        """
        from tts_lora.merge import merged_names

        if merged := merged_names(self._model.network):
            raise AdapterError(f"{', '.join(merged)} is merged into the weights: unmerge it first")
        if not choices:
            raise AdapterError("there are no rows: choose an adapter or None for each")
        with self._rack.rows([self._mix(choice) for choice in choices]):
            yield

    def _mix(self, choice: Choice) -> Mix:
        if choice is None:
            return ()
        weights = {choice: 1.0} if isinstance(choice, str) else dict(choice)
        for name, weight in weights.items():
            self._rack.resident(name)
            if not math.isfinite(weight):
                raise AdapterError(f"the weight of {name!r} is {weight}: give a finite number")
        return tuple(sorted(weights.items()))
