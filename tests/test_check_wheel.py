"""tools/check_wheel.py sees what a wheel lacks."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import check_wheel
import pytest

FILES = ["a_tts/__init__.py", "a_tts/py.typed", "a_tts/checkpoints/small/model.safetensors"]
LICENCE = "a_tts-1.dist-info/licenses/LICENSE"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "src" / "a_tts" / "leftover.pyc").touch()
    return tmp_path / "src"


def pack(folder: Path, names: list[str]) -> Path:
    wheel = folder / "a_tts-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return wheel


def test_a_whole_wheel_passes(source: Path, tmp_path: Path) -> None:
    wheel = pack(tmp_path, [*FILES, LICENCE])
    assert list(check_wheel.content_problems(wheel, source)) == []


def test_missing_weights_are_named(source: Path, tmp_path: Path) -> None:
    wheel = pack(tmp_path, [*FILES[:2], LICENCE])
    [problem] = check_wheel.content_problems(wheel, source)
    assert problem == "a_tts/checkpoints/small/model.safetensors is not in the wheel"


def test_tests_do_not_belong_into_a_wheel(source: Path, tmp_path: Path) -> None:
    wheel = pack(tmp_path, [*FILES, LICENCE, "tests/test_a.py"])
    [problem] = check_wheel.content_problems(wheel, source)
    assert problem == "tests/test_a.py is in the wheel and not in src"


def test_licence_and_type_marker_are_required(source: Path, tmp_path: Path) -> None:
    (source / "a_tts" / "py.typed").unlink()
    wheel = pack(tmp_path, [FILES[0], FILES[2]])
    problems = list(check_wheel.content_problems(wheel, source))
    assert problems[0] == "the wheel has no LICENSE"
    assert "py.typed" in problems[1]


def test_an_editable_sibling_spoils_the_check() -> None:
    [problem] = check_wheel.neighbour_problems("a-tts", {"a-tts", "voice-data", "pytest"})
    assert problem.startswith("pytest is installed too")


def test_a_module_that_needs_an_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "needs_extra"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "good.py").touch()
    (package / "bad.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    problems = list(check_wheel.import_problems("needs_extra"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "needs_extra"]:
        del sys.modules[name]
    assert "not from the wheel" in problems[0]
    assert problems[1].startswith("needs_extra.bad does not import")
    assert len(problems) == 2


def test_an_entry_point_that_leads_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "b_tts-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: b-tts\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[console_scripts]\nb-tts = b_tts.cli:main\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    [problem] = check_wheel.command_problems("b-tts")
    assert problem.startswith("entry point b-tts of console_scripts leads nowhere: No module named")
