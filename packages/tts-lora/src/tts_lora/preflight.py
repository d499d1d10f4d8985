"""What a run will take, before its first step: lengths, steps, parameters, memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tts_lora.adapter import Attached
    from tts_lora.batches import StepPlan
    from tts_lora.config import TrainConfig
    from voice_data.encoded import EncodedSet
    from voice_data.speech import SpeechModel

_ADAM_BYTES = 12  # per trained parameter: gradient and two moments, float32
_MARGIN = 1.2
_SHOWN = 10


class PreflightError(ValueError):
    """A run that would fail; the message says where and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The plan of a run. Memory is in bytes: what training adds to the loaded model.

    ``left_out`` are the ids of clips that do not fit; ``available`` is None where the system does
    not say; ``backend`` is what trains, and why.
    """

    clips: int
    validation_clips: int
    left_out: tuple[str, ...]
    steps: int
    epochs: int
    trained: int
    total: int
    layers: int
    memory: int
    available: int | None
    device: str
    processes: int
    backend: str

    @property
    def share(self) -> float:
        """The trained share of all parameters, from 0 to 1."""
        return self.trained / self.total

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return json.loads(json.dumps({**asdict(self), "share": self.share}))

    def lines(self) -> list[str]:
        """The plan for people."""
        known = "" if self.available is None else f" of {_size(self.available)} free"
        return [
            f"clips: {self.clips} to train on, {self.validation_clips} held out"
            + (f", {len(self.left_out)} left out" if self.left_out else ""),
            f"steps: {self.steps} in {self.epochs} epochs, on {self.processes} x {self.device}",
            f"trained: {self.trained:,} of {self.total:,} parameters ({100 * self.share:.2f} %) "
            f"in {self.layers} layers",
            f"memory: about {_size(self.memory)}{known}, beside the model",
            self.backend,
        ]


def fitting(
    data: EncodedSet, context: int | None, config: TrainConfig, split: str
) -> tuple[list[int], list[str]]:
    """The clips of a split that the network and a batch can take, and the ids of the others.

    Raises:
        PreflightError: if there are others and ``drop_long`` is off, or nothing is left.
    """
    limit = min(context or config.batch, config.batch)
    places = data.of_split(split)
    fit = [index for index in places if data.clips[index].length <= limit]
    long = [data.clips[index] for index in places if data.clips[index].length > limit]
    if long and not config.drop_long:
        listed = ", ".join(f"{clip.id} ({clip.length})" for clip in long[:_SHOWN])
        more = f" and {len(long) - _SHOWN} more" if len(long) > _SHOWN else ""
        network = context is not None and context <= config.batch
        what = f"the network's context is {limit} steps" if network else f"batch is {limit} steps"
        remedy = "cut them with segment.max_seconds" if network else "raise batch"
        raise PreflightError(
            f"{what}, and these clips take more: {listed}{more}; {remedy}, or leave them out with "
            "drop_long=true"
        )
    if not fit:
        raise PreflightError(f"{data.folder} has no clip to use for {split}: add recordings")
    return fit, [clip.id for clip in long]


def measured_memory(
    model: SpeechModel,
    attached: Attached,
    batch: Any,
    steps: Sequence[int],
    autocast: Any,
) -> int:
    """Bytes that a step of training takes beside the model.

    One clip runs forward, and what it saves for its gradient is scaled from its network steps to
    those of the largest pass (``steps``: both).
    """
    import torch

    saved: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in model.network.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        loss = model.loss(batch)
    activations = sum(saved.values()) * steps[1] / max(1, steps[0])
    del loss
    return round(_MARGIN * activations + _ADAM_BYTES * attached.trained)


def check_memory(need: int, available: int | None, plan: StepPlan) -> None:
    """Refuse a run that would not fit.

    Raises:
        PreflightError: saying how much is missing and what to lower.
    """
    if available is not None and need > available:
        smaller = max(1, int(plan.largest() * available / need))
        raise PreflightError(
            f"a step needs about {_size(need)} and {_size(available)} are free: set at_once "
            f"to {smaller}, or checkpointing=true"
        )


def available_memory(device: torch.device) -> int | None:
    """Free bytes of a GPU or of the machine, ``None`` where nobody knows."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def check_half_precision(config: TrainConfig, device: torch.device) -> None:
    """Refuse half precision where it is of no use.

    Raises:
        PreflightError: on a CPU, or for bf16 on a GPU without it.
    """
    import torch

    if config.amp == "no":
        return
    if device.type == "cpu":
        raise PreflightError(
            f"amp={config.amp} on a CPU: without AMX, half precision runs up to 150 times slower "
            "than float32 there; use amp=no, or a GPU"
        )
    if config.amp == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise PreflightError("amp=bf16, which this GPU does not have: use amp=fp16")


def use_checkpointing(network: nn.Module, on: bool) -> None:
    """Switch recomputation of activations on or off in every part that has it.

    Raises:
        PreflightError: if it is switched on and no part of the network has it.
    """
    parts: list[Any] = [
        module
        for module in network.modules()
        if getattr(module, "supports_gradient_checkpointing", False)
        and hasattr(module, "gradient_checkpointing_enable")
    ]
    for part in parts:  # transformers renamed the methods in release 5
        new = hasattr(part, "activation_checkpointing_enable")
        switch = (
            f"{'activation' if new else 'gradient'}_checkpointing_{'enable' if on else 'disable'}"
        )
        # the reentrant kind would drop the gradients behind a frozen embedding
        getattr(part, switch)(*([{"use_reentrant": False}] if on else []))
    if on and not parts:
        raise PreflightError(
            f"checkpointing=true, and no part of {type(network).__name__} can: lower batch instead"
        )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
