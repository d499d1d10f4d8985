"""The measurement itself: its arithmetic, and one run on the tiny model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from jepa_tts import benchmark as module
from jepa_tts import cli, rival
from jepa_tts.rival import Rival
from jepa_tts.tts import JepaTTS


def test_one_run_gives_one_json_object_and_a_picture(package: Path, tmp_path: Path) -> None:
    words = ["benchmark", "--json", "--repeats", "1", "--threads", "1", "--model", str(package)]
    picture = tmp_path / "speed.svg"
    done = CliRunner().invoke(cli.main, [*words, "--no-reference", "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    values = json.loads(done.output)
    assert list(values) == [field.name for field in fields(module.Figures)]
    assert values["real_time_factor_p10"] <= values["real_time_factor"]
    assert values["real_time_factor"] <= values["real_time_factor_p90"]
    assert 0 < values["first_audio_ms"] < 60_000
    assert 50 < values["rss_mb"] <= values["batch_rss_mb"]
    assert (values["threads"], values["repeats"], values["warm_up"]) == (1, 1, 6)
    assert values["single_ratio_to_hibari"] is None
    assert sorted(map(int, values["batches"])) == list(module.BATCHES)
    assert len(values["lengths"]) == len(module.LENGTHS)
    assert values["hardware"].endswith("cores")
    root = ElementTree.fromstring(picture.read_text("utf-8"))
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 4]


def test_others_take_turns(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def others(threads: int) -> Iterator[Rival]:
        for name in ("hibari", "piper"):
            yield Rival(
                name, 8_000, lambda text, n=name: calls.append((n, text)) or np.zeros(8_000)
            )

    monkeypatch.setattr(module, "rivals", others)
    figures = module.benchmark(str(package), repeats=2, batches=[32], lengths=[1])
    assert sorted(calls) == sorted(
        (n, t) for n in ("hibari", "piper") for t in module.SENTENCES * 3
    )
    assert sorted(figures.rivals) == ["hibari", "piper"]
    for ratio, own in (
        (figures.single_ratio_to_hibari, figures.real_time_factor),
        (figures.batch32_ratio_to_hibari, figures.batches[32]),
    ):
        assert ratio == pytest.approx(own / figures.rivals["hibari"], rel=0.01, abs=1e-3)
    assert "ratio to hibari" in module.table(figures)
    assert "batch of 32" in module.table(figures)


def test_a_model_that_only_torch_speaks_is_measured_too(
    tts: JepaTTS, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_loaded", lambda *_: JepaTTS(tts.model, tts.vocoder))
    figures = module.benchmark(str(package), repeats=1, reference=False, lengths=[1])
    assert figures.engine.startswith("torch ")
    assert figures.batches == {}
    assert figures.growth == 1.0


def test_timing_measures_speech_per_work() -> None:
    def slow(text: str) -> np.ndarray:
        time.sleep(0.02)
        return np.zeros(4_800, np.float32)

    timings = module.timed(slow, ["a", "b"], 24_000)
    assert [timing.speech for timing in timings] == [0.2, 0.2]
    assert all(timing.work >= 0.02 for timing in timings)
    assert timings[0].factor == timings[0].speech / timings[0].work


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_quantile_equals_numpy(share: float) -> None:
    values = [5.0, 1.0, 9.0, 2.0]
    assert module.quantile(values, share) == pytest.approx(float(np.quantile(values, share)))


def test_only_what_is_installed_is_a_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rival, "find_spec", lambda name: None)
    assert list(rival.rivals(1)) == []
