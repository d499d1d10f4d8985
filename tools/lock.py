"""Take every index address out of uv.lock, so that the committed file names no host.

    python tools/lock.py            # rewrite uv.lock
    python tools/lock.py --check    # change nothing; exit 1 if it names a host

uv trusts the addresses in a lock as long as its ``[package.metadata]`` tables match the
projects. Without those tables it resolves again on the first sync, with the file's versions as
its pins, and writes the addresses of the index in use back. So the neutral file serves everyone.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "uv.lock"
NOWHERE = "https://index.invalid"

_HOST = re.compile(r"https?://[^/\"\s]+")
_METADATA = re.compile(r"^\[package\.metadata[^\n]*\]\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)


def neutral(text: str) -> str:
    """Return a lock's text without metadata tables and without hosts. Idempotent."""
    return _HOST.sub(NOWHERE, _METADATA.sub("", text)).rstrip("\n") + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Rewrite or check one lock; 1 means that ``--check`` found addresses in it."""
    parser = argparse.ArgumentParser(description="Take every index address out of uv.lock.")
    parser.add_argument("file", nargs="?", type=Path, default=LOCK)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if needed")
    options = parser.parse_args(arguments)
    path: Path = options.file
    before = path.read_text(encoding="utf-8")
    after = neutral(before)
    if after == before:
        return 0
    if options.check:
        print(f"{path.name} names an index; run `nox -s lock`", file=sys.stderr)
        return 1
    scratch = path.with_suffix(".lock.new")
    scratch.write_text(after, encoding="utf-8")
    os.replace(scratch, path)  # noqa: PTH105  # atomic, so an interrupted run leaves the old file
    print(f"{path.name} is index-neutral", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
