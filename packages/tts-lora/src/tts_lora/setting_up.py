"""A run before its first step: data, base, adapter, plan, and the checks of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.backends import backends_of, choose, enabled
from tts_lora.batches import StepPlan, to_device
from tts_lora.descent import Descent, autocast, evaluating, make_optimizer, seed_all
from tts_lora.preflight import (
    Preflight,
    available_memory,
    check_half_precision,
    check_memory,
    fitting,
    measured_memory,
    use_checkpointing,
)
from voice_data.encoded import EncodedSet

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from torch import nn

    from tts_lora.adapter import Attached
    from tts_lora.card import VoiceCard
    from tts_lora.config import TrainConfig
    from voice_data.speech import Condition, SpeechModel

_REFERENCES = 8
UNKNOWN_LICENCE = "LicenseRef-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that can begin. ``voice`` is what the base is told of the speaker heard most."""

    descent: Descent
    plan: StepPlan
    held_out: tuple[tuple[int, ...], ...]
    voice: Condition
    preflight: Preflight

    @property
    def config(self) -> TrainConfig:
        """The settings."""
        return self.descent.config

    def card(self, metrics: Mapping[str, float]) -> VoiceCard:
        """The card of the adapter as it stands."""
        from tts_lora.card import VoiceCard

        index = self.descent.data.index
        return VoiceCard.of(
            self.descent.model,
            base=self.config.base or index.base,
            licence=index.licence or UNKNOWN_LICENCE,
            consent=index.consent,
            data_manifest_sha256=index.manifest_sha256,
            command="tts-lora train",
            metrics=dict(metrics),
        )

    def fixed_settings(self) -> dict[str, Any]:
        """What must not change when a run is resumed."""
        config, data = self.config, self.descent.data.index
        names = ("batch", "clips", "at_once", "seed", "voice", "drop_long", "loraplus_ratio")
        return {
            "data": data.manifest_sha256,
            "base": data.base_sha256,
            "lora": {key: _plain(value) for key, value in asdict(config.lora).items()},
            **{name: getattr(config, name) for name in names},
            "accumulation x processes": self.plan.group,
            "plan": self.plan.fingerprint,
        }


@contextmanager
def set_up(config: TrainConfig, model: SpeechModel | None = None) -> Iterator[Run]:
    """Load and check everything; afterwards the model is as it was.

    Raises:
        PreflightError: if the run would fail.
        BackendError: if a back end was asked for that cannot be used.
        EncodedSetError: if the data are damaged or of another base.
        AdapterError: if a target matches no layer.
        SpeechModelError: if there is no such base.
        ImportError: if a tracker is not installed.
    """
    from tts_lora.adapter import attach, detach
    from tts_lora.run_log import check_trackers
    from voice_data.speech import load_speech_model

    check_trackers(config.report_to)
    accelerator, device = _accelerator(config)
    check_half_precision(config, device)
    data = EncodedSet(config.data)
    model = model if model is not None else load_speech_model(config.base or data.index.base)
    data.require_base(model.weights_sha256)
    places, long = fitting(data, model.context, config, "train")
    held_out, long_held_out = fitting(data, model.context, config, "validation")
    plan = _plan(data, places, config, accelerator.num_processes)
    steps = config.steps or plan.total(config.epochs)
    backend = choose(
        model.network,
        config.backend,
        device=str(device),
        precision=config.amp,
        allowed=backends_of(model),
    )
    network = model.network
    with evaluating(network), _on(network, device), enabled(network, backend):
        told = _conditions(model, data, [*places, *held_out])
        seed_all(config.seed, 0, 0)
        attached = attach(model, config.lora, total_steps=steps)
        try:
            run = Run(
                descent=_descent(
                    model,
                    data,
                    config,
                    attached,
                    accelerator,
                    device,
                    steps,
                    told if config.voice == "speaker" else {},
                ),
                plan=plan,
                held_out=_passes(data, held_out, config),
                voice=told[Counter(data.clips[i].speaker for i in places).most_common(1)[0][0]],
                preflight=Preflight(
                    clips=len(places),
                    validation_clips=len(held_out),
                    left_out=(*long, *long_held_out),
                    steps=steps,
                    epochs=_epochs(plan, steps) if config.steps else config.epochs,
                    trained=attached.trained,
                    total=attached.total,
                    layers=len(attached.layers),
                    memory=0,
                    available=available_memory(device),
                    device=str(device),
                    processes=accelerator.num_processes,
                    backend=str(backend),
                ),
            )
            if config.checkpointing:
                use_checkpointing(model.network, True)
            _train_mode(model.network)
            yield _with_memory(run, places)
        finally:
            if config.checkpointing:
                use_checkpointing(model.network, False)
            detach(model)


def _accelerator(config: TrainConfig) -> tuple[Accelerator, torch.device]:
    """Processes, devices and trackers; half precision is ours, because accelerate's state lives
    as long as the process and could not differ between two runs.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.utils import ProjectConfiguration

    from voice_data.run_log import EVENTS

    out = Path(config.out)
    accelerator = Accelerator(
        cpu=config.device == "cpu",
        mixed_precision="no",
        log_with=list(config.report_to) or None,  # pyright: ignore[reportArgumentType]
        project_config=ProjectConfiguration(project_dir=str(out), logging_dir=str(out / EVENTS)),
    )
    device = torch.device(config.device) if config.device else accelerator.device
    return accelerator, device


def _plan(data: EncodedSet, places: Sequence[int], config: TrainConfig, processes: int) -> StepPlan:
    return StepPlan(
        places,
        [data.clips[i].length for i in places],
        [data.index.sources[data.clips[i].source].weight for i in places],
        batch=config.batch,
        clips=config.clips,
        group=config.accumulation * processes,
        seed=config.seed,
        at_once=config.at_once,
    )


def _epochs(plan: StepPlan, steps: int) -> int:
    return 1 + max(step.epoch for step in plan.steps(steps - 1, steps))


def _passes(
    data: EncodedSet, places: Sequence[int], config: TrainConfig
) -> tuple[tuple[int, ...], ...]:
    """Held-out clips in batches that are the same every time."""
    lengths = [data.clips[i].length for i in places]
    plan = StepPlan(
        places, lengths, [1.0] * len(places),
        batch=config.batch, clips=config.clips, group=1, seed=0, at_once=config.at_once,
    )  # fmt: skip
    return tuple(tuple(each) for each in plan.epoch(0))


def _conditions(
    model: SpeechModel, data: EncodedSet, places: Sequence[int]
) -> dict[str, Condition]:
    """The voice of each speaker, from the first few clips of the training side if it has one."""
    import torch

    chosen: dict[str, list[int]] = {}
    for index in places:
        clips = chosen.setdefault(data.clips[index].speaker, [])
        if len(clips) < _REFERENCES:
            clips.append(index)
    with torch.no_grad():
        return {name: model.condition([data[i] for i in clips]) for name, clips in chosen.items()}


def _descent(
    model: SpeechModel,
    data: EncodedSet,
    config: TrainConfig,
    attached: Attached,
    accelerator: Accelerator,
    device: torch.device,
    steps: int,
    conditions: Mapping[str, Condition],
) -> Descent:
    from torch.amp.grad_scaler import GradScaler

    parameters = {n: p for n, p in model.network.named_parameters() if p.requires_grad}
    for parameter in parameters.values():
        parameter.data = parameter.data.float()  # small steps are lost in half precision
    return Descent(
        model=model,
        data=data,
        config=config,
        attached=attached,
        accelerator=accelerator,
        device=device,
        optimizer=make_optimizer(parameters, config),
        scaler=GradScaler(device.type, enabled=config.amp == "fp16"),
        conditions=conditions,
        steps=steps,
        parameters=parameters,
    )


def _with_memory(run: Run, places: Sequence[int]) -> Run:
    from dataclasses import replace

    part, data = run.descent, run.descent.data
    longest = max(places, key=lambda index: data.clips[index].length)
    speaker = data.clips[longest].speaker
    told = [part.conditions[speaker]] if part.conditions else None
    batch = to_device(part.model.collate([data[longest]], told), part.device)
    need = measured_memory(
        part.model,
        part.attached,
        batch,
        (data.clips[longest].length, run.plan.largest()),
        autocast(run.config, part.device),
    )
    check_memory(need, run.preflight.available, run.plan)
    return replace(run, preflight=replace(run.preflight, memory=need))


def _train_mode(network: nn.Module) -> None:
    """Training mode, except for statistics: they belong to the base, which must not change."""
    from torch.nn.modules.batchnorm import _BatchNorm

    network.train()
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


@contextmanager
def _on(network: nn.Module, device: torch.device) -> Iterator[None]:
    """The network on ``device`` inside the block, then back where it was."""
    before = next(network.parameters()).device
    network.to(device)
    try:
        yield
    finally:
        network.to(before)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
