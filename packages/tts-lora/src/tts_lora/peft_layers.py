"""PEFT's layers inside a network: put in, filled, read, and taken out without a trace."""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tts_lora.folder import PREFIX, Adapter
from tts_lora.settings import AdapterSettings
from tts_lora.targets import AdapterError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tts_lora.config import LoraConfig

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_lock = threading.RLock()
_attached: WeakKeyDictionary[nn.Module, _Worn] = WeakKeyDictionary()


@dataclass(slots=True)
class _Worn:
    """What a network had before its first adapter, and the adapters that it has."""

    gradients: dict[str, bool]
    names: dict[str, tuple[str, ...]]


def check_name(network: nn.Module, name: str) -> None:
    """Check the name for a new adapter.

    Raises:
        AdapterError: if it is not a plain word, or taken.
    """
    from tts_lora.rack import rack_of

    if not _NAME.fullmatch(name):
        raise AdapterError(f"{name!r} is no name for an adapter: use letters, digits, _ and -")
    if name in (*names_of(network), *rack_of(network).names):
        raise AdapterError(f"an adapter {name!r} is in the network: detach it first")


def peft_config(config: LoraConfig, settings: dict[str, Any], steps: int | None) -> Any:
    """What PEFT is told about a new adapter; ``settings`` are those that all methods share.

    Raises:
        AdapterError: if AdaLoRA has too few ``steps``.
    """
    import peft

    if config.method != "adalora":
        settings = {**settings, "use_dora": config.method == "dora"}
        return peft.LoraConfig(r=config.rank, use_rslora=config.method == "rslora", **settings)
    if not steps or steps < 10:
        raise AdapterError(f"AdaLoRA needs total_steps of at least 10, not {steps}: give the count")
    return peft.AdaLoraConfig(
        init_r=config.rank * 3 // 2 + (config.rank == 1),
        target_r=config.rank,
        tinit=steps // 10,
        tfinal=steps // 5,
        deltaT=max(1, steps // 100),
        total_step=steps,
        **settings,
    )


def inject(network: nn.Module, config: Any, name: str, layers: tuple[str, ...]) -> Any:
    """PEFT's tuner, after it has put its layers into ``network``; ``layers`` are their names."""
    from peft import AdaLoraConfig
    from peft.tuners import AdaLoraModel, LoraModel

    with _lock:
        check_name(network, name)
        worn = _attached.get(network)
        if worn is None:
            flags = {key: parameter.requires_grad for key, parameter in network.named_parameters()}
            worn = _Worn(flags, {})
        # PEFT warns about every second adapter unless it believes that there is none.
        others = network.__dict__.pop("peft_config", {}) or {}
        kind = AdaLoraModel if isinstance(config, AdaLoraConfig) else LoraModel
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
            tuner = kind(network, config, name)
        network.peft_config = {**others, name: config}  # pyright: ignore
        worn.names[name] = layers
        _attached[network] = worn
        for _, _, layer in wrapped(network):
            if "base_layer" not in layer._modules:
                continue
            training = layer.get_base_layer().training
            for key, part in layer.named_modules():  # or dropout would be on while it speaks
                if not key.startswith("base_layer"):
                    part.training = training
    return tuner


def eject(network: nn.Module, name: str) -> None:
    """Take an adapter's layers out; with the last one gradient flags are as they were.

    Raises:
        AdapterError: if there is none of that name.
    """
    with _lock:
        worn = _worn_by(network, name)
        for parent, child_name, layer in wrapped(network):
            if _holds(layer, name):
                _take_off(parent, child_name, layer, name)
        del worn.names[name], network.peft_config[name]  # pyright: ignore
        if not worn.names:
            del network.peft_config
            del _attached[network]
            for key, parameter in network.named_parameters():
                parameter.requires_grad_(worn.gradients.get(key, parameter.requires_grad))


def names_of(network: nn.Module) -> list[str]:
    """The adapters that are in the network as PEFT layers."""
    worn = _attached.get(network)
    return list(worn.names) if worn else []


def fill(network: nn.Module, adapter: Adapter, name: str) -> None:
    """Give the layers of ``name`` the adapter's values."""
    import torch
    from peft import set_peft_model_state_dict

    tensors = {key.removeprefix(PREFIX): tensor for key, tensor in adapter.tensors.items()}
    with torch.no_grad():
        result = set_peft_model_state_dict(network, tensors, adapter_name=name)
    if result.unexpected_keys:
        raise AdapterError(f"PEFT did not take {', '.join(result.unexpected_keys)}")


def wrapped(network: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    """Parent, name and PEFT layer, for every one in the network."""
    return [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if "base_layer" in child._modules or "original_module" in child._modules
    ]


def _holds(layer: Any, name: str) -> bool:
    parts = ("lora_A", "lora_embedding_A", "modules_to_save")
    return any(name in layer.__dict__["_modules"].get(part, ()) for part in parts)


def _take_off(parent: nn.Module, child_name: str, layer: Any, name: str) -> None:
    if "original_module" in layer._modules:
        left = [each for each in layer.modules_to_save if each != name]
        if left:
            layer.delete_adapter(name, new_active_adapters=left[:1])
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Adapter .* was active which is now deleted")
            layer.delete_adapter(name)
        left = [*layer.lora_A, *layer.lora_embedding_A]
    if not left:
        setattr(parent, child_name, layer._modules.get("base_layer", None) or layer.original_module)


def _worn_by(network: nn.Module, name: str) -> _Worn:
    worn = _attached.get(network)
    if worn is None or name not in worn.names:
        there = ", ".join(worn.names) if worn else "none"
        raise AdapterError(f"no adapter {name!r} is in the network; there: {there}")
    return worn


def config_of(network: nn.Module, name: str) -> Any:
    """What PEFT was told about an adapter.

    Raises:
        AdapterError: if there is none of that name.
    """
    _worn_by(network, name)
    return network.peft_config[name]  # pyright: ignore


def settings_of(config: Any) -> AdapterSettings:
    """The same in our words."""
    targets = config.target_modules
    return AdapterSettings(
        rank=config.r,
        alpha=config.lora_alpha,
        targets=None if isinstance(targets, str) else tuple(sorted(targets or ())),
        dora=config.use_dora,
        rslora=bool(config.use_rslora),
        train_also=tuple(config.modules_to_save or ()),
        rank_pattern=config.rank_pattern,
        alpha_pattern=config.alpha_pattern,
    )


def tensors_of(network: nn.Module, name: str) -> dict[str, Tensor]:
    """An adapter's tensors by the names that PEFT stores them under; not copied."""
    from peft import get_peft_model_state_dict

    found = get_peft_model_state_dict(network, adapter_name=name, save_embedding_layers=False)
    return {f"{PREFIX}{key}": tensor for key, tensor in found.items()}
