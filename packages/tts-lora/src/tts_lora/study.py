"""The file that a search keeps its trials in: it outlives a kill and refuses other questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

FILE = "study.log"
NAME = "tts-lora"


class SearchError(ValueError):
    """A search that cannot begin or go on; the message says why and what to do."""


def open_study(out: Path, settings: Mapping[str, Any], *, startup: int, seed: int) -> optuna.Study:
    """The study in ``out/study.log``, made if need be; ``settings`` are what every trial shares.

    Raises:
        ImportError: if the ``[search]`` extra is not installed.
        SearchError: if the file holds a search with other settings.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ImportError(
            "searching needs optuna: install it with: pip install 'tts-lora[search]'",
            name=error.name,
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out / FILE)))
    study = optuna.create_study(
        study_name=NAME,
        storage=storage,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(startup),
    )
    # Each call draws on: the same seed again would suggest the first trials a second time.
    drawn = seed + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=startup)
    _check_same(study, settings, out)
    return study


def _check_same(study: optuna.Study, settings: Mapping[str, Any], out: Path) -> None:
    """A study compares losses: they must be of the same data, length and space."""
    mine = json.loads(json.dumps(settings))
    recorded = study.user_attrs.get("settings")
    if recorded is None:
        study.set_user_attr("settings", mine)
    elif recorded != mine:
        raise SearchError(
            f"{out} holds a search over other settings ({_difference(recorded, mine)}): "
            "choose another folder, or remove it"
        )


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [
        f"{part}.{key}"
        for part in new
        for key in new[part]
        if old.get(part, {}).get(key) != new[part][key]
    ]
    return ", ".join(names)


def take_up(study: optuna.Study) -> None:
    """Queue the trials again that a kill interrupted; their folders hold how far they came."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params and "folder" in trial.user_attrs:
            attributes = {"folder": trial.user_attrs["folder"], "again": trial.number}
            study.enqueue_trial(trial.params, user_attrs=attributes)


def finished(study: optuna.Study) -> Sequence[Any]:
    """Every trial that counts: not those that a kill interrupted, which come again."""
    from optuna.trial import TrialState

    again = {trial.user_attrs.get("again") for trial in study.trials}
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return [trial for trial in study.get_trials(states=states) if trial.number not in again]


def keep_best(study: optuna.Study, folder: Path, best: Path, number: int) -> None:
    """Keep the run as ``best`` if it is, and remove it otherwise: a search leaves one adapter."""
    from optuna.trial import TrialState

    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if complete and study.best_trial.number == number:
        old = best.with_name(".best.old")
        shutil.rmtree(old, ignore_errors=True)
        if best.is_dir():
            best.rename(old)
        folder.rename(best)
        folder = old
    shutil.rmtree(folder, ignore_errors=True)
