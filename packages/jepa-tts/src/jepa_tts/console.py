"""What every command shares: one-line errors, and exit codes 2 (wrong call) and 1 (failed job)."""

from __future__ import annotations

import sys
from typing import Any

import click

from voice_data.container import SUFFIXES


class Commands(click.Group):
    """A group whose commands fail with one line on stderr; ``--debug`` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see :func:`fail`."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            fail(error, debug=bool(ctx.params.get("debug")))


def fail(error: Exception, *, debug: bool) -> None:
    """Raise ``error`` itself for ``--debug``, otherwise say it in one line and exit with 1."""
    if debug:
        raise error
    click.echo(f"Error: {one_line(error)}", err=True)
    sys.exit(1)


def one_line(error: Exception) -> str:
    """An exception as a person reads it."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, (ValueError, OSError, ImportError, FloatingPointError)):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split()) or type(error).__name__


def check_ending(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A click callback: refuse a file name that no sound format goes with.

    Raises:
        click.BadParameter: listing the endings that do.
    """
    from pathlib import Path

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
    stream = click.get_text_stream("stdin", encoding="utf-8", errors="replace")
    if text is None and stream.isatty():
        raise click.UsageError("give a TEXT, or pipe one in")
    return stream.read()
