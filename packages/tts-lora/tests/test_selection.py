"""The rule that chooses a checkpoint, on tables whose answer is plain."""

from __future__ import annotations

from typing import Any

import pytest

from tts_lora.selection import Candidate, SelectionConfig, SelectionError, select


def test_similarity_decides_among_those_that_pass() -> None:
    table = [
        Candidate(name="early", wer=0.05, similarity=0.70, mos=4.5),
        Candidate(name="late", wer=0.07, similarity=0.80, mos=4.0),
        Candidate(name="parrot", wer=0.09, similarity=0.95, mos=4.6),
    ]
    result = select(table, base_wer=0.05)
    assert result.chosen == "late"
    assert result.why == "the best of 2 that pass the gates: similarity 0.800; MOS 4.00; WER 7.0%"
    assert result.refused == {"parrot": "WER 9.0% is over the base's 5.0% + 3 points"}
    assert result.to_dict()["chosen"] == "late"


def test_a_checkpoint_that_spoils_other_voices_is_refused() -> None:
    table = [
        Candidate(name="a", similarity=0.9, degradation=0.2),
        Candidate(name="b", similarity=0.8, degradation=0.05),
    ]
    result = select(table, base_wer=None)
    assert result.chosen == "b"
    assert "lose 20.0 points of WER, 5 are allowed" in result.refused["a"]


def test_a_tie_is_broken_by_mos_then_wer() -> None:
    table = [
        Candidate(name="a", similarity=0.804, mos=4.0, wer=0.01),
        Candidate(name="b", similarity=0.801, mos=4.2, wer=0.03),
        Candidate(name="c", similarity=0.801, mos=4.2, wer=0.02),
    ]
    result = select(table, base_wer=0.0)
    assert result.chosen == "c"
    assert "level with others" in result.why
    strict = select(table, base_wer=0.0, config=SelectionConfig(tie=0.0))
    assert strict.chosen == "a"


def test_an_unmeasured_figure_loses_to_a_measured_one() -> None:
    table = [Candidate(name="a", mos=4.9), Candidate(name="b", similarity=0.1)]
    assert select(table, base_wer=0.1).chosen == "b"
    broken = [Candidate(name="a", similarity=float("nan")), Candidate(name="b", similarity=0.1)]
    assert select(broken, base_wer=0.1).chosen == "b"


def test_all_may_be_refused() -> None:
    result = select([Candidate(name="a", wer=0.9)], base_wer=0.1)
    assert result.chosen is None
    assert list(result.refused) == ["a"]
    assert "train less" in result.why


def test_nothing_to_choose_from() -> None:
    with pytest.raises(SelectionError, match="no checkpoint to choose from"):
        select([], base_wer=0.1)
    with pytest.raises(SelectionError, match="no candidate has a figure"):
        select([Candidate(name="a", degradation=0.0)], base_wer=0.1)


@pytest.mark.parametrize("values", [{"wer_margin": -0.1}, {"tie": float("nan")}])
def test_wrong_settings(values: dict[str, Any]) -> None:
    with pytest.raises(SelectionError, match="must be 0 or more"):
        SelectionConfig(**values)
