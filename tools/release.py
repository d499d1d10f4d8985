"""Check that a package's version, changelog and tag agree before it is released.

    python tools/release.py voice-data                      # what still stands in the way?
    python tools/release.py voice-data voice-data-v0.1.0    # the same, and the tag must fit

A release is a tag ``PACKAGE-vVERSION``; the release workflow runs this check before it builds.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]

_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_RELEASED = re.compile(r"^(?P<version>\S+) - (?P<date>\d{4}-\d{2}-\d{2})$")
_ASSIGNED = re.compile(r'^__version__ = "(?P<version>[^"]*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One workspace package as its files describe it."""

    folder: Path
    project: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.project["name"])

    @property
    def version(self) -> str:
        return str(self.project["version"])

    @property
    def tag(self) -> str:
        """The only tag under which this version may be released."""
        return f"{self.name}-v{self.version}"


def load_package(name: str, root: Path = ROOT) -> Package:
    """Read ``packages/NAME``. Raises FileNotFoundError, naming the packages that exist."""
    folder = root / "packages" / name
    if not (folder / "pyproject.toml").is_file():
        files = root.glob("packages/*/pyproject.toml")
        known = ", ".join(sorted(file.parent.name for file in files))
        raise FileNotFoundError(f"no package {name!r} in packages/; there are: {known}")
    table = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return Package(folder=folder, project=table["project"])


def version_problems(package: Package) -> list[str]:
    """The version is canonical, and a ``__version__`` in the source repeats it."""
    try:
        canonical = str(Version(package.version))
    except InvalidVersion:
        return [f"version {package.version!r} is not a version; write it like 0.1.0"]
    found = []
    if canonical != package.version:
        found.append(f"version {package.version!r} is not canonical; write {canonical!r}")
    for source in package.folder.glob("src/*/__init__.py"):
        assigned = _ASSIGNED.search(source.read_text(encoding="utf-8"))
        if assigned and assigned["version"] != package.version:
            found.append(
                f"__version__ in {source.relative_to(package.folder)} is {assigned['version']!r}, "
                f"pyproject.toml says {package.version!r}"
            )
    return found


def changelog_problems(package: Package) -> list[str]:
    """The newest dated entry of the changelog is this version's, and it says something."""
    text = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [each for each in _HEADING.finditer(text) if each["title"] != "Unreleased"]
    wanted = f"'## {package.version} - YYYY-MM-DD'"
    if not headings:
        return [f"CHANGELOG.md has no entry; add {wanted}"]
    newest = headings[0]
    entry = _RELEASED.match(newest["title"])
    if entry is None or entry["version"] != package.version:
        return [f"CHANGELOG.md begins with '## {newest['title']}'; a release needs {wanted}"]
    end = headings[1].start() if len(headings) > 1 else len(text)
    if not text[newest.end() : end].strip():
        return [f"CHANGELOG.md says nothing about {package.version}; list what changed"]
    return []


def requirement_problems(package: Package, root: Path = ROOT) -> list[str]:
    """Every sibling that it needs is admitted at the version that it was tested with."""
    found = []
    for line in package.project.get("dependencies", []):
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if not (root / "packages" / name / "pyproject.toml").is_file():
            continue
        sibling = load_package(name, root)
        if not requirement.specifier:
            found.append(f"{name} is required without a version; write {name}>=X.Y,<X.Z")
        elif not requirement.specifier.contains(sibling.version, prereleases=True):
            found.append(
                f"{line!r} does not admit {name} {sibling.version}, the one that is tested"
            )
    return found


def tag_problems(package: Package, tag: str) -> list[str]:
    """The tag names this package and version, and it is on the commit that is checked out."""
    if tag != package.tag:
        return [f"tag {tag!r} does not fit; {package.version} is released as {package.tag!r}"]
    command = ["git", "tag", "--points-at", "HEAD"]
    here = subprocess.run(command, cwd=package.folder, capture_output=True, text=True, check=False)
    if tag not in here.stdout.split():
        return [f"tag {tag!r} is not on the commit that is checked out; git checkout {tag}"]
    return []


def problems(package: Package, tag: str | None = None, root: Path = ROOT) -> list[str]:
    """Everything that stands in the way of releasing ``package``, one sentence each."""
    private = "Private :: Do Not Upload" in package.project.get("classifiers", [])
    return [
        *([f"{package.name} is marked 'Private :: Do Not Upload'"] if private else []),
        *version_problems(package),
        *changelog_problems(package),
        *requirement_problems(package, root),
        *(tag_problems(package, tag) if tag is not None else []),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print every problem; 0 when there is none, 1 when there is, 2 for an unknown package."""
    parser = argparse.ArgumentParser(description="Check version, changelog and tag of a package.")
    parser.add_argument("package", help="a folder of packages/, such as voice-data")
    parser.add_argument("tag", nargs="?", help="the tag of the release, such as voice-data-v0.1.0")
    options = parser.parse_args(arguments)
    try:
        package = load_package(options.package)
    except FileNotFoundError as error:
        parser.error(str(error))
    found = problems(package, options.tag)
    for problem in found:
        print(f"{package.name}: {problem}", file=sys.stderr)
    if not found:
        step = "release it" if options.tag else f"tag it: git tag -a {package.tag}"
        print(f"{package.name} {package.version} is ready; {step}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
