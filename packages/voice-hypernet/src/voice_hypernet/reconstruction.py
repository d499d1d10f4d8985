"""Learning from adapters that were trained one by one: what is made shall be what descent found.

Letters: V voices, B rows of a step, L layers of a group, R rank, I inputs, O outputs.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from voice_hypernet.hypernet import Factors

if TYPE_CHECKING:
    from voice_data.speech import Loss
    from voice_hypernet.config import LoraShape
    from voice_hypernet.hypernet import Adapters, Hypernetwork
    from voice_hypernet.targets import Group

ROWS = 32
"""Voices, with repetitions, of a step."""
_CONFIG, _WEIGHTS, _CARD = "adapter_config.json", "adapter_model.safetensors", "voice.json"
_PREFIX = "base_model.model."
_LEAST = 1e-6


class ReconstructionError(ValueError):
    """Trained adapters that cannot be learnt from; the message names the folder and why."""


class _Norm(NamedTuple):
    """What is taken from a factor and what it is divided by; both broadcast over [B, L, ., .]."""

    mean: Tensor
    deviation: Tensor


class Reconstruction:
    """Trained adapters by voice, and how far others are from them."""

    def __init__(self, adapters: Mapping[str, Adapters], known: Container[str] = ()) -> None:
        """``adapters`` hold ``a`` [L, R, I] and ``b`` [L, O, R] by kind of layer.

        Means and deviations are those of the ``known`` voices, of all if none of them is.

        Raises:
            ReconstructionError: if there are none.
        """
        if not adapters:
            raise ReconstructionError("there are no trained adapters: give one for each voice")
        self.voices = tuple(adapters)
        self._adapters = adapters
        some = [each for name, each in adapters.items() if name in known] or [*adapters.values()]
        self._norms = {
            kind: [_norm(torch.stack([each[kind][end] for each in some])) for end in (0, 1)]
            for kind in some[0]
        }

    @classmethod
    def read(
        cls,
        folder: Path,
        voices: Sequence[str],
        groups: Sequence[Group],
        lora: LoraShape,
        base_sha256: str = "",
        known: Container[str] = (),
    ) -> Reconstruction:
        """The PEFT folders in ``folder`` that are named as voices, such as those of `rivals`.

        Raises:
            ReconstructionError: if there is none, or one has other layers, another rank, another
                base or another method than plain LoRA.
        """
        found = {
            name: _read(folder / name, groups, lora, base_sha256)
            for name in voices
            if (folder / name / _CONFIG).is_file()
        }
        if not found:
            raise ReconstructionError(
                f"{folder} has no trained adapter of a voice: it needs PEFT folders that are named "
                f"as the voices of training, such as {folder / next(iter(voices), 'NAME')}"
            )
        return cls(found, known)

    def loss(self, made: Adapters, voices: Sequence[str]) -> Loss:
        """The mean distance (L1) of z-scored factors for B rows from those of B voices."""
        from voice_data.speech import Loss

        parts = []
        for kind, factors in made.items():
            for end, value in enumerate(factors):
                wanted = torch.stack([self._adapters[name][kind][end] for name in voices])
                deviation = self._norms[kind][end].deviation
                parts.append(((value - wanted) / deviation).abs().mean())
        total = torch.stack(parts).mean()
        return Loss(total=total, parts={"l1": float(total.detach())}, positions=len(voices))

    def means(self) -> dict[str, Factors]:
        """The mean adapter, by kind of layer: ``a`` [L, R, I] and ``b`` [L, O, R]."""
        return {kind: Factors(*(end.mean for end in ends)) for kind, ends in self._norms.items()}

    @torch.no_grad()
    def start(self, hypernet: Hypernetwork) -> None:
        """Let a network begin with the mean adapter for every voice."""
        means = self.means()
        for group, head in zip(hypernet.groups, hypernet.heads, strict=True):
            each: Any = head
            each.a.copy_(means[group.kind].a)
            each.b.copy_(means[group.kind].b)


def _norm(values: Tensor) -> _Norm:
    """[V, L, ., .]: a mean for every number, one deviation for each layer."""
    mean = values.mean(0)
    deviation = (values - mean).square().mean((0, 2, 3), keepdim=True).sqrt()[0]
    return _Norm(mean, deviation.clamp_min(_LEAST))


def _read(
    folder: Path, groups: Sequence[Group], lora: LoraShape, base_sha256: str
) -> dict[str, Factors]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ReconstructionError(f"{folder} cannot be read ({error}): train it again") from error
    _check(folder, config, lora, base_sha256)
    scale = config["lora_alpha"] / config["r"] / lora.scale
    found = {}
    for group in groups:
        ends = []
        for end in ("lora_A", "lora_B"):
            names = [f"{_PREFIX}{name}.{end}.weight" for name in group.names]
            if missing := [name for name in names if name not in tensors]:
                raise ReconstructionError(
                    f"{folder} has no {missing[0]}: train the adapters with the same targets"
                )
            ends.append(torch.stack([tensors.pop(name).float() for name in names]))
        found[group.kind] = Factors(ends[0], ends[1] * scale)
    if tensors:
        raise ReconstructionError(
            f"{folder} also changes {next(iter(tensors))}: train the adapters with the same targets"
        )
    return found


def _check(folder: Path, config: Mapping[str, Any], lora: LoraShape, base_sha256: str) -> None:
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("use_rslora"):
        raise ReconstructionError(f"{folder} is no plain LoRA: train the adapters without DoRA")
    if config["r"] != lora.rank:
        raise ReconstructionError(
            f"{folder} has rank {config['r']} and the network makes rank {lora.rank}: "
            f"set model.hypernet.lora.rank={config['r']}"
        )
    card = folder / _CARD
    if base_sha256 and card.is_file():
        made = json.loads(card.read_text("utf-8")).get("provenance", {}).get("base_sha256")
        if made != base_sha256:
            raise ReconstructionError(f"{folder} was trained for another base: train it again")
