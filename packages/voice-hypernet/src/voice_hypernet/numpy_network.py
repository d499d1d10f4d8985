"""The trained network without torch: the same numbers, a tenth of the memory, no second of import.

Letters: B batch, W encoded text, X features of a clip, C condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from voice_hypernet.config import VoiceConfig
from voice_hypernet.targets import Group
from voice_hypernet.trunk import EPSILON, Factors, Trunk

HEADS_OF_ATTENTION = 4
"""As :class:`voice_hypernet.fusion.Conditioner` has them."""


class Generated(NamedTuple):
    """Factors by kind of layer, and the base's condition: an array [B, ...] per name."""

    adapters: dict[str, Factors]
    told: dict[str, np.ndarray]


class NumpyNetwork:
    """What :class:`voice_hypernet.network.VoiceNetwork` computes, from the arrays of its state."""

    def __init__(
        self, config: VoiceConfig, groups: Sequence[Group], tensors: Mapping[str, np.ndarray]
    ) -> None:
        """Take over the weights.

        Raises:
            ValueError: naming the first tensor that is missing.
        """
        self.config, self.groups = config, tuple(groups)
        self._tensors = {
            name: value.astype(np.float32) if value.dtype.kind == "f" else value
            for name, value in tensors.items()
        }
        self.neutral = {
            name.removeprefix("neutral_"): value
            for name, value in self._tensors.items()
            if name.startswith("neutral_")
        }
        try:
            state = {n.removeprefix("hypernet."): v for n, v in self._tensors.items()}
            self._trunk = Trunk(config.hypernet, groups, state)
        except KeyError as error:
            raise ValueError(f"the tensor {error.args[0]} is missing") from error

    def __call__(self, text: np.ndarray | None, clip: np.ndarray | None) -> Generated:
        """Encoded text [B, W], features of clips [B, X], or both with as many rows.

        Raises:
            ValueError: if both are missing, or the rows or widths differ.
        """
        self._check(text, clip)
        return self._generated(self._condition(text, clip))

    def of_nothing(self) -> Generated:
        """What is made when neither text nor clip is known, B = 1."""
        return self._generated(self._condition(None, None))

    def _generated(self, condition: np.ndarray) -> Generated:
        told = {name: self._told(name, condition) for name in self.neutral}
        return Generated(self._trunk(condition), told)

    def _check(self, text: np.ndarray | None, clip: np.ndarray | None) -> None:
        given = {"text": text, "clip": clip}
        rows = {len(value) for value in given.values() if value is not None}
        if len(rows) != 1:
            raise ValueError(f"a description or a clip is needed for each voice, not rows {rows}")
        for name, value in given.items():
            width = getattr(self.config, name)
            if value is not None and value.shape[1:] != (width,):
                raise ValueError(
                    f"the {name} has the shape {list(value.shape)} and this network reads "
                    f"[B, {width}]: it was trained with another encoder"
                )

    def _condition(self, text: np.ndarray | None, clip: np.ndarray | None) -> np.ndarray:
        """[B, C]; of nothing, B = 1."""
        given = clip if text is None else text
        rows = 1 if given is None else len(given)
        missing = self._tensors["conditioner.missing"]
        parts = [
            np.broadcast_to(missing[index], (rows, missing.shape[1]))
            if value is None
            else self._linear(f"{name}.2", _silu(self._linear(f"{name}.0", value)))
            for index, (name, value) in enumerate(
                (("conditioner.text", text), ("conditioner.clip", clip))
            )
        ]
        if self.config.fusion == "concat":
            joined = self._linear("conditioner.join", np.concatenate(parts, axis=1))
        elif self.config.fusion == "add":
            joined = parts[0] + parts[1]
        else:
            joined = self._attended(np.stack(parts, axis=1))
        return (
            _normed(joined) * self._tensors["conditioner.norm.weight"]
            + self._tensors["conditioner.norm.bias"]
        )

    def _attended(self, parts: np.ndarray) -> np.ndarray:
        """One learned query over the inputs [B, 2, C] -> [B, C]."""
        at = "conditioner.attention"
        weights = np.split(self._tensors[f"{at}.in_proj_weight"], 3)
        biases = np.split(self._tensors[f"{at}.in_proj_bias"], 3)
        query = self._tensors["conditioner.query"][0] @ weights[0].T + biases[0]  # [1, C]
        keys, values = (parts @ weights[i].T + biases[i] for i in (1, 2))
        many = (HEADS_OF_ATTENTION, -1)
        query, keys, values = (x.reshape(*x.shape[:-1], *many) for x in (query, keys, values))
        scores = np.einsum("hd,bkhd->bhk", query[0], keys) / math.sqrt(query.shape[-1])
        weight = np.exp(scores - scores.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        seen = np.einsum("bhk,bkhd->bhd", weight, values).reshape(len(parts), -1)
        return self._linear(f"{at}.out_proj", seen)

    def _told(self, name: str, condition: np.ndarray) -> np.ndarray:
        neutral = self.neutral[name]
        rows = np.broadcast_to(neutral, (len(condition), *neutral.shape))
        if f"heads.{name}.down.weight" not in self._tensors:
            return rows.copy()
        seen = _silu(self._linear(f"heads.{name}.up", condition))
        change = self._linear(f"heads.{name}.down", seen) / math.sqrt(self.config.hypernet.width)
        return rows + change.reshape(rows.shape)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]


def _silu(x: np.ndarray) -> np.ndarray:
    """``x * sigmoid(x)``, by the tangent that cannot overflow."""
    half = 0.5 * x
    return half * (1.0 + np.tanh(half))


def _normed(x: np.ndarray) -> np.ndarray:
    """Zero mean and unit deviation along the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    variance = np.einsum("...d,...d->...", centred, centred)[..., None] / x.shape[-1]
    centred /= np.sqrt(variance + EPSILON)
    return centred
