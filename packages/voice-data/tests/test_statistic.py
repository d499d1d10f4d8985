"""Figures of a data set, from its manifest or from its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from voice_data.manifest import ManifestError, Utterance, manifest_hash
from voice_data.statistic import summarize


def utterance(name: str, **values: object) -> Utterance:
    return replace(Utterance(id=name, audio=f"{name}.wav", text="Hello."), **values)  # type: ignore[arg-type]


def test_recorded_figures_are_used_and_missing_ones_read(
    tmp_path: Path, clip: Callable[..., Path]
) -> None:
    clip(tmp_path / "b.wav", 3.0, rate=16_000)
    clips = [
        utterance("a", duration=1.0, rate=24_000, speaker="x", licence="MIT"),
        utterance("b", speaker="x"),
        utterance("c", speaker="y"),
    ]
    figures = summarize(clips, tmp_path)
    assert (figures.clips, figures.unmeasured, figures.characters) == (3, 1, 18)
    assert (figures.seconds, figures.shortest, figures.longest) == (4.0, 1.0, 3.0)
    assert figures.median == 2.0
    assert figures.speakers == {"x": 2, "y": 1}
    assert figures.rates == {16_000: 1, 24_000: 1}
    assert figures.licences == {"": 2, "MIT": 1}
    assert figures.manifest_sha256 == manifest_hash(clips)
    assert "clips       3 (1 without sound)" in figures.table()
    assert "licences    ? (2), MIT (1)" in figures.table()


def test_long_counts_are_cut_in_the_table_only() -> None:
    clips = [utterance(str(n), duration=1.0, rate=8_000, speaker=f"s{n}") for n in range(10)]
    figures = summarize(clips, ".")
    assert len(figures.to_dict()["speakers"]) == 10
    assert "s7 (1) and 2 more" in figures.table()


def test_no_clips_have_no_duration() -> None:
    assert summarize([], ".").seconds == 0.0


def test_a_repeated_id_is_an_error() -> None:
    with pytest.raises(ManifestError, match="'a'"):
        summarize([utterance("a", duration=1.0, rate=8_000)] * 2, ".")
