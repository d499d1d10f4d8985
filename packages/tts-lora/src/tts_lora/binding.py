"""Which weights a network had before an adapter came: what adapters are bound to.

A model may hash its weights when asked, and a network that wears or has merged an adapter would
then give another hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from torch import nn

    from voice_data.speech import SpeechModel

_known: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def base_sha256(model: SpeechModel) -> str:
    """The hash of the base weights, also while adapters are in the network."""
    return _known.get(model.network) or model.weights_sha256


def bind(model: SpeechModel) -> None:
    """Remember the hash; call it before the network changes."""
    if model.network not in _known:
        _known[model.network] = model.weights_sha256


def release(model: SpeechModel) -> None:
    """Forget the hash; call it when the network is as it was."""
    _known.pop(model.network, None)
