"""Put an adapter on a speech model, save it, load it, take it off again without a trace.

Training and inspection go through PEFT's own layers, in place: ``model.network`` stays the object
that it was. ``load(..., hot=True)`` adds the same sums through hooks instead, in milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tts_lora.binding import bind, release
from tts_lora.folder import Adapter, read_adapter, within, write_adapter
from tts_lora.peft_layers import (
    check_name,
    config_of,
    eject,
    fill,
    inject,
    names_of,
    peft_config,
    settings_of,
    tensors_of,
    wrapped,
)  # fmt: skip
from tts_lora.targets import AdapterError, adaptable, is_conv1d, near, preset, resolve, suffixes

if TYPE_CHECKING:
    from torch import nn

    from tts_lora.adalora import RankSchedule
    from tts_lora.card import VoiceCard
    from tts_lora.config import LoraConfig
    from voice_data.speech import Condition, SpeechModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A new adapter: the full names of its ``layers`` and how many parameters it trains.

    ``schedule`` moves the ranks of AdaLoRA and is ``None`` for other methods: call its ``penalty``
    for the loss and its ``update`` after each step of the optimiser.
    """

    name: str
    layers: tuple[str, ...]
    trained: int
    total: int
    schedule: RankSchedule | None = None

    @property
    def share(self) -> float:
        """The trained share of all parameters, from 0 to 1."""
        return self.trained / self.total


def attach(
    model: SpeechModel, config: LoraConfig, name: str = "default", *, total_steps: int | None = None
) -> Attached:
    """A new adapter in the network, trainable while everything else is frozen.

    ``total_steps`` of the optimiser are needed by AdaLoRA only. It starts as no change.

    Raises:
        AdapterError: if a target matches no layer (near names are listed), the name is taken, or
            AdaLoRA has no ``total_steps``.
    """
    network = model.network
    targets, also = config.targets, tuple(config.train_also)
    patterns = preset(targets, model.targets) if isinstance(targets, str) else tuple(targets)
    layers = resolve(network, targets, model.targets)
    _check_modules(network, also)
    layers = tuple(layer for layer in layers if not any(within(layer, module) for module in also))
    kept = {name: layer for name, layer in adaptable(network).items() if name in layers}
    _check_variant(kept, config.method)
    settings: dict[str, Any] = {
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": suffixes(network, layers, patterns),
        "modules_to_save": list(also) or None,
        "fan_in_fan_out": all(is_conv1d(layer) for layer in kept.values()),
    }
    bind(model)
    tuner = inject(network, peft_config(config, settings, total_steps), name, layers)
    parameters = list(network.parameters())
    schedule = None
    if config.method == "adalora":
        from tts_lora.adalora import RankSchedule

        schedule = RankSchedule(tuner, name)
    return Attached(
        name=name,
        layers=layers,
        trained=sum(p.numel() for p in parameters if p.requires_grad),
        total=sum(p.numel() for p in parameters),
        schedule=schedule,
    )


def save(
    model: SpeechModel,
    folder: str | os.PathLike[str],
    *,
    card: VoiceCard,
    condition: Condition | None = None,
    name: str = "default",
) -> Adapter:
    """Write the adapter ``name`` as a PEFT folder with ``voice.json``, whole or not at all.

    ``condition`` is the voice that ``speak`` should be given with it. AdaLoRA becomes a plain LoRA.

    Raises:
        AdapterError: if there is no such adapter, the card is for another model, or a weight is
            not finite.
        OSError: if the folder cannot be written; the message says what to do.
    """
    adapter = replace(collect(model, name, card), condition=condition)
    return write_adapter(folder, adapter, _config_file(model.network, adapter))


def collect(model: SpeechModel, name: str, card: VoiceCard) -> Adapter:
    """The adapter ``name`` as it stands in the network, copied.

    Raises:
        AdapterError: as :func:`save`.
    """
    card.require(model)
    network = model.network
    config = config_of(network, name)
    if config.peft_type == "ADALORA":
        from tts_lora.adalora import folded

        settings, tensors = folded(network, name)
    else:
        settings, tensors = settings_of(config), tensors_of(network, name)
    copies = {key: tensor.detach().cpu().clone() for key, tensor in tensors.items()}
    adapter = Adapter(settings=settings, tensors=copies, card=card)
    adapter.check_tensors(network)
    return adapter


def load(
    model: SpeechModel,
    folder: str | os.PathLike[str],
    name: str = "default",
    *,
    trainable: bool = False,
    hot: bool = False,
) -> Adapter:
    """Read an adapter, check it against the model, and let the model speak with it.

    It becomes PEFT layers that can be trained and inspected; with ``hot`` it is added through hooks
    in milliseconds, for speaking only, and PEFT is not imported. Either way :func:`detach`,
    :func:`merge` and :func:`disabled` apply.

    Raises:
        AdapterError: if the folder is damaged, made for another model, or the name is taken; the
            network is as it was.
    """
    adapter = read_adapter(folder)
    wear(model, adapter, name, trainable=trainable, hot=hot)
    return adapter


def wear(
    model: SpeechModel,
    adapter: Adapter,
    name: str = "default",
    *,
    trainable: bool = False,
    hot: bool = False,
) -> None:
    """:func:`load` for an adapter that is in memory already; its tensors are checked again.

    Raises:
        AdapterError: as :func:`load`.
    """
    network = model.network
    adapter.card.require(model)
    bind(model)
    if hot:
        from tts_lora.rack import rack_of

        check_name(network, name)
        rack = rack_of(network)
        rack.add(name, adapter)
        rack.wear(name)
        return
    adapter.check_tensors(network)
    layers = tuple(adapter.layers)
    options = {"inference_mode": not trainable, "init_lora_weights": not adapter.settings.dora}
    config = adapter.settings.peft_config(suffixes(network, layers, layers), **options)
    inject(network, config, name, layers)
    try:
        fill(network, adapter, name)
    except BaseException:
        eject(network, name)
        raise
    for parameter_name, parameter in network.named_parameters():
        if f".{name}." in parameter_name or parameter_name.endswith(f".{name}"):
            parameter.requires_grad_(trainable)


def detach(model: SpeechModel, name: str = "default") -> None:
    """Take an adapter off: the base layers are the very objects that they were, bit for bit.

    Raises:
        AdapterError: if there is no adapter of that name.
    """
    from tts_lora.merge import is_merged, unmerge
    from tts_lora.rack import rack_of

    network = model.network
    if is_merged(network, name):
        unmerge(model, name)
    rack = rack_of(network)
    if name in rack.names:
        rack.remove(name)
    else:
        eject(network, name)
    if not attached(model):
        release(model)


def attached(model: SpeechModel) -> list[str]:
    """The names of the adapters in the network, in the order in which they came."""
    from tts_lora.rack import rack_of

    return [*names_of(model.network), *rack_of(model.network).names]


@contextmanager
def disabled(model: SpeechModel) -> Iterator[None]:
    """The base model inside the block, also where an adapter is merged; all is as before after it.

    Gradient flags and active adapters are not touched. PEFT layers are switched for all threads.
    """
    from tts_lora.merge import unmerged
    from tts_lora.rack import rack_of

    network = model.network
    layers = [child for _, _, child in wrapped(network)]
    before = [layer._disable_adapters for layer in layers]
    with unmerged(network), rack_of(network).bare():
        try:
            for layer in layers:
                layer._disable_adapters = True
            yield
        finally:
            for layer, flag in zip(layers, before, strict=True):
                layer._disable_adapters = flag


def _check_variant(layers: Mapping[str, nn.Module], method: str) -> None:
    from tts_lora.targets import is_linear

    for name, layer in layers.items():
        if method in ("dora", "adalora") and not is_linear(layer):
            raise AdapterError(f"{method} cannot adapt {name}, a {type(layer).__name__}: use lora")


def _check_modules(network: nn.Module, also: tuple[str, ...]) -> None:
    names = [name for name, _ in network.named_modules() if name]
    for module in also:
        if not any(name == module or name.endswith(f".{module}") for name in names):
            raise AdapterError(
                f"train_also names {module!r} and the network has no such module; near: "
                f"{', '.join(near(module, names))}"
            )


def _config_file(network: nn.Module, adapter: Adapter) -> dict[str, Any]:
    there, path = adaptable(network), adapter.card.base.partition(":")[2]
    config = adapter.settings.peft_config(
        inference_mode=True,
        fan_in_fan_out=all(is_conv1d(there[layer]) for layer in adapter.layers),
        base_model_name_or_path=path or None,
    )
    values = config.to_dict()
    for key in ("target_modules", "modules_to_save"):
        values[key] = sorted(values[key]) if values[key] else None
    return {**values, "peft_type": "LORA"}
