"""The promises that the repository makes about itself."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import release
import tomli
import yaml

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
WEIGHTS = (".safetensors", ".onnx", ".npz", ".npy", ".pt", ".bin", ".gguf")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def commands(readme: str) -> list[str]:
    return re.findall(r"^```console\n(.+?)\n```$", readme, re.MULTILINE | re.DOTALL)


def closure(name: str, locked: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Every package that installing ``name`` may bring, with the extras that are asked for."""
    seen: set[tuple[str, str]] = set()
    todo = [(name, "")]
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        for package in locked[key[0]]:
            extras = package.get("optional-dependencies", {})
            for each in extras.get(key[1], []) if key[1] else package.get("dependencies", []):
                todo += [(each["name"], extra) for extra in ("", *each.get("extra", []))]
    return {name for name, _ in seen}


def test_speaking_installs_neither_training_nor_metrics_nor_checks() -> None:
    locked: dict[str, list[dict[str, Any]]] = {}
    for package in tomli.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        locked.setdefault(package["name"], []).append(package)
    spoken = closure("timbre", locked)
    assert {"speak", "jepa-tts", "voice-data", "torch", "soundfile"} <= spoken
    heavy = {"transformers", "faster-whisper", "matplotlib", "torchaudio", "vocos", "datasets"}
    assert not spoken & (heavy | {"pytest", "ruff", "pyright", "nox"})


def test_the_readme_begins_with_two_commands_and_ci_runs_the_second() -> None:
    speak, test = commands((ROOT / "README.md").read_text(encoding="utf-8"))[:2]
    assert " run speak " in speak
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == test
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("name", NAMES)
def test_every_package_has_what_a_release_needs(name: str) -> None:
    folder = ROOT / "packages" / name
    for required in ("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "tests"):
        assert (folder / required).exists(), f"{name} has no {required}"
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    project = release.load_package(name).project
    assert project["requires-python"] == f">={PYTHONS[0]}"
    assert project["license"] == "Apache-2.0"


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_a_package_when_it_works(name: str) -> None:
    planned = "Private :: Do Not Upload" in release.load_package(name).project["classifiers"]
    listed = f"(packages/{name}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert listed is not planned


def test_every_package_and_python_is_in_the_ci_matrix() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["tests"]["strategy"]["matrix"] == {"package": NAMES, "python": PYTHONS}
    assert workflow["jobs"]["minimums"]["strategy"]["matrix"] == {"package": NAMES}


def test_only_the_publishing_job_may_ask_for_an_identity() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert not any("run" in step for step in workflow["jobs"]["publish"]["steps"])


def test_pre_commit_uses_the_locked_ruff() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    locked = re.search(r'name = "ruff"\nversion = "(.+)"', (ROOT / "uv.lock").read_text())
    assert locked is not None
    assert hooks["repos"][0]["rev"] == f"v{locked[1]}"


def test_tracked_weights_stay_light() -> None:
    sizes = {path: path.stat().st_size for path in tracked() if path.suffix in WEIGHTS}
    assert sum(sizes.values()) < 40 * 2**20, sizes


def test_links_between_documents_lead_somewhere() -> None:
    for document in (path for path in tracked() if path.suffix == ".md"):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"
