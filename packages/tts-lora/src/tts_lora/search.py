"""A search for the settings of an adapter, judged by its held-out loss, that survives a kill."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.config import TrainConfig
from tts_lora.study import SearchError, finished, keep_best, open_study, take_up

if TYPE_CHECKING:
    import optuna

    from tts_lora.train import Event
    from voice_data.speech import SpeechModel

BEST, TABLE = "best.yaml", "search.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """``trials`` in all, those of earlier calls included.

    Ranks, ``scales`` (alpha as a multiple of the rank), ``dropouts`` and presets of ``targets``
    (empty: all that the base has) are tried as listed, the learning rate anywhere between its two
    bounds. A trial whose held-out loss is worse than the median of the others at the same step ends
    early, once ``startup`` trials are complete and ``grace`` checkpoints of its own are made.

    Raises:
        ValueError: naming the field and its value.
    """

    trials: int = 20
    ranks: tuple[int, ...] = (4, 8, 16, 32)
    scales: tuple[float, ...] = (1.0, 2.0)
    dropouts: tuple[float, ...] = (0.0, 0.05, 0.1)
    learning_rates: tuple[float, float] = (5e-5, 3e-3)
    targets: tuple[str, ...] = ()
    startup: int = 4
    grace: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("ranks", "scales", "dropouts"):
            if not getattr(self, name):
                raise ValueError(f"SearchConfig.{name} is empty: list what to try")
        for name in ("trials", "startup"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"SearchConfig.{name} must be at least 1, not {getattr(self, name)}"
                )
        if self.grace < 0:
            raise ValueError(f"SearchConfig.grace must be at least 0, not {self.grace}")
        low, high = self.learning_rates
        if not 0 < low <= high < 1:
            raise ValueError(
                f"SearchConfig.learning_rates must be two bounds in (0, 1), not {(low, high)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run: its settings, how it ended (``complete``, ``pruned`` or ``failed``), its loss."""

    number: int
    state: str
    loss: float | None
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found: the best trial, its settings (also in ``file``), and every trial."""

    best: Trial
    config: TrainConfig
    file: Path
    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "best": asdict(self.best),
            "file": str(self.file),
            "trials": [asdict(each) for each in self.trials],
        }


def search(
    train_config: TrainConfig,
    config: SearchConfig | None = None,
    *,
    model: SpeechModel | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> Found:
    """Try settings around ``train_config`` in the folder ``train_config.out``, and keep the best.

    ``study.log`` there holds every trial: the same call goes on after a kill, within the trial that
    was running. ``best.yaml`` is a recipe for `tts-lora train`; the best run's folder is kept as
    ``best``, the others only as lines of the study.

    Raises:
        ImportError: if the ``[search]`` extra is not installed.
        SearchError: if the folder holds a search over other settings, or every trial failed.
        EncodedSetError, SpeechModelError: if training cannot begin.
    """
    from voice_data.speech import load_speech_model

    config = config or SearchConfig()
    if model is None:
        model = load_speech_model(train_config.base or _base(train_config))
    out = Path(train_config.out)
    out.mkdir(parents=True, exist_ok=True)
    presets = tuple(model.targets)
    shared = _shared(train_config, config, presets)
    study = open_study(out, shared, startup=config.startup, seed=config.seed)
    take_up(study)
    while len(finished(study)) < config.trials:
        trial = study.ask()
        settings = _suggested(trial, train_config, config, presets)
        result = _run(study, trial, settings, model, out, config.grace)
        if on_trial is not None:
            on_trial(result)
    return _found(study, out, train_config)


def _run(
    study: optuna.Study,
    trial: optuna.Trial,
    settings: TrainConfig,
    model: SpeechModel,
    out: Path,
    grace: int,
) -> Trial:
    """One run to its end, its pruning or its failure."""
    from optuna.trial import TrialState

    from tts_lora.descent import NotFiniteError
    from tts_lora.train import train

    trial.set_user_attr("settings", _changed(settings))
    state, loss = TrialState.COMPLETE, None
    try:
        loss = train(settings, model=model, on_event=_Watch(trial, grace)).validation
        if not math.isfinite(loss):
            state, loss = TrialState.FAIL, None
    except _PrunedError:
        state = TrialState.PRUNED
    except NotFiniteError as error:
        _log.warning("trial %d: %s", trial.number, error)
        state = TrialState.FAIL
    frozen = study.tell(trial, loss, state=state)
    keep_best(study, Path(settings.out), out / "best", frozen.number)
    return _trial(frozen)


class _PrunedError(Exception):
    """A trial that is not worth its end."""


class _Watch:
    """Reports every checkpoint's held-out loss, and ends the trial if the pruner says so."""

    def __init__(self, trial: optuna.Trial, grace: int) -> None:
        self._trial, self._grace, self._seen = trial, grace, 0

    def __call__(self, event: Event) -> None:
        if event.kind != "checkpoint" or "validation" not in event.figures:
            return
        self._seen += 1
        self._trial.report(event.figures["validation"], event.step)
        early = event.step < event.steps and self._seen > self._grace
        if early and self._trial.should_prune():
            raise _PrunedError


def _shared(
    base: TrainConfig, config: SearchConfig, presets: tuple[str, ...]
) -> dict[str, Mapping[str, Any]]:
    """What all trials of a study must have in common."""
    space = {**asdict(config), "targets": config.targets or presets}
    train = asdict(base)
    for name in ("trials", "startup", "grace", "seed"):
        del space[name]
    for name in ("out", "learning_rate", "device", "threads", "report_to", "keep"):
        del train[name]
    return {"space": space, "train": train}


def _suggested(
    trial: optuna.Trial, base: TrainConfig, config: SearchConfig, presets: tuple[str, ...]
) -> TrainConfig:
    rank = trial.suggest_categorical("rank", config.ranks)
    scale = trial.suggest_categorical("scale", config.scales)
    dropout = trial.suggest_categorical("dropout", config.dropouts)
    rate = trial.suggest_float("learning_rate", *config.learning_rates, log=True)
    targets = trial.suggest_categorical("targets", config.targets or presets)
    folder = trial.user_attrs.get("folder") or f"trial-{trial.number:03d}"
    trial.set_user_attr("folder", folder)
    lora = replace(base.lora, rank=rank, alpha=rank * scale, dropout=dropout, targets=targets)
    return replace(base, lora=lora, learning_rate=rate, out=str(Path(base.out) / folder), keep=1)


def _found(study: optuna.Study, out: Path, base: TrainConfig) -> Found:
    from optuna.trial import TrialState

    from voice_data.storage import write_text

    trials = tuple(_trial(each) for each in finished(study))
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise SearchError(
            f"none of {len(trials)} trials came to an end: lower SearchConfig.learning_rates"
        )
    best = _trial(study.best_trial)
    lora = replace(base.lora, **best.settings["lora"])
    rate = best.settings["learning_rate"]
    config = replace(base, lora=lora, learning_rate=rate, out=f"{os.fspath(out)}-best")
    write_text(out / BEST, _yaml(config))
    found = Found(best=best, config=config, file=out / BEST, trials=trials)
    write_text(out / TABLE, json.dumps(found.to_dict(), indent=1) + "\n")
    return found


def _trial(frozen: Any) -> Trial:
    names = {"COMPLETE": "complete", "PRUNED": "pruned"}
    return Trial(
        number=frozen.number,
        state=names.get(frozen.state.name, "failed"),
        loss=frozen.value if frozen.state.name == "COMPLETE" else None,
        settings=frozen.user_attrs.get("settings", {}),
    )


def _changed(settings: TrainConfig) -> dict[str, Any]:
    names = ("rank", "alpha", "dropout", "targets")
    lora = {name: getattr(settings.lora, name) for name in names}
    return {"learning_rate": settings.learning_rate, "lora": lora}


def _yaml(config: TrainConfig) -> str:
    import yaml

    plain = json.loads(json.dumps(asdict(config)))
    return yaml.safe_dump({"train": plain}, sort_keys=False, allow_unicode=True)


def _base(config: TrainConfig) -> str:
    from voice_data.encoded import read_index

    return read_index(config.data).base
