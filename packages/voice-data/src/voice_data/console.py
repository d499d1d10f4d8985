"""What all commands share: options, settings, output, and errors in one line."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

T = TypeVar("T")
Command = Callable[..., Any]

with_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
seeded = click.option("--seed", type=click.IntRange(min=0), help="Decides every random choice.")


def out_option(text: str, *, required: bool = True) -> Callable[[Command], Command]:
    """The option --out."""
    return click.option("--out", required=required, type=click.Path(path_type=Path), help=text)


def configured(function: Command) -> Command:
    """Give a command --config and --set."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    override = click.option(
        "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change one setting."
    )
    return click.option("--config", type=file, help="Settings in YAML.")(override(function))


def job(function: Command) -> Command:
    """Give a command --debug, and turn its errors into one line and exit status 1."""

    @click.option("--debug", is_flag=True, help="More messages, and the traceback of an error.")
    @functools.wraps(function)
    def wrapped(*args: Any, debug: bool, **options: Any) -> None:
        level = logging.INFO if debug else logging.WARNING
        logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
        try:
            function(*args, **options)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if debug:
                raise
            raise click.ClickException(_one_line(error)) from None

    return wrapped


def load(
    cls: type[T],
    path: Path | None,
    overrides: Iterable[str],
    options: Mapping[str, object] | None = None,
) -> T:
    """Settings from --config, --set and options of their own; a mistake in them is a wrong call.

    Raises:
        click.UsageError: naming the key, its value and what is valid.
    """
    from voice_data.config import ConfigError, load_config

    given = (f"{key}={value}" for key, value in (options or {}).items() if value is not None)
    try:
        return load_config(cls, path, [*overrides, *given])
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def sources_json(folders: Sequence[str | Path], told: Mapping[str, str]) -> str | None:
    """FOLDER... and what was said of them as the setting ``sources``; ``None`` without folders.

    Raises:
        click.UsageError: if something is said of no folder.
    """
    told = {name: value for name, value in told.items() if value}
    if told and not folders:
        raise click.UsageError(f"--{next(iter(told))} says something of FOLDER: give one")
    return json.dumps([{"folder": str(each), **told} for each in folders]) if folders else None


@contextmanager
def clips_bar() -> Iterator[Callable[[int, int], None]]:
    """Something to call with clips done and clips in all; it draws only on a terminal."""
    from tqdm import tqdm

    with tqdm(unit="clip", disable=not sys.stderr.isatty(), file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield tell


def show(values: Mapping[str, Any], lines: Iterable[str], as_json: bool) -> None:
    """Print a result: ``values`` as JSON, or ``lines`` for people."""
    click.echo(json_text(values).rstrip() if as_json else "\n".join(lines))


def json_text(values: Mapping[str, Any]) -> str:
    """Indented JSON with a line end."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError, ImportError, RuntimeError)) and text:
        return text
    return f"unexpected {type(error).__name__}: {text}; --debug shows where"
