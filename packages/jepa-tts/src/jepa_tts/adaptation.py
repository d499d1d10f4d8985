"""What adapters may change, and the model without them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jepa_tts.model import JepaModel

_SPEAKING = ("text_encoder.encoder", "durations", "predictor", "mel_decoder")
_ATTENTION = ("predictor.self_attention", "predictor.cross_attention")
_DEFAULT = (
    "predictor.self_attention", "predictor.latent_in", "predictor.latent_out", "predictor.text_in",
    "mel_decoder", "durations",
)  # fmt: skip


def presets(model: JepaModel) -> dict[str, tuple[str, ...]]:
    """Names of linear layers, by preset; see :attr:`jepa_tts.speech.JepaSpeech.targets`.

    To be asked before an adapter is attached: that renames layers.
    """
    names = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    forward = [f"predictor.feed_forward.{i}.down" for i in range(model.config.predictor_layers)]
    return {
        "default": _under(names, (*_DEFAULT, *forward)),
        "attention": _under(names, _ATTENTION),
        "all": _under(names, _SPEAKING),
    }


@contextmanager
def unadapted(network: nn.Module) -> Iterator[None]:
    """The base model inside the block: no dropout, PEFT's adapters off; as it was afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    adapted: list[Any] = [
        m for m in network.modules() if getattr(m, "disable_adapters", 1) is False
    ]
    frozen = [(p, p.requires_grad) for p in network.parameters()]
    network.eval()
    for module in adapted:
        module.enable_adapters(False)
    try:
        yield
    finally:
        for module in adapted:
            module.enable_adapters(True)
        for module, training in modes:
            module.training = training
        for parameter, trained in frozen:  # PEFT switches gradients together with adapters
            parameter.requires_grad_(trained)


def _under(names: list[str], prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(n for n in names if any(n == p or n.startswith(f"{p}.") for p in prefixes))
