"""The committed lock serves everyone: it names no index, and neither does any other file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import lock
import pytest

ROOT = Path(__file__).parents[1]

REAL = """\
version = 1

[[package]]
name = "click"
version = "8.5.1"
source = { registry = "https://index.example:8443/simple" }
wheels = [
    { url = "http://files.example/packages/1f/click-8.5.1-py3-none-any.whl", hash = "sha256:00" },
]

[[package]]
name = "voice-data"
version = "0.1.0"
source = { editable = "packages/voice-data" }
dependencies = [
    { name = "click" },
]

[package.metadata]
requires-dist = [
    { name = "click", specifier = ">=8" },
]

[package.metadata.requires-dev]
test = [
    { name = "pytest" },
]

[[package]]
name = "zipp"
version = "1"
"""

NEUTRAL = """\
version = 1

[[package]]
name = "click"
version = "8.5.1"
source = { registry = "https://index.invalid/simple" }
wheels = [
    { url = "https://index.invalid/packages/1f/click-8.5.1-py3-none-any.whl", hash = "sha256:00" },
]

[[package]]
name = "voice-data"
version = "0.1.0"
source = { editable = "packages/voice-data" }
dependencies = [
    { name = "click" },
]

[[package]]
name = "zipp"
version = "1"
"""


def committed(path: str) -> str:
    """The staged text of a file; a sync may have changed the one on disk."""
    command = ["git", "show", f":{path}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def tracked_lines(pattern: str, *paths: str) -> list[str]:
    command = ["git", "grep", "--cached", "-InE", pattern, "--", *paths]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.splitlines()


def test_neutral_removes_hosts_and_metadata_and_nothing_else() -> None:
    assert lock.neutral(REAL) == NEUTRAL


def test_neutral_is_idempotent() -> None:
    assert lock.neutral(NEUTRAL) == NEUTRAL


def test_rewriting_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    path.write_text(REAL)
    assert lock.main([str(path)]) == 0
    assert path.read_text() == NEUTRAL
    assert [each.name for each in tmp_path.iterdir()] == ["uv.lock"]


def test_check_reports_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "uv.lock"
    path.write_text(REAL)
    assert lock.main(["--check", str(path)]) == 1
    assert "nox -s lock" in capsys.readouterr().err
    assert path.read_text() == REAL
    path.write_text(NEUTRAL)
    assert lock.main(["--check", str(path)]) == 0


def test_the_committed_lock_is_neutral() -> None:
    text = committed("uv.lock")
    assert text == lock.neutral(text), "run `nox -s lock` and stage uv.lock"
    assert 'name = "torch"\nversion = "2.11.0"' in text


def test_no_tracked_file_names_an_index() -> None:
    address = r"https?://[^/ \"]+/(.*/)?(simple|packages)(/|\"|$)"
    option = r"(--(extra-)?index-url|--default-index|^index-url|tool\.uv\.index)"
    here = f":!{Path(__file__).relative_to(ROOT)}"
    lines = tracked_lines(f"{address}|{option}", ".", here)
    allowed = re.compile(r"https://index\.invalid/")
    assert [line for line in lines if not allowed.search(line)] == []
