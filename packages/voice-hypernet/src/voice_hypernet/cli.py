"""The command ``voice-hypernet``, whose verbs are also ``t2a-prepare``, ``t2a-generate``, ...

Exit status: 0 done, 1 the job failed, 2 the call was wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from voice_data.console import clips_bar, configured, job, load, seeded, show, with_json
from voice_hypernet import __version__

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)
METRICS = (
    "similarity", "of_ceiling", "wer", "distillmos", "main",
    "gender", "pitch", "rate", "range", "brightness", "loudness",
    "rivals", "variance", "blending", "speed",
)  # fmt: skip
FORMATS = ("safetensors", "safetensors-f16")

modelled = click.option("--model", help="A hypernetwork's folder or hub id.  [default: shipped]")
worded = click.option("--text", "texts", multiple=True, help="A description of a voice.")
alike = click.option("--like", "--audio", "clip", type=FILE, help="A clip whose voice to take.")
strong = click.option("--strength", type=click.FloatRange(0.0, 4.0),
                      help="From the neutral voice.  [default: the model's own]")  # fmt: skip
dry = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


def _out(text: str, *, required: bool = False) -> Any:
    return click.option("--out", "--output", "out", type=NEW, required=required, help=text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="voice-hypernet")
def main() -> None:
    """A description or a clip becomes a voice: adapters in one forward pass."""


@main.command()
@worded
@alike
@click.option("--blend", "blended", multiple=True, metavar="DIR=WEIGHT", help="Mix voices.")
@modelled
@strong
@click.option("--rank", type=click.IntRange(1, 1024), help="Of the adapters.  [default: trained]")
@click.option("--alpha", type=click.FloatRange(min=0.0, min_open=True), help="Over rank: scale.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True,
              help="A PEFT folder, in single or half precision.")  # fmt: skip
@click.option("--consent", default="", help="What the speaker of the clip agreed to.")
@_out("The folder of the voice; of several, folders in it.")
@dry
@with_json
@job
def generate(
    texts: tuple[str, ...], clip: Path | None, blended: tuple[str, ...], model: str | None,
    kind: str, out: Path | None, dry_run: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Make voices from descriptions, a clip, or both, as folders that tts-lora and PEFT load."""
    from voice_hypernet import console, generation
    from voice_hypernet.voices import VoiceHypernet

    asked = console.request(texts, clip, blended, options)
    if out is None and not dry_run:
        raise click.UsageError("Missing --out: give it, or --dry-run")
    places = generation.folders(out, texts) if out is not None else []
    voices = generation.make(VoiceHypernet.from_pretrained(model), asked)
    console.warn(voices)
    console.finish(voices, places, half=kind == FORMATS[1], dry_run=dry_run, as_json=as_json)


@main.command()
@click.option("--data", type=FOLDER, help="An encoded set of `voice-data encode`.")
@_out("What was heard and measured, for `train`.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.")
@click.option("--clips", type=click.IntRange(min=1), help="Of a speaker that are measured.")
@configured
@seeded
@with_json
@job
def prepare(config: Path | None, overrides: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Hear every clip of a training set and measure its speakers; a killed call goes on."""
    from voice_hypernet import console
    from voice_hypernet.preparation import PrepareConfig
    from voice_hypernet.preparation import prepare as run

    if config is None:
        console.require({"--data": options["data"], "--out": options["out"]})
    settings = load(PrepareConfig, config, overrides, options)
    with clips_bar() as on_clip:
        done = run(settings, on_clip=on_clip)
    line = f"{done.folder}: {done.voices} voices, {done.clips} clips, {len(done.unheard)} unheard"
    show(console.plain(done), [line], as_json)


@main.command()
@click.option("--data", type=FOLDER, help="An encoded set of `voice-data encode`.")
@click.option("--voices", type=FOLDER, help="What `prepare` made of it.")
@_out("The run's folder.")
@click.option("--base", help="A speech model.  [default: jepa-tts]")
@click.option("--encoder", help="Of descriptions: a folder or hub id.  [default: shipped]")
@click.option("--objective", type=click.Choice(("speech", "reconstruction")),
              help="Through the base, or from trained adapters.  [default: speech]")  # fmt: skip
@click.option("--adapters", type=FOLDER, help="Trained adapters, in folders named as the voices.")
@click.option("--steps", type=click.IntRange(min=1), help="Of training, in all.")
@click.option("--rank", "rank", type=click.IntRange(1, 1024), help="Of the adapters.")
@click.option("--alpha", "alpha", type=click.FloatRange(min=0.0, min_open=True), help="Scale.")
@click.option("--resume", type=FOLDER, help="A run to go on with, with its own settings.")
@dry
@configured
@seeded
@with_json
@job
def train(
    config: Path | None, overrides: tuple[str, ...], resume: Path | None, dry_run: bool,
    as_json: bool, rank: int | None, alpha: float | None, **options: Any,
) -> None:  # fmt: skip
    """Train a hypernetwork through the frozen base, or go on where a killed run stopped."""
    from voice_hypernet import console

    options |= {"model.hypernet.lora.rank": rank, "model.hypernet.lora.alpha": alpha}
    settings = console.train_config(config, overrides, options, resume)
    if dry_run:
        show(console.plain(settings), [console.planned(settings)], as_json)
        return
    from voice_hypernet.train import train as run

    done = run(settings)
    losses = ", ".join(f"{name} {value:.4f}" for name, value in done.held_out.items())
    show(console.plain(done), [f"{done.folder}: {done.steps} steps; held out: {losses}"], as_json)


@main.command()
@modelled
@click.option("--data", "--test-data", "data", type=FOLDER, help="The encoded set of training.")
@click.option("--voices", type=FOLDER, help="What `prepare` made of it.")
@click.option("--texts", type=FILE, help="Sentences to say, one per line.")
@click.option("--descriptions", type=FILE, help="JSON lines: text, language, tags.")
@click.option("--metrics", "metrics", multiple=True, type=click.Choice(METRICS),
              help="Print one; the last four are measured only if asked for.")  # fmt: skip
@_out("For the report and what was spoken.")
@configured
@seeded
@with_json
@job
def evaluate(
    model: str | None, metrics: tuple[str, ...], config: Path | None, overrides: tuple[str, ...],
    as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Measure voices of unseen speakers and descriptions, beside every control."""
    from voice_hypernet import console
    from voice_hypernet.evaluate import EvaluateConfig

    options |= {"hypernet": model, "parts": console.parts_of(metrics)}
    if config is None:
        needed = ("out",) if metrics == ("speed",) else ("data", "voices", "texts", "out")
        console.require({f"--{name}": options[name] for name in needed})
    settings = load(EvaluateConfig, config, overrides, options)
    from voice_hypernet.judgement import evaluate as run
    from voice_hypernet.judgement import markdown

    report = run(settings)
    lines = console.report_lines(report, metrics) if metrics else [markdown(report)]
    show(report, lines, as_json)


@main.command()
@worded
@alike
@modelled
@strong
@click.option("--say", "sentence", help="What the voices say.")
@click.option("--interactive", is_flag=True, help="Ask for one description after another.")
@click.option("--base", help="A speech model.  [default: the hypernetwork's own]")
@_out("The folder for the sound files.", required=True)
@seeded
@job
def demo(
    texts: tuple[str, ...], clip: Path | None, interactive: bool, model: str | None,
    base: str | None, out: Path, **options: Any,
) -> None:  # fmt: skip
    """Hear voices: each description says a sentence into a file of its own."""
    from voice_hypernet import console

    if not (texts or clip or interactive):
        raise click.UsageError("say what voice: give --text, --like, or --interactive")
    shown = console.demo(model, base, out, clip=clip, **options)
    for text in console.checked_texts(texts) or ((None,) if clip and not interactive else ()):
        shown(text)
    if interactive:
        console.converse(shown)
