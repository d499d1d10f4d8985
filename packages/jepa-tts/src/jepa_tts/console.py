"""What the commands share: the text to speak and the file to write, checked before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from voice_data.container import SUFFIXES


def check_ending(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A click callback: refuse a file name that no sound format goes with.

    Raises:
        click.BadParameter: listing the endings that do.
    """
    if Path(value).suffix.lower() not in SUFFIXES:
        endings = ", ".join(sorted(SUFFIXES))
        raise click.BadParameter(f"{value!r} must end in one of {endings}", ctx, parameter)
    return value


def read_text(text: str | None) -> str:
    """The argument, or standard input where it is missing or ``-``.

    Raises:
        click.UsageError: if there is neither.
    """
    if text is not None and text != "-":
        return text
    if text is None and sys.stdin.isatty():
        raise click.UsageError("give a TEXT, or pipe one in")
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")
