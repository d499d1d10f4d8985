"""What a run of training keeps: weights, their average and the optimiser."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from voice_data.storage import replacing, write_text

if TYPE_CHECKING:
    from torch import nn

    from voice_hypernet.network import VoiceNetwork

_log = logging.getLogger(__name__)

STATE, SETTINGS = "state.safetensors", "train.json"
_FREE = ("out", "steps", "log_every", "save_every", "validate_every", "threads",
         "sentence", "report_to")  # fmt: skip
"""Settings that may differ when a run goes on."""


class RunError(ValueError):
    """A run that cannot go on as it is asked; the message names the setting."""


class RunState:
    """All that an exact resume needs; random numbers depend on the step's number alone."""

    def __init__(
        self, network: VoiceNetwork, optimizer: torch.optim.Optimizer, decay: float
    ) -> None:
        self.network, self.optimizer, self.decay = network, optimizer, decay
        self.averaged = copy.deepcopy(network).requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights towards the current ones; faster in the first steps."""
        self.steps += 1
        decay = min(self.decay, self.steps / (10.0 + self.steps))
        pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1.0 - decay)

    def save(self, out: Path, step: int) -> None:
        """Write the state, whole or not at all.

        Raises:
            OSError: if the disk is full or the folder cannot be written.
        """
        from safetensors.torch import save_file

        tensors = {"step": torch.tensor(step)}
        for index, state in self.optimizer.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
        for part, module in self._parts().items():
            for name, value in module.state_dict().items():
                tensors[f"{part}.{name}"] = value.clone()
        with replacing(out / STATE) as temporary:
            save_file(tensors, temporary)

    def resume(self, out: Path, settings: Mapping[str, Any]) -> int:
        """Load the state in ``out``, if there is one; returns the step to continue at.

        Raises:
            RunError: if the run was begun with other settings, or its state is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not (out / STATE).is_file():
            write_text(out / SETTINGS, json.dumps(settings, indent=2) + "\n")
            return 0
        _require_same(out / SETTINGS, settings)
        try:
            tensors = load_file(out / STATE)
            for part, module in self._parts().items():
                module.load_state_dict(_under(tensors, part))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise RunError(f"{out / STATE} cannot be used ({error}): choose another out") from error
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _under(tensors, "optimizer").items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.steps = int(tensors["step"])
        _log.info("resumed %s at step %d", out, self.steps)
        return self.steps

    def _parts(self) -> dict[str, nn.Module]:
        return {"network": self.network, "averaged": self.averaged}


def _under(tensors: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _require_same(path: Path, settings: Mapping[str, Any]) -> None:
    was = json.loads(path.read_text("utf-8"))
    now = json.loads(json.dumps(settings))
    for name, value in now.items():
        if name not in _FREE and was.get(name) != value:
            what, before, after = _difference(name, was.get(name), value)
            raise RunError(
                f"{path.parent} was begun with {what} {before!r}, not {after!r}: "
                "choose another out, or the same settings"
            )


def _difference(name: str, was: Any, now: Any) -> tuple[str, Any, Any]:
    """The first setting in which two differ: its name, as --set takes it, and both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key, value in now.items():
            if was.get(key) != value:
                return _difference(f"{name}.{key}", was.get(key), value)
    return name, was, now
