"""Check a wheel in an environment that holds it, its dependencies and nothing else.

    python tools/check_wheel.py dist/voice_data-0.1.0-py3-none-any.whl

It must carry every source file (the shipped weights too), import each of its modules with the core
dependencies alone, load no torch on ``import``, and answer ``--help`` for each of its commands.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
SHARED = "voice-data"


def content_problems(wheel: Path, source: Path) -> Iterator[str]:
    """Yield what the wheel lacks, and what has no place in it.

    ``source`` is the ``src`` folder that the wheel was built from.
    """
    names = {PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()}
    paths = [path for path in source.rglob("*") if path.is_file()]
    wanted = {PurePosixPath(path.relative_to(source)) for path in paths if path.suffix != ".pyc"}
    roots = {path.name for path in source.iterdir()}
    for missing in sorted(wanted - names):
        yield f"{missing} is not in the wheel"
    for name in sorted(names - wanted):
        if not name.parts[0].endswith(".dist-info"):
            yield f"{name} is in the wheel and not in src"
    if not any(name.match("*.dist-info/licenses/LICENSE") for name in names):
        yield "the wheel has no LICENSE"
    for root in sorted(roots):
        if PurePosixPath(root, "py.typed") not in names:
            yield f"{root}/py.typed is not in the wheel: its types would be ignored"


def neighbour_problems(package: str, siblings: set[str]) -> Iterator[str]:
    """Yield the workspace packages that are installed and should not be."""
    present = {each.metadata["Name"] for each in importlib.metadata.distributions()}
    for name in sorted(present & (siblings - {package, SHARED})):
        yield f"{name} is installed too, so the check proves nothing"


def import_problems(name: str) -> Iterator[str]:
    """Import ``name`` and each module below it; yield every failure."""
    package = importlib.import_module(name)
    home = Path(sysconfig.get_path("purelib"))
    if not Path(str(package.__file__)).is_relative_to(home):
        yield f"{name} comes from {package.__file__}, not from the wheel"
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if module.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            yield f"{module.name} does not import with the core dependencies: {error}"


def weight_problems(name: str) -> Iterator[str]:
    """Yield a problem when a plain import of ``name`` loads torch."""
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:
        yield f"import {name} loads torch (or fails); import it where it is needed"


def command_problems(package: str) -> Iterator[str]:
    """Load every entry point of ``package`` and run its commands; yield every failure."""
    folder = Path(sysconfig.get_path("scripts"))
    for entry in importlib.metadata.distribution(package).entry_points:
        try:
            entry.load()
        except (ImportError, AttributeError) as error:
            yield f"entry point {entry.name} of {entry.group} leads nowhere: {error}"
            continue
        if entry.group != "console_scripts":
            continue
        command = [folder / entry.name, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or "Usage" not in done.stdout:
            yield f"{entry.name} --help exits {done.returncode}: {done.stderr.strip()}"


def main(arguments: list[str] | None = None) -> int:
    """Print every problem of one wheel; 1 when there is any."""
    parser = argparse.ArgumentParser(description="Check a wheel in an environment of its own.")
    parser.add_argument("wheel", type=Path)
    wheel: Path = parser.parse_args(arguments).wheel
    name = wheel.name.split("-")[0]
    package = name.replace("_", "-")
    siblings = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}
    found = [
        *content_problems(wheel, ROOT / "packages" / package / "src"),
        *neighbour_problems(package, siblings),
        *weight_problems(name),
        *import_problems(name),
        *command_problems(package),
    ]
    for problem in found:
        print(f"{wheel.name}: {problem}", file=sys.stderr)
    if not found:
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB, every module imports")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
