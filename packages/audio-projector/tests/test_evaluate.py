"""The evaluation: equal terms for every system, and a text path that is the speech model's own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny_models import TEXTS

from audio_projector.comparison import compare
from audio_projector.evaluate import EvaluateError, Task, check_judge, evaluate, systems
from audio_projector.pronunciation import Homograph
from voice_data.audio import read

if TYPE_CHECKING:
    from tiny_models import Hum

    from audio_projector.bridge import Bridge

ITEMS = [
    Homograph(text="I read it.", word="read", right="redd", wrong="zzzz"),
    Homograph(text="They lead us on.", word="lead", right="leed", wrong="qqqq"),
]


def test_every_system_and_the_text_path_say_the_same(bridge: Bridge, tmp_path: Path) -> None:
    found = list(evaluate({"mine": bridge}, Task(homographs=ITEMS, voice="low"), tmp_path))
    assert [each.system for each in found] == ["mine", "text"]
    for each in found:
        assert len(each.margins) == 2
        heard = sum(margin > 0 for margin in each.margins) / 2
        assert each.homographs == heard == sum(each.by_word.values()) / 2
        assert set(each.by_word) == {"read", "lead"}
    own = read(tmp_path / "text" / "homograph-000.wav").samples
    wanted = bridge.model.speak(ITEMS[0].text, voice="low").samples
    np.testing.assert_allclose(own, wanted, atol=1e-4)
    assert found[0].parameters == bridge.projector.size()


def test_the_judge_is_judged(hum: Hum) -> None:
    found = check_judge(hum, ITEMS, "low")
    assert (found.system, found.homographs) == ("listener", 1.0)
    assert set(found.by_word) == {"read", "lead"}


def test_quality_comes_from_voice_data(
    bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def score(rows: list[Any], **options: Any) -> Any:
        asked.append((len(rows), [row.text for row in rows], options["metrics"]))
        from voice_data.score.report import Statistic

        figure = Statistic(mean=0.25, median=0.25, low=0.1, high=0.4, count=len(rows))
        return SimpleNamespace(save=lambda *a, **k: None, summary=lambda: {"wer": figure})

    monkeypatch.setattr("voice_data.score.score", score)
    found = list(evaluate({"mine": bridge}, Task(sentences=TEXTS[:2]), tmp_path))
    assert asked == [(2, list(TEXTS[:2]), ("wer",))] * 2
    assert found[0].quality["wer"]["mean"] == 0.25


def test_a_comparison_is_written_as_it_goes(run_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    rows = [{"text": i.text, "word": i.word, "right": i.right, "wrong": i.wrong} for i in ITEMS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen = []
    out = tmp_path / "out"
    found = compare({"mine": str(run_folder)}, out=out, homographs=path, on_system=seen.append)
    assert [each.system for each in seen] == ["mine", "text"]
    assert json.loads((out / "evaluation.json").read_text()) == json.loads(
        json.dumps(found.to_dict())
    )
    assert found.lines()[0] == "| system | parameters | homographs |"
    assert found.lines()[3].startswith("| text |  |")


def test_what_cannot_be_compared_is_refused(bridge: Bridge, tmp_path: Path) -> None:
    with pytest.raises(EvaluateError, match="at least one projector"):
        systems({})
    with pytest.raises(EvaluateError, match="none of them called 'text'"):
        systems({"text": "x"})
    with pytest.raises(EvaluateError, match="nothing to say"):
        list(evaluate({"mine": bridge}, Task(), tmp_path))
