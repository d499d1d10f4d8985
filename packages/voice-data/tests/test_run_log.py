"""What a run leaves: read back by TensorBoard's own reader, continued, cut off and reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from voice_data.audio import Audio
from voice_data.run_log import RunLog, as_image, mel_image

EXTRA = "jepa-tts[train]"


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder / "events"), size_guidance={"scalars": 0})
    read.Reload()
    return read


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (folder / "log.jsonl").read_text("utf-8").splitlines()]


def test_figures_pictures_and_sounds_are_read_back(tmp_path: Path) -> None:
    tone = np.sin(np.arange(24_000) * 0.05).astype(np.float32)
    with RunLog(tmp_path, 0, extra=EXTRA) as log:
        log.figures(1, "train", {"loss": 0.5})
        log.picture(1, "mel/true", np.eye(4, 6, dtype=np.float32))
        log.sound(1, "real/0", Audio(tone, 24_000))
        log.sound(1, "clip", Audio(tone, 24_000), "A tone.")
    read = events(tmp_path)
    assert [each.value for each in read.Scalars("train/loss")] == [0.5]
    assert {*read.Tags()["images"]} == {"mel/true", "mel/clip"}
    assert {*read.Tags()["audio"]} == {"real/0", "spoken/clip"}
    assert read.Audio("spoken/clip")[0].sample_rate == 24_000
    row = lines(tmp_path)[0]
    assert row.pop("time") > 0
    assert row == {"step": 1, "part": "train", "loss": 0.5}


def test_a_loud_sound_is_clipped_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunLog(tmp_path, 0, extra=EXTRA) as log:
        log.sound(1, "loud", Audio(np.full(4000, 2.0, np.float32), 24_000))
    assert capsys.readouterr().out == ""


def test_what_lies_beyond_the_resumed_step_is_dropped(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, extra=EXTRA) as log:
        for step in (1, 2, 3):
            log.figures(step, "train", {"loss": float(step)})
    with (tmp_path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "par')  # a kill in mid-write
    with RunLog(tmp_path, 2, extra=EXTRA) as log:
        log.figures(3, "train", {"loss": 9.0})
    assert [(row["step"], row["loss"]) for row in lines(tmp_path)] == [(1, 1.0), (2, 2.0), (3, 9.0)]
    steps = [(each.step, each.value) for each in events(tmp_path).Scalars("train/loss")]
    assert steps == [(1, 1.0), (2, 2.0), (3, 9.0)]


def test_trackers_get_figures_and_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []
    trackio = ModuleType("trackio")  # the real one brings a web server
    trackio.init = lambda **values: calls.append(("init", values))  # pyright: ignore
    trackio.log = lambda figures, step: calls.append(("log", (figures, step)))  # pyright: ignore
    trackio.finish = lambda: calls.append(("finish", None))  # pyright: ignore
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    settings = {"steps": 5}
    folder = tmp_path / "run"
    folder.mkdir()
    with RunLog(folder, 0, extra=EXTRA, report_to=["trackio"], settings=settings) as log:
        log.figures(1, "train", {"loss": 0.5})
    assert calls == [
        ("init", {"project": "jepa-tts", "name": "run", "config": settings}),
        ("log", ({"train/loss": 0.5}, 1)),
        ("finish", None),
    ]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no tracker 'wandd'; there are wandb, trackio"):
        RunLog(tmp_path, 0, extra=EXTRA, report_to=["wandd"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="pip install 'wandb'"):
        RunLog(tmp_path, 0, extra=EXTRA, report_to=["wandb"])
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'jepa-tts\[train\]'"):
        RunLog(tmp_path, 0, extra=EXTRA)
    assert not list(tmp_path.iterdir())


def test_an_image_has_its_low_bands_at_the_bottom() -> None:
    image = as_image(np.array([[0.0, 2.0], [4.0, 4.0]], np.float32))
    assert image.tolist() == [[[1.0, 1.0], [0.0, 0.5]]]
    low = np.sin(np.arange(24_000) * 2 * np.pi * 200 / 24_000).astype(np.float32)
    picture = mel_image(Audio(low, 24_000))
    assert picture is not None
    assert picture.shape[:2] == (1, 80)
    assert picture[0].mean(axis=1).argmax() > 60
    assert mel_image(Audio(low[:100], 24_000)) is None
