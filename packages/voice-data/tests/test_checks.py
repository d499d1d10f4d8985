from __future__ import annotations

from typing import Any, get_args

import pytest

from voice_data.checks import CODES, Action, CheckConfig, Finding, Severity


def test_every_code_has_a_severity_and_an_action() -> None:
    for severity, action in CODES.values():
        assert severity in get_args(Severity)
        assert action in get_args(Action)
        assert (severity == "reject") == (action == "drop")
        assert (severity == "note") == (action == "review")


def test_a_finding_knows_its_severity_and_action() -> None:
    finding = Finding(code="rate", detail="44100 Hz")
    assert (finding.severity, finding.action) == ("fix", "resample")


def test_lists_from_a_file_become_tuples() -> None:
    assert CheckConfig(rates=[24_000]).rates == (24_000,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": ()}, r"rates must be positive ints in Hz, not \(\)"),
        ({"rates": (24e3,)}, r"rates must be positive ints in Hz, not \(24000\.0,\)"),
        ({"min_seconds": 0}, r"min_seconds \(0\) must be above 0 and below max_seconds"),
        ({"min_seconds": 30}, r"min_seconds \(30\) must be above 0 and below max_seconds"),
        ({"min_chars_per_second": 50}, r"min_chars_per_second \(50\) must be above 0 and below"),
        ({"max_clipped": 2}, "max_clipped must be from 0 to 1, not 2"),
        ({"max_chars": 0}, "max_chars must be at least 1"),
        ({"pace_deviations": 0}, "pace_deviations above 0"),
        ({"pace_min_clips": 2}, "pace_min_clips at least 3"),
        ({"pace_min_letters": -1}, "pace_min_letters must be 0 or more, not -1"),
        ({"use": "rent"}, "use must be one of train, share, sell or None, not 'rent'"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CheckConfig(**changes)
