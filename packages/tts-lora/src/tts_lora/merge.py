"""An adapter added to the weights themselves, and taken out again bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tts_lora.binding import bind
from tts_lora.rack import rack_of
from tts_lora.stack import Part
from tts_lora.targets import AdapterError, adaptable, is_conv1d

if TYPE_CHECKING:
    from torch import Tensor, nn

    from voice_data.speech import SpeechModel


@dataclass(slots=True)
class _Merged:
    """The one adapter that is merged, and the weights that it replaced, by layer."""

    name: str
    hot: bool
    before: dict[str, Tensor] = field(default_factory=dict)


_merged: WeakKeyDictionary[nn.Module, _Merged] = WeakKeyDictionary()


def merge(model: SpeechModel, name: str = "default") -> None:
    """Add an adapter to the base weights, which makes it free at run time.

    The weights that it replaces are kept, so :func:`unmerge` brings back their very bits.

    Raises:
        AdapterError: if there is none of that name, another one is merged, a weight is tied to one
            of another module, or a result would not be finite; the network is then as it was.
    """
    network = model.network
    bind(model)
    if network in _merged:
        raise AdapterError(f"{_merged[network].name!r} is merged already: unmerge it first")
    hot = name in rack_of(network).names
    layers = adaptable(network)
    new = _hot(network, name, layers) if hot else _trained(network, name)
    for key, weight in new.items():
        _check(network, layers[key], key, weight)
    state = _Merged(name, hot, {key: _weight(layers[key]).clone() for key in new})
    for key, weight in new.items():
        _weight(layers[key]).copy_(weight)
    _merged[network] = state
    _switch(network, state, on=False)


def unmerge(model: SpeechModel, name: str = "default") -> None:
    """The base weights as they were, bit for bit, with the adapter beside them again.

    Raises:
        AdapterError: if that adapter is not merged.
    """
    network = model.network
    if not is_merged(network, name):
        raise AdapterError(f"{name!r} is not merged; merged: {merged_names(network) or 'none'}")
    state = _merged.pop(network)
    layers = adaptable(network)
    for key, weight in state.before.items():
        _weight(layers[key]).copy_(weight)
    _switch(network, state, on=True)


def is_merged(network: nn.Module, name: str) -> bool:
    """Whether this adapter is in the weights."""
    return name in merged_names(network)


def merged_names(network: nn.Module) -> list[str]:
    """The adapter that is in the weights, if any."""
    state = _merged.get(network)
    return [state.name] if state else []


@contextmanager
def unmerged(network: nn.Module) -> Iterator[None]:
    """The base weights inside the block, whatever is merged."""
    state = _merged.get(network)
    layers = adaptable(network) if state else {}
    kept = {key: _weight(layers[key]).clone() for key in (state.before if state else ())}
    try:
        for key in kept:
            _weight(layers[key]).copy_(state.before[key])
        yield
    finally:
        for key, weight in kept.items():
            _weight(layers[key]).copy_(weight)


def merged_weights(model: SpeechModel, name: str = "default") -> dict[str, Tensor]:
    """The state of the network as if it had been trained whole: plain names, copied tensors.

    Raises:
        AdapterError: as :func:`merge`.
    """
    network = model.network
    already = is_merged(network, name)
    if not already:
        merge(model, name)
    try:
        found: dict[str, Tensor] = {}
        for key, value in network.state_dict().items():
            plain = _plain(key, name)
            if plain is not None:
                found[plain] = value.detach().cpu().clone()
        return found
    finally:
        if not already:
            unmerge(model, name)


def _weight(layer: Any) -> Tensor:
    """A layer's weight, to be read and written without gradients."""
    return layer.weight.data


def _plain(key: str, name: str) -> str | None:
    """The base network's name for a state of PEFT's layers; ``None`` for what is only theirs."""
    if ".lora_" in key:
        return None
    whole, inside, rest = key.partition(".modules_to_save.")
    if inside:
        return f"{whole}.{rest.removeprefix(f'{name}.')}" if rest.startswith(f"{name}.") else None
    if ".original_module." in key:
        return None
    return key.replace(".base_layer.", ".")


def _hot(network: nn.Module, name: str, layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    parts = rack_of(network).resident(name).parts
    return {key: _sum(layers[key], part) for key, part in parts.items()}


def _sum(layer: Any, part: Part) -> Tensor:
    """W + ΔW; with DoRA the rows of W are scaled as well."""
    weight = layer.weight.detach()
    rows = weight.T if is_conv1d(layer) else weight
    scaled = rows if part.gain is None else rows * (1 + part.gain)[:, None]
    result = scaled.float() + part.up.float().T @ part.down.float()
    return (result.T if is_conv1d(layer) else result).to(weight.dtype)


def _trained(network: nn.Module, name: str) -> dict[str, Tensor]:
    """PEFT's own merge, layer by layer, without leaving it in the weights."""
    found: dict[str, Tensor] = {}
    for key, module in network.named_modules():
        layer: Any = module
        if "base_layer" not in module._modules or not _holds(layer, name):
            continue
        weight = layer.get_base_layer().weight
        before = weight.detach().clone()
        layer.merge(adapter_names=[name])
        found[key] = weight.detach().clone()
        layer.merged_adapters.clear()
        weight.data.copy_(before)
    if not found:
        raise AdapterError(f"no adapter {name!r} is in the network: load one first")
    return found


def _holds(layer: Any, name: str) -> bool:
    return name in layer.lora_A or name in layer.lora_embedding_A


def _check(network: nn.Module, layer: Any, key: str, weight: Tensor) -> None:
    if not bool(weight.isfinite().all()):
        raise AdapterError(
            f"merging would put NaN or infinity into {key}: the base or the adapter is broken, and "
            "nothing was merged"
        )
    pointer = layer.weight.data_ptr()
    tied = [
        other
        for other, parameter in network.named_parameters(remove_duplicate=False)
        if parameter.data_ptr() == pointer and parameter.numel()
    ]
    if len({name.replace(".base_layer", "") for name in tied}) > 1:
        raise AdapterError(
            f"{key} shares its weight ({', '.join(tied)}), so merging would change both: untie the "
            "weights, or adapt other layers"
        )


def _switch(network: nn.Module, state: _Merged, *, on: bool) -> None:
    """Stop the adapter from being added a second time, or let it be added again."""
    if state.hot:
        rack = rack_of(network)
        state_worn = rack.wear if on else rack.unwear
        state_worn(state.name)
        return
    for module in network.modules():
        layer: Any = module
        if "base_layer" in module._modules and _holds(layer, state.name):
            layer._disable_adapters = not on
