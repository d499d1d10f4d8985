"""Every check of the workspace. `nox` alone runs the default set; `nox -l` lists the rest.

Each session installs what it needs, at the versions of uv.lock, into an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
APPS = sorted(path.parent.name for path in ROOT.glob("apps/*/pyproject.toml"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
ON_TWO = ["jepa-tts", "voice-data"]  # tested on a second Python by default; all are in the workflow
CONFLICTING = ["qwen", "unsloth"]  # extras that pin what others need newer


def enable_pyenv() -> None:
    """Let pyenv's shims start every installed Python, not only the one that is selected."""
    pyenv = shutil.which("pyenv")
    if pyenv is None or "PYENV_VERSION" in os.environ:
        return

    def ask(*words: str) -> list[str]:
        answer = subprocess.run([pyenv, *words], capture_output=True, text=True, check=False)
        return answer.stdout.replace(":", "\n").split()

    wanted = [name for name in ask("versions", "--bare") if name.rpartition(".")[0] in PYTHONS]
    os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys(ask("version-name") + wanted))


def default_pythons() -> list[str]:
    """The Python that runs nox, and the newest other one on this machine."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = [each for each in PYTHONS if each != running and shutil.which(f"python{each}")]
    return sorted({running, *others[-1:]})


def default_tests() -> list[str]:
    """Every package on one Python, and on the newest other one those that all others stand on."""
    pythons = default_pythons()
    first = MAIN if MAIN in pythons else pythons[0]
    second = [python for python in pythons if python != first]
    return [f"tests-{first}({package})" for package in PACKAGES] + [
        f"tests-{python}({package})" for python in second for package in ON_TWO
    ]


enable_pyenv()
MAIN = "3.11" if shutil.which("python3.11") else default_pythons()[0]

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # a Python that is not here is skipped, aloud
nox.options.download_python = "never"
nox.options.sessions = [
    "lint",
    "typecheck",
    *default_tests(),
    "qwen",
    "integration",
    *(f"build({package})" for package in PACKAGES),
]

each_package = nox.parametrize("package", [nox.param(name, id=name) for name in PACKAGES])


def sync(session: nox.Session, *arguments: str) -> None:
    """Make the session's environment hold exactly what ``arguments`` select from uv.lock."""
    location = session.virtualenv.location
    session.run_install(
        "uv", "sync", "--quiet", *arguments, f"--python={location}",
        env={"UV_PROJECT_ENVIRONMENT": location},
    )  # fmt: skip


def fresh_members() -> list[str]:
    """Have uv build the members anew: its cache does not notice a change in their sources."""
    return [f"--reinstall-package={name}" for name in [*PACKAGES, *APPS]]


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    sync(session, "--only-group=lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=MAIN)
def typecheck(session: nox.Session) -> None:
    """Pyright over the packages, the apps, the tools and this file."""
    sync(session, "--group=dev")
    session.run("pyright", *session.posargs)


@nox.session(python=PYTHONS)
@each_package
def tests(session: nox.Session, package: str) -> None:
    """One package's tests, with no other package of ours installed but voice-data."""
    sync(session, f"--package={package}", "--group=test", "--no-editable", *fresh_members())
    session.run("pytest", f"packages/{package}/tests", *session.posargs)


@nox.session(python=PYTHONS[0], reuse_venv=False)
@each_package
def minimums(session: nox.Session, package: str) -> None:
    """One package's tests with the oldest versions that its metadata allows."""
    group = f"packages/{package}/pyproject.toml:test"
    session.install(
        "--resolution=lowest-direct", f"--group={group}", f"./packages/{package}", *fresh_members()
    )
    session.run("pytest", f"packages/{package}/tests", *session.posargs)


@nox.session(python=MAIN)
def integration(session: nox.Session) -> None:
    """What needs two packages, an app or the repository itself."""
    apart = [f"--no-extra={extra}" for extra in CONFLICTING]
    sync(session, "--group=test", "--all-packages", "--all-extras", *apart)
    session.run("pytest", "tests", "apps", *session.posargs)


@nox.session(python=MAIN)
def qwen(session: nox.Session) -> None:
    """The family of tts-lora whose package cannot share an environment with the others."""
    together = ["--package=tts-lora", "--package=audio-projector", "--extra=qwen", "--extra=train"]
    sync(session, *together, "--group=test", *fresh_members())
    own = (f"packages/tts-lora/tests/test_qwen3_{part}.py" for part in ("tts", "states"))
    session.run("pytest", *own, "tests/test_projector_into_qwen.py", *session.posargs)


@nox.session(python=MAIN, reuse_venv=False)
@each_package
def build(session: nox.Session, package: str) -> None:
    """Build the wheel, install it alone in an empty environment, import it, run its commands."""
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    # Both wheels by path: uv's cache does not notice a change in one that it finds by version.
    for name in dict.fromkeys(["voice-data", package]):
        session.run_install("uv", "build", "--quiet", f"--package={name}", f"--out-dir={dist}")
    session.install(*map(str, dist.glob("*.whl")))
    wheel = next(dist.glob(f"{package.replace('-', '_')}-*.whl"))
    session.run("python", "tools/check_wheel.py", str(wheel))


@nox.session(python=MAIN)
@each_package
def release(session: nox.Session, package: str) -> None:
    """Check that version, changelog and tag agree: `nox -s "release(voice-data)" -- TAG`."""
    sync(session, "--only-group=test")
    session.run("python", "tools/release.py", package, *session.posargs)


@nox.session(python=MAIN)
def lock(session: nox.Session) -> None:
    """Resolve uv.lock again and take every index address out of it. Arguments go to `uv lock`."""
    session.run_install("uv", "lock", *session.posargs)
    session.run("python", "tools/lock.py")
