"""What the commands share: requests and settings from the options of a call."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voice_hypernet import grams

if TYPE_CHECKING:
    from voice_hypernet.config import TrainConfig
    from voice_hypernet.generation import Request
    from voice_hypernet.voice import Voice


_OWN_PARTS = ("rivals", "variance", "blending", "speed")
"""Metrics that are a part of the report of their own."""


def checked_texts(texts: Sequence[str]) -> tuple[str, ...]:
    """Descriptions that say something; torch and the encoder are not loaded for this.

    Raises:
        click.UsageError: if one of them holds no word.
    """
    for text in texts:
        try:
            grams.read(text)
        except grams.DescriptionError as error:
            raise click.UsageError(f"--text: {error}") from error
    return tuple(texts)


def request(
    texts: Sequence[str], clip: Path | None, blended: Sequence[str], options: Mapping[str, Any]
) -> Request:
    """The voices that a call asks for.

    Raises:
        click.UsageError: if it asks for none, or for two things at once.
    """
    from voice_hypernet.generation import Request

    if blended and (texts or clip):
        raise click.UsageError("--blend excludes --text and --like: give one or the other")
    if not (blended or texts or clip):
        raise click.UsageError("say what voice: give --text, --like, or --blend")
    return Request(
        texts=checked_texts(texts), clip=clip, blended=tuple(map(_weighted, blended)), **options
    )


def train_config(
    file: Path | None, overrides: Sequence[str], options: Mapping[str, Any], resume: Path | None
) -> TrainConfig:
    """A recipe's settings, or those of the run to resume, then --set and the verb's options.

    Raises:
        click.UsageError: naming what is missing or wrong.
    """
    from voice_data.console import load
    from voice_hypernet.config import TrainConfig
    from voice_hypernet.run import SETTINGS

    given = {name: value for name, value in options.items() if value not in (None, "")}
    if resume is not None:
        if file is not None:
            raise click.UsageError("--resume brings its own settings: leave --config out")
        file = resume / SETTINGS
        if not file.is_file():
            raise click.UsageError(f"--resume: {resume} is no run (it has no {SETTINGS})")
        given["out"] = str(resume)
    elif file is None:
        require({f"--{name}": given.get(name) for name in ("data", "voices", "out")})
    return load(TrainConfig, file, overrides, given)


def require(values: Mapping[str, Any]) -> None:
    """Refuse a call that lacks something that it cannot do without.

    Raises:
        click.UsageError: naming the first.
    """
    for name, value in values.items():
        if not value:
            raise click.UsageError(f"Missing {name}: give it, or a --config that has it")


def warn(voices: Sequence[Voice]) -> None:
    """What was odd, once, on standard error."""
    for line in dict.fromkeys(line for voice in voices for line in voice.warnings):
        click.echo(f"warning: {line}", err=True)


def plain(values: Any) -> dict[str, Any]:
    """A dataclass as plain values for JSON."""
    from dataclasses import asdict

    return json.loads(json.dumps(asdict(values), default=str))


def _weighted(text: str) -> tuple[Path, float]:
    folder, equals, weight = text.rpartition("=")
    path = Path(folder if equals else text)
    try:
        number = float(weight) if equals else 1.0
    except ValueError:
        path, number = Path(text), 1.0
    if not path.is_dir() or not math.isfinite(number):
        raise click.UsageError(f"--blend: {text!r} is no DIR=WEIGHT of a voice's folder")
    return path, number


def finish(
    voices: Sequence[Voice],
    places: Sequence[Path],
    *,
    half: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Save the voices, each in its place, and print what was made."""
    from voice_data.console import show
    from voice_hypernet.generation import described

    made, lines = [], []
    for index, voice in enumerate(voices):
        place = places[index] if places else None
        sha256 = voice.save(place, half=half) if place is not None and not dry_run else ""
        made.append(described(voice, place, sha256))
        lines.append(f"{place or 'a voice'}: {_summary(voice)}")
    if dry_run:
        lines.append("nothing was written (dry run)")
    show({"voices": made}, lines, as_json)


def planned(config: TrainConfig) -> str:
    """One line about a run that is not begun."""
    lora = config.model.hypernet.lora
    return (
        f"{config.steps} steps of {config.batch} frames on {config.data} for {config.base}, rank "
        f"{lora.rank}, alpha {lora.alpha:g}, into {config.out}; nothing was written (dry run)"
    )


def parts_of(metrics: Sequence[str]) -> str | None:
    """The parts of a report that hold the metrics, in JSON; None stands for the usual ones."""
    own = tuple(name for name in metrics if name in _OWN_PARTS)
    rest = () if own and len(own) == len(metrics) else ("clips", "descriptions")
    return json.dumps([*rest, *own]) if own else None


def report_lines(report: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    """The figures ``metrics`` of every way in a report, a line for each way, or their tables."""
    from voice_hypernet.judgement import markdown

    lines = [markdown({name: report[name]}) for name in metrics if name in _OWN_PARTS]
    for part in ("clips", "descriptions"):
        for way, row in report.get(part, {}).items():
            figures = [f"{name} {_figure(row[name])}" for name in metrics if name in row]
            if figures:
                lines.append(f"{part}, {way}: {', '.join(figures)}")
    return lines


def demo(
    model: str | None,
    base: str | None,
    out: Path,
    *,
    clip: Path | None,
    sentence: str | None,
    strength: float | None,
    seed: int | None,
) -> Callable[[str | None], None]:
    """What makes a voice of a description, lets it speak and says so."""
    from voice_data.speech import load_speech_model
    from voice_hypernet.demo import SENTENCE, Demo, lines
    from voice_hypernet.voices import VoiceHypernet

    hypernet = VoiceHypernet.from_pretrained(model)
    loaded = Demo(
        hypernet,
        load_speech_model(base or hypernet.origin.base),
        out,
        sentence=sentence or SENTENCE,
        clip=clip,
        strength=strength,
        seed=seed or 0,
    )

    def shown(text: str | None) -> None:
        click.echo("\n".join(lines(loaded.hear(text))))

    return shown


def converse(shown: Callable[[str | None], None]) -> None:
    """Ask for descriptions until there are no more; one that cannot be used is explained."""
    from voice_hypernet.demo import asked

    if sys.stdin.isatty():
        click.echo("Describe a voice; an empty line ends.", err=True)
    for text in asked(sys.stdin):
        try:
            shown(text)
        except ValueError as error:
            click.echo(f"  {error}", err=True)


def _summary(voice: Voice) -> str:
    named = ", ".join(f"{name} {value}" for name, value in voice.understood.items())
    size = f"rank {voice.rank}, alpha {voice.alpha:g}, for {voice.origin.base}"
    return f"{size}; understood: {named}" if named else size


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else f"{value['right']:.3f}"
