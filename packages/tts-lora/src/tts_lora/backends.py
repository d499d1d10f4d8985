"""Which back end trains a model: plain PEFT, FlashAttention-2, or Unsloth, and why.

Training asks :func:`choose` and says what it answers. Neither of the two could be run where this
was written: their choice is tested, their speed is not.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import nn

Backend = Literal["plain", "flash-attention-2", "unsloth"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
_MODULES = {"flash-attention-2": "flash_attn", "unsloth": "unsloth"}
_EXTRAS = {"flash-attention-2": "flash-attn", "unsloth": "tts-lora[unsloth]"}
_UNSLOTH = ("llama", "mistral", "qwen2", "qwen3", "gemma", "csm")
_log = logging.getLogger(__name__)


class BackendError(ValueError):
    """A back end that was asked for and cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The back end that trains, and a line that says why."""

    backend: Backend
    reason: str

    def __str__(self) -> str:
        return f"back end {self.backend}: {self.reason}"


def choose(
    network: nn.Module,
    wanted: Backend | Literal["auto"] = "auto",
    *,
    device: str = "cpu",
    precision: str = "no",
    allowed: Collection[Backend] = BACKENDS,
) -> Choice:
    """The fastest back end that imports and fits the network, device and precision; logs why.

    ``allowed`` are those that the model's family has been written for.

    Raises:
        BackendError: if ``wanted`` names one that does not exist or cannot be used.
    """
    if wanted not in ("auto", *BACKENDS):
        raise BackendError(f"no back end {wanted!r}; there are auto, {', '.join(BACKENDS)}")
    obstacles = {
        backend: _obstacle(network, backend, device, precision, allowed)
        for backend in BACKENDS
        if backend != "plain"
    }
    if obstacles.get(wanted):
        raise BackendError(f"{wanted} cannot be used: {obstacles[wanted]}")
    choice = _choice(wanted, obstacles)
    _log.info("%s", choice)
    return choice


@contextmanager
def enabled(network: nn.Module, choice: Choice) -> Iterator[None]:
    """The network with the attention of the back end inside the block, with its own afterwards.

    Unsloth rebuilds a model while it loads it, so a family does that in its own ``load``.

    Raises:
        BackendError: if the network refuses.
    """
    if choice.backend != "flash-attention-2":
        yield
        return
    model: Any = network
    before = getattr(getattr(model, "config", None), "_attn_implementation", None) or "sdpa"
    try:
        model.set_attn_implementation("flash_attention_2")
    except (ValueError, ImportError, AttributeError) as error:
        raise BackendError(
            f"the network does not take FlashAttention-2 ({error}): choose plain"
        ) from error
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def backends_of(model: object) -> tuple[Backend, ...]:
    """Those that a speech model has been written for: what its ``backends`` lists, else all that
    need nothing of it.
    """
    return tuple(getattr(model, "backends", ("plain", "flash-attention-2")))


def _choice(wanted: str, obstacles: dict[Any, str]) -> Choice:
    if wanted != "auto":
        return Choice(backend=wanted, reason="it was asked for")  # pyright: ignore
    for backend in reversed(BACKENDS):
        if backend != "plain" and not obstacles[backend]:
            return Choice(backend=backend, reason="it is installed and fits the model")
    why = "; ".join(f"{backend}: {obstacle}" for backend, obstacle in obstacles.items())
    return Choice(backend="plain", reason=why)


def _obstacle(
    network: nn.Module, backend: Backend, device: str, precision: str, allowed: Collection[Backend]
) -> str:
    """Why a back end cannot be used, empty if it can."""
    if backend not in allowed:
        return "this family has not been written for it"
    if find_spec(_MODULES[backend]) is None:
        return f"not installed (pip install {_EXTRAS[backend]})"
    if not device.startswith("cuda"):
        return f"it needs a CUDA device, not {device}"
    if backend == "unsloth":
        kind = getattr(getattr(network, "config", None), "model_type", type(network).__name__)
        known = any(kind == name or kind.startswith(f"{name}_") for name in _UNSLOTH)
        return "" if known else f"it does not know {kind}"
    if precision not in ("fp16", "bf16"):
        return f"it computes in fp16 or bf16, not {precision!r}"
    supported = getattr(network, "_supports_flash_attn", False)
    return "" if supported else f"{type(network).__name__} has no such attention"
