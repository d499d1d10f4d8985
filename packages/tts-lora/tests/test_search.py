"""A search on the toy: it ends, prunes, resumes after a kill, and refuses another question."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import ToySpeech, write_corpus

import tts_lora.search as module
from tts_lora.config import LoraConfig, TrainConfig
from tts_lora.descent import NotFiniteError
from tts_lora.folder import read_adapter
from tts_lora.recipe import load_train_config
from tts_lora.search import SearchConfig, Trial, search
from tts_lora.study import SearchError
from tts_lora.train import Event, Trained
from voice_data.encoded import PrepareConfig, SourceConfig, prepare

SPACE = SearchConfig(
    trials=3, ranks=(1, 2), scales=(2.0,), dropouts=(0.0,), learning_rates=(1e-4, 1e-2), startup=2
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six clips."""
    root = tmp_path_factory.mktemp("data")
    source = SourceConfig(folder=os.fspath(write_corpus(root / "ann")), licence="CC0-1.0")
    out = os.fspath(root / "set")
    prepare(PrepareConfig(sources=(source,), base="toy", out=out), model=ToySpeech())
    return out


def config_of(data: str, out: Path, **values: Any) -> TrainConfig:
    base: dict[str, Any] = {
        "data": data,
        "out": os.fspath(out),
        "steps": 2,
        "save_every": 1,
        "lora": LoraConfig(dropout=0.0),
        "report_to": (),
        "device": "cpu",
    }
    return TrainConfig(**(base | values))


class Losses:
    """In place of training: a run of three checkpoints with the losses that are next in line."""

    def __init__(self, *runs: tuple[float, ...] | BaseException) -> None:
        self.runs, self.settings = list(runs), []

    def __call__(self, config: TrainConfig, *, model: object, on_event: Any) -> Trained:
        self.settings.append(config)
        folder = Path(config.out)
        folder.mkdir(parents=True, exist_ok=True)
        run = self.runs.pop(0)
        if isinstance(run, BaseException):
            raise run
        for step, loss in enumerate(run, start=1):
            figures = {"validation": loss}
            on_event(Event(kind="checkpoint", step=step, steps=len(run), figures=figures))
        (folder / "done").write_text(str(run[-1]))
        return Trained(
            folder=folder,
            steps=len(run),
            loss=run[-1],
            validation=run[-1],
            checkpoints=(),
            backend="plain",
        )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(*runs: tuple[float, ...] | BaseException) -> Losses:
        losses = Losses(*runs)
        monkeypatch.setattr("tts_lora.train.train", losses)
        return losses

    return use  # type: ignore[return-value]


def test_a_search_trains_and_writes_a_recipe_that_loads(data: str, tmp_path: Path) -> None:
    seen: list[Trial] = []
    config = config_of(data, tmp_path / "study")
    found = search(config, replace(SPACE, trials=2), model=ToySpeech(), on_trial=seen.append)
    assert [each.number for each in seen] == [0, 1]
    assert found.best.loss == min(each.loss for each in found.trials if each.loss is not None)
    assert read_adapter(tmp_path / "study" / "best").settings.rank in (1, 2)
    again = load_train_config(found.file, size="medium")
    assert again == found.config
    assert again.lora.alpha == 2.0 * again.lora.rank
    assert again.out == f"{tmp_path / 'study'}-best"
    assert again.data == data
    left = sorted(path.name for path in (tmp_path / "study").iterdir() if path.is_dir())
    assert left == ["best"]


def test_the_best_run_is_kept(data: str, tmp_path: Path, trained: Any) -> None:
    trained((3.0,), (1.0,), (2.0,))
    found = search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    assert (found.best.number, found.best.loss) == (1, 1.0)
    assert (tmp_path / "best" / "done").read_text() == "1.0"
    assert found.to_dict()["best"]["state"] == "complete"


def test_a_hopeless_trial_ends_early(data: str, tmp_path: Path, trained: Any) -> None:
    trained((3.0, 2.0, 1.0), (3.0, 2.0, 1.5), (9.0, 9.0, 0.1))
    found = search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    assert [each.state for each in found.trials] == ["complete", "complete", "pruned"]
    assert found.best.number == 0
    patient = replace(SPACE, grace=3)
    trained((3.0, 2.0, 1.0), (3.0, 2.0, 1.5), (9.0, 9.0, 0.1))
    found = search(config_of(data, tmp_path / "patient"), patient, model=ToySpeech())
    assert found.best.number == 2


def test_a_killed_search_goes_on_within_the_trial(data: str, tmp_path: Path, trained: Any) -> None:
    first = trained((3.0,), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    second = trained((2.0,), (2.5,))
    found = search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    assert second.settings[0] == first.settings[1]  # its folder too: training resumes there
    assert len(second.settings) == 2  # three trials in all
    assert sorted(each.loss or 0.0 for each in found.trials) == [2.0, 2.5, 3.0]
    third = trained()
    assert search(config_of(data, tmp_path), SPACE, model=ToySpeech()).best == found.best
    assert third.settings == []  # it was complete


def test_a_diverging_trial_fails_alone(data: str, tmp_path: Path, trained: Any) -> None:
    broken = NotFiniteError("the loss is NaN", step=1, clips=())
    trained(broken, (2.0,), (float("nan"),))
    found = search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    assert [each.state for each in found.trials] == ["failed", "complete", "failed"]
    trained(broken, broken, broken)
    with pytest.raises(SearchError, match="none of 3 trials came to an end"):
        search(config_of(data, tmp_path / "b"), SPACE, model=ToySpeech())


def test_another_question_is_refused(data: str, tmp_path: Path, trained: Any) -> None:
    trained((3.0,), (3.0,), (3.0,))
    search(config_of(data, tmp_path), SPACE, model=ToySpeech())
    with pytest.raises(SearchError, match=r"other settings \(train.steps\)"):
        search(config_of(data, tmp_path, steps=5), SPACE, model=ToySpeech())
    with pytest.raises(SearchError, match=r"other settings \(space.ranks\)"):
        search(config_of(data, tmp_path), replace(SPACE, ranks=(64,)), model=ToySpeech())


def test_without_optuna(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'tts-lora\[search\]'"):
        search(config_of(data, tmp_path), SPACE, model=ToySpeech())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ranks": ()}, "ranks is empty"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"grace": -1}, "grace must be at least 0"),
        ({"learning_rates": (1e-2, 1e-3)}, "two bounds"),
    ],
)
def test_wrong_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig(**values)
    assert module.BEST == "best.yaml"
