"""What the verbs share: options into settings, and results as lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from audio_projector.agreement import Agreement
    from audio_projector.bridge import Spoken
    from audio_projector.cache import StatesCache
    from audio_projector.download import Fetched
    from audio_projector.epoch import Epoch
    from audio_projector.evaluate import Scores
    from audio_projector.measure import Figures


def plain(result: Any) -> dict[str, Any]:
    """A result as plain values for JSON."""
    return json.loads(json.dumps(asdict(result), default=str))


def use_threads(threads: int | None) -> None:
    """Let torch use so many threads."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def check_sound(out: Path) -> None:
    """Refuse a file name that no sound format goes with, before any work.

    Raises:
        click.UsageError: listing the endings that do.
    """
    from voice_data.container import SUFFIXES

    if out.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--out: {out.name!r} must end in one of {', '.join(SUFFIXES)}")


def numbers(text: str) -> list[int]:
    """``0,8`` as numbers.

    Raises:
        click.UsageError: if they are none.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--layers must be numbers with commas between them, not {text!r}"
        ) from None


def named(projectors: Sequence[str]) -> dict[str, str]:
    """``NAME=DIR`` or ``DIR`` as folders by name; the shipped projector without any.

    Raises:
        click.UsageError: if a folder does not exist or a name comes twice.
    """
    found: dict[str, str] = {}
    for each in projectors:
        name, _, folder = each.rpartition("=")
        name = name or Path(folder).name
        if name in found or (folder and not Path(folder).is_dir()):
            reason = "comes twice" if name in found else f"has no folder {folder!r}"
            raise click.UsageError(f"--projector: {name!r} {reason}")
        found[name] = folder
    return found or {"shipped": ""}


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Something to call with how many of how many are done; it draws only on a terminal."""
    from tqdm import tqdm

    with tqdm(unit=unit, disable=not sys.stderr.isatty(), file=sys.stderr) as shown:

        def tell(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield tell


def tell_part(spoken: Spoken) -> None:
    """The text of a part, on standard error, when it is heard."""
    click.echo(spoken.text, err=True)


def tell_system(scores: Scores) -> None:
    """One line per system, on standard error, when it is done."""
    click.echo(f"{scores.system}: done", err=True)


def fetched(found: Sequence[Fetched]) -> list[str]:
    """Models with sizes, places and licences."""
    lines = []
    for each in found:
        licence = each.licence or "its card names no licence: read its terms before you use it"
        lines.append(f"{each.model}: {each.bytes / 1e6:.0f} MB, {licence}: {each.folder}")
    return lines or ["nothing ships with this installation: name a hub id"]


def cached(done: StatesCache) -> dict[str, Any]:
    """A cache in figures."""
    index = done.index
    tokens = sum(len(done[i].spans) for i in range(len(done)))
    size = sum((done.folder / name).stat().st_size for name in index.shards)
    return {
        "folder": str(done.folder),
        "texts": len(done),
        "tokens": tokens,
        "layers": list(done.layers),
        "bytes": size,
        "seconds": index.seconds,
        "llm_sha256": index.llm_sha256,
        "tokenizer_sha256": index.tokenizer_sha256,
    }


def cached_line(done: StatesCache) -> str:
    """The same as one line."""
    figures = cached(done)
    return (
        f"{done.folder}: {figures['texts']} texts, {figures['tokens']} tokens, "
        f"{figures['bytes'] / 1e6:.0f} MB, {figures['seconds']:.0f} s"
    )


def measured(found: Sequence[Figures]) -> list[str]:
    """A line per answer."""
    return [
        f"first audio {each.first_audio_ms:.0f} ms after the first of {each.first_tokens} tokens, "
        f"{each.tokens_per_second:.1f} tokens/s, {each.audio_seconds:.1f} s of speech in "
        f"{each.seconds:.1f} s, projector {each.share:.2%}, peak {each.peak_mb:.0f} MB"
        for each in found
    ]


def timed(found: Epoch) -> str:
    """An epoch as one line."""
    return (
        f"{found.texts} texts: {found.llm:.1f} s of the language model or {found.read:.2f} s of "
        f"reading ({found.states_ratio:.0f}x), and {found.steps:.1f} s of steps: training is "
        f"{found.training_ratio:.1f}x as fast"
    )


def agreed(found: Sequence[Agreement]) -> list[str]:
    """A line per layer."""
    return [
        f"layer {each.layer}: cosine at least {each.least_cosine:.6f}, mean "
        f"{each.mean_cosine:.6f}, largest difference {each.largest_difference:.1e} deviations"
        for each in found
    ]
