from __future__ import annotations

from pathlib import Path

import pytest
from toy import save_toy

from voice_data.artefact import ArtefactError
from voice_hypernet.speed import BATCH, DESCRIPTIONS, speed, table


def test_a_fresh_process_is_measured(tmp_path: Path) -> None:
    found = speed(str(save_toy(tmp_path)))
    assert 0 < found["batch_ms"] < found["adapter_ms"] * BATCH
    assert 10 < found["peak_mib"] < 300  # neither torch nor pytest is in it
    assert found["threads"] >= 1
    assert found["adapter_ms"] < found["first_ms"]
    assert f"| {found['adapter_ms']:.1f} | {found['batch_ms']:.1f} |" in table(found)[2]


def test_a_batch_is_of_different_descriptions() -> None:
    assert len(set(DESCRIPTIONS)) == BATCH


def test_a_missing_hypernetwork_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"has no config\.json"):
        speed(str(tmp_path))
