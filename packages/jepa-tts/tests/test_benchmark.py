"""The measurement itself: its arithmetic, and one run on the tiny model."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jepa_tts import benchmark as module
from jepa_tts import cli


def test_one_run_gives_one_json_object(package: Path) -> None:
    words = ["benchmark", "--json", "--repeats", "1", "--threads", "1", "--model", str(package)]
    done = CliRunner().invoke(cli.main, [*words, "--no-reference"])
    assert done.exit_code == 0, done.output
    values = json.loads(done.output)
    assert list(values) == [field.name for field in fields(module.Figures)]
    assert values["real_time_factor_p10"] <= values["real_time_factor"]
    assert values["real_time_factor"] <= values["real_time_factor_p90"]
    assert 0 < values["first_audio_ms"] < 60_000
    assert values["rss_mb"] > 50
    assert (values["threads"], values["batch"], values["warm_up"]) == (1, 1, 5)
    assert values["single_ratio_to_hibari"] is None
    assert values["hardware"].endswith("cores")


def test_the_reference_runs_in_turn(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def reference(threads: int) -> object:
        return lambda text: calls.append(text) or np.zeros(24_000, np.float32)

    monkeypatch.setattr(module, "_hibari", reference)
    figures = module.benchmark(str(package), repeats=2)
    assert calls == list(module.SENTENCES) * 3
    assert figures.hibari_real_time_factor is not None
    assert figures.single_ratio_to_hibari == pytest.approx(
        figures.real_time_factor / figures.hibari_real_time_factor, rel=0.01, abs=1e-3
    )
    assert "ratio to hibari" in module.table(figures)


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


def test_no_hibari_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert module._hibari(1) is None
