"""The state of a run, as it goes into a checkpoint and comes out again, bit for bit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.checkpoint import CheckpointError, Checkpoints, State, read_state

if TYPE_CHECKING:
    from tts_lora.setting_up import Run

_log = logging.getLogger(__name__)


class TrainError(ValueError):
    """A run that cannot begin or go on as asked; the message says what to do."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is; ``window`` sums losses since the last line of the log."""

    step: int = 0
    window: list[float] = field(default_factory=list)
    loss: float = float("nan")
    validation: float = float("nan")


def state_of(run: Run, done: Progress) -> State:
    """All that decides the rest of the run; random numbers follow from the step."""
    part = run.descent
    tensors: dict[str, Any] = {}
    for name, parameter in part.parameters.items():
        tensors[f"parameter/{name}"] = parameter.detach().clone()
        for key, value in part.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = value.detach().clone()
    values: dict[str, Any] = {
        "settings": run.fixed_settings(),
        "progress": asdict(done),
        "scaler": part.scaler.state_dict(),
    }
    if part.attached.schedule is not None:
        for score, found in part.attached.schedule.state_dict().items():
            tensors |= {f"schedule/{name}/{score}": value.clone() for name, value in found.items()}
        values["rank_pattern"] = _peft_config(run).rank_pattern
    return State(tensors=tensors, values=values)


def restored(run: Run, checkpoints: Checkpoints) -> Progress:
    """Put the newest checkpoint into the run; a new run starts at step 0.

    Raises:
        TrainError: if it is of other data, another adapter or another order of the clips.
        CheckpointError: if it is damaged.
    """
    import torch

    latest = checkpoints.latest()
    if latest is None:
        return Progress()
    part, state = run.descent, read_state(latest)
    _require_same(state.values["settings"], run.fixed_settings(), latest)
    with torch.no_grad():
        for name, parameter in part.parameters.items():
            try:
                parameter.copy_(state.tensors[f"parameter/{name}"])
            except (KeyError, RuntimeError) as error:
                raise CheckpointError(f"{latest} does not fit the network: {error}") from error
    for key, value in state.tensors.items():
        kind, _, rest = key.partition("/")
        name, _, entry = rest.rpartition("/")
        if kind == "optimizer":
            place = value if entry == "step" else value.to(part.device)
            part.optimizer.state[part.parameters[name]][entry] = place
    part.scaler.load_state_dict(state.values["scaler"])
    if part.attached.schedule is not None:
        scores: dict[str, dict[str, Any]] = {k: {} for k in part.attached.schedule.state_dict()}
        for key, value in state.tensors.items():
            if key.startswith("schedule/"):
                name, _, score = key.removeprefix("schedule/").rpartition("/")
                scores[score][name] = value.to(part.device)
        part.attached.schedule.load_state_dict(scores)
        _peft_config(run).rank_pattern = state.values["rank_pattern"]
    done = Progress(**state.values["progress"])
    _log.info("resumed %s at step %d of %d", latest, done.step, part.steps)
    return done


def _require_same(was: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    for name, value in now.items():
        if isinstance(value, Mapping):
            within = was.get(name) or {}
            inner = {f"{name}.{key}": within.get(key) for key in value}
            _require_same(inner, {f"{name}.{key}": each for key, each in value.items()}, folder)
        elif was.get(name) != value:
            raise TrainError(
                f"{folder} was made with {name} {was.get(name)!r}, not {value!r}: use the same "
                "to go on, or choose another folder for out"
            )


def _peft_config(run: Run) -> Any:
    network: Any = run.descent.model.network
    return network.peft_config[run.descent.attached.name]
