"""The journal: what it remembers, and what it forgets for good reason."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from voice_data.inspection import inspect
from voice_data.journal import NAME, Journal, key_of
from voice_data.manifest import Utterance
from voice_data.storage import file_sha256
from voice_data.treatment import Treated


@pytest.fixture
def treated(tmp_path: Path, clip: Callable[..., Path]) -> Treated:
    """A clip with a finding, a measured duration and text that JSON must escape."""
    path = clip(tmp_path / "a.wav", 2.0, rate=22_050)
    utterance = Utterance(id="a", audio="a.wav", text='"Grün" \U0001f600', language="de")
    made = Utterance(id="a", audio="a.wav", text="Grün", sha256=file_sha256(path), extra={"n": 1})
    inspection = inspect(utterance, tmp_path)
    assert inspection.findings
    return Treated(inspection=inspection, clips=(made,))


def record(folder: Path, treated: Treated) -> None:
    with Journal(folder, {"rate": 1}) as journal:
        journal.record("key", treated)


def test_what_was_recorded_is_recalled_exactly(tmp_path: Path, treated: Treated) -> None:
    record(tmp_path, treated)
    for _ in range(2):  # opening it changes nothing
        with Journal(tmp_path, {"rate": 1}) as journal:
            assert journal.recall("key") == treated
            assert journal.recall("another") is None


def test_other_settings_forget_everything(tmp_path: Path, treated: Treated) -> None:
    record(tmp_path, treated)
    with Journal(tmp_path, {"rate": 2}) as journal:
        assert journal.recall("key") is None
    with Journal(tmp_path, {"rate": 1}) as journal:
        assert journal.recall("key") is None


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_clip_that_is_not_intact_is_not_recalled(
    tmp_path: Path, treated: Treated, damage: str
) -> None:
    record(tmp_path, treated)
    path = tmp_path / "a.wav"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with Journal(tmp_path, {"rate": 1}) as journal:
        assert journal.recall("key") is None


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_was_cut_off_counts_as_not_written(
    tmp_path: Path, treated: Treated, cut: int
) -> None:
    record(tmp_path, treated)
    whole = (tmp_path / NAME).read_bytes()
    with Journal(tmp_path, {"rate": 1}) as journal:
        journal.record("second", treated)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-cut])
    with Journal(tmp_path, {"rate": 1}) as journal:
        assert journal.recall("key") == treated
        assert journal.recall("second") is None
    assert (tmp_path / NAME).read_bytes() == whole


def test_a_full_disk_is_named(
    tmp_path: Path, treated: Treated, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            pass

    with Journal(tmp_path, {"rate": 1}) as journal:
        journal._file.close()
        monkeypatch.setattr(journal, "_file", Full())
        with pytest.raises(OSError, match=r"the disk is full: free some space.*journal\.jsonl"):
            journal.record("key", treated)


def test_a_key_depends_on_row_and_sound(tmp_path: Path, clip: Callable[..., Path]) -> None:
    clip(tmp_path / "a.wav", seed=1)
    row = Utterance(id="a", audio="a.wav", text="Hello.")
    first = key_of(row, tmp_path)
    assert key_of(row, tmp_path) == first
    assert key_of(Utterance(id="a", audio="a.wav", text="Hallo."), tmp_path) != first
    clip(tmp_path / "a.wav", seed=2)
    second = key_of(row, tmp_path)
    assert second != first
    (tmp_path / "a.wav").unlink()
    assert key_of(row, tmp_path) not in (first, second)
