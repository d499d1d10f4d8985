"""tools/release.py refuses every way in which version, changelog and tag can disagree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import release

PROJECT = """\
[project]
name = "{name}"
version = "{version}"
dependencies = [{dependencies}]
classifiers = [{classifiers}]
"""

CHANGELOG = """\
# Changelog

## Unreleased

## 0.2.0 - 2026-11-21

- Speaks.

## 0.1.0 - 2026-10-01

- Listens.
"""


def make(
    root: Path,
    name: str = "voice-data",
    *,
    version: str = "0.2.0",
    assigned: str = "0.2.0",
    changelog: str = CHANGELOG,
    dependencies: str = "",
    classifiers: str = "",
) -> release.Package:
    folder = root / "packages" / name
    source = folder / "src" / name.replace("-", "_")
    source.mkdir(parents=True)
    (source / "__init__.py").write_text(f'__version__ = "{assigned}"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    values = {"name": name, "version": version, "dependencies": dependencies}
    (folder / "pyproject.toml").write_text(PROJECT.format(**values, classifiers=classifiers))
    return release.load_package(name, root)


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_a_package_that_agrees_is_ready(tmp_path: Path) -> None:
    assert release.problems(make(tmp_path), root=tmp_path) == []


def test_an_unknown_package_is_named_with_the_known_ones(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'voice' .* there are: voice-data"):
        release.load_package("voice", tmp_path)


@pytest.mark.parametrize(
    ("version", "words"),
    [("zero", "is not a version"), ("0.2.0-rc1", "write '0.2.0rc1'")],
)
def test_a_version_that_is_not_canonical(tmp_path: Path, version: str, words: str) -> None:
    package = make(tmp_path, version=version, assigned=version)
    assert any(words in each for each in release.version_problems(package))


def test_a_source_with_another_version(tmp_path: Path) -> None:
    package = make(tmp_path, assigned="0.1.9")
    [problem] = release.problems(package, root=tmp_path)
    assert "src/voice_data/__init__.py is '0.1.9'" in problem


@pytest.mark.parametrize(
    ("changelog", "words"),
    [
        ("# Changelog\n", "has no entry"),
        ("# Changelog\n\n## 0.2.0 - unreleased\n\n- Speaks.\n", "a release needs '## 0.2.0 - "),
        ("# Changelog\n\n## 0.1.0 - 2026-10-01\n\n- Listens.\n", "begins with '## 0.1.0"),
        ("# Changelog\n\n## 0.2.0 - 2026-11-21\n\n## 0.1.0 - 2026-10-01\n", "says nothing"),
    ],
)
def test_a_changelog_that_disagrees(tmp_path: Path, changelog: str, words: str) -> None:
    [problem] = release.problems(make(tmp_path, changelog=changelog), root=tmp_path)
    assert words in problem


def test_a_private_package_is_not_released(tmp_path: Path) -> None:
    package = make(tmp_path, classifiers='"Private :: Do Not Upload"')
    [problem] = release.problems(package, root=tmp_path)
    assert "marked 'Private" in problem


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("voice-data", "without a version"),
        ("voice-data>=0.1,<0.2", "does not admit voice-data 0.2.0"),
        ("voice_data>=0.3", "does not admit voice-data 0.2.0"),
    ],
)
def test_a_sibling_that_the_metadata_excludes(tmp_path: Path, requirement: str, words: str) -> None:
    make(tmp_path)
    package = make(tmp_path, "jepa-tts", dependencies=f'"numpy", "{requirement}"')
    [problem] = release.problems(package, root=tmp_path)
    assert words in problem


def test_a_sibling_that_the_metadata_admits(tmp_path: Path) -> None:
    make(tmp_path)
    package = make(tmp_path, "jepa-tts", dependencies='"voice-data>=0.2,<0.3"')
    assert release.problems(package, root=tmp_path) == []


def test_the_tag_must_be_the_version_s_and_here(tmp_path: Path) -> None:
    package = make(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Begin")
    [problem] = release.problems(package, "voice-data-v0.1.0", tmp_path)
    assert "released as 'voice-data-v0.2.0'" in problem
    [problem] = release.problems(package, "voice-data-v0.2.0", tmp_path)
    assert "not on the commit" in problem
    git(tmp_path, "tag", "voice-data-v0.2.0")
    assert release.problems(package, "voice-data-v0.2.0", tmp_path) == []


def test_the_command_reports_on_stderr_and_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make(tmp_path)
    monkeypatch.setattr(release, "load_package", lambda name: package)
    assert release.main(["voice-data"]) == 0
    assert "git tag -a voice-data-v0.2.0" in capsys.readouterr().out
    assert release.main(["voice-data", "v0.2.0"]) == 1
    assert "does not fit" in capsys.readouterr().err


def test_the_command_refuses_an_unknown_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        release.main(["no-such-package"])
    assert caught.value.code == 2
    assert "there are: audio-projector" in capsys.readouterr().err
