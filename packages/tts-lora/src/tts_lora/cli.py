"""The command ``tts-lora``. Exit status: 0 done, 1 the job failed, 2 the call was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tts_lora import __version__
from voice_data.account import encoded_figures, encoded_lines, survey_lines
from voice_data.console import clips_bar, configured, job, load, out_option, seeded, show, with_json

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
SOURCE = click.Path(exists=True, path_type=Path)
METRICS = ("wer", "similarity", "distillmos", "dnsmos", "f0", "rate")

based = click.option("--base", default="", help="A speech model, such as jepa-tts or NAME:FOLDER.")
placed = click.option("--device", default="", help="Where the model runs, such as cpu or cuda.")
dry = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
adapter = click.option("--adapter", required=True, type=FOLDER, help="The folder of an adapter.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="tts-lora")
def main() -> None:
    """Fine-tune any text-to-speech model, and know that it worked."""


@main.command()
@click.argument("folders", nargs=-1, type=SOURCE, metavar="FOLDER...")
@based
@out_option("The training set to make. It appears when everything is done.", required=False)
@click.option("--speaker", help="Who speaks in FOLDER, if its index does not say.")
@click.option("--language", help="What is spoken there, such as en.")
@click.option("--licence", help="On what terms the recordings may be used.")
@click.option("--consent", help="What the speaker agreed to.")
@dry
@configured
@seeded
@with_json
@job
def prepare(
    folders: tuple[Path, ...], dry_run: bool, config: Path | None, overrides: tuple[str, ...],
    as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Check, resample and encode the data sets in FOLDER... for one base model.

    Each is only read. An interrupted call goes on where it stopped.
    """
    from tts_lora import console
    from voice_data.encoded import prepare as run
    from voice_data.encoded import survey

    settings = console.prepare_config(config, overrides, folders, options)
    if dry_run:
        found = survey(settings)
        show({"sources": [console.plain(each) for each in found]}, survey_lines(found), as_json)
        return
    with clips_bar() as on_clip:
        done = run(settings, on_clip=on_clip)
    show(encoded_figures(done), encoded_lines(done), as_json)


@main.command()
@click.option("--data", type=FOLDER, help="A training set of `prepare`.")
@based
@out_option("The folder of the adapter.", required=False)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data.")
@click.option("--size", type=click.Choice(["small", "medium", "large"]), help="A preset.")
@click.option("--resume/--no-resume", default=True, help="Go on with the run in --out.")
@placed
@dry
@configured
@seeded
@with_json
@job
def train(
    dry_run: bool, config: Path | None, overrides: tuple[str, ...], as_json: bool, resume: bool,
    size: str | None, **options: Any,
) -> None:  # fmt: skip
    """Train an adapter, or go on where a killed run stopped."""
    from tts_lora import console
    from tts_lora.train import plan
    from tts_lora.train import train as run

    settings = console.train_config(config, overrides, options, size)
    if dry_run:
        planned = plan(settings)
        show(planned.to_dict(), [*planned.lines(), "nothing was written (dry run)"], as_json)
        return
    done = run(settings, resume=resume)
    line = f"{done.folder}: {done.steps} steps, held-out loss {done.validation:.4f}"
    show(console.plain(done), [done.backend, line], as_json)


@main.command()
@click.argument("text")
@click.option("--adapter", "adapters", required=True, multiple=True, metavar="DIR[=WEIGHT]",
              help="An adapter; several are added up.")  # fmt: skip
@based
@out_option("The sound file, such as out.wav.")
@click.option("--voice", default="", help="One of the base's voices, in place of the adapter's.")
@click.option("--voice-from", type=click.Choice(["condition", "base"]), default="condition",
              show_default=True, help="Whom the base is told to be.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@placed
@with_json
@job
def speak(text: str, adapters: tuple[str, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Speak TEXT with one or more adapters."""
    from tts_lora import console
    from tts_lora.narration import narrate
    from voice_data.audio import write

    console.check_sound(out)
    audio = narrate(text, console.weighted(adapters), **options)
    write(out, audio)
    values = {"file": str(out), "seconds": round(audio.duration, 3), "rate": audio.rate}
    show(values, [f"{out}: {audio.duration:.2f} s"], as_json)


@main.command()
@adapter
@based
@click.option("--data", type=FOLDER, help="A training set with held-out clips.  [default: its own]")
@out_option("For the report.  [default: the adapter's folder]", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="Held-out sentences.")
@click.option("--metric", "metrics", multiple=True, type=click.Choice(METRICS), help="One of them.")
@click.option("--select", "promoting", is_flag=True, help="Let the best checkpoint be the adapter.")
@placed
@configured
@seeded
@with_json
@job
def validate(
    adapter: Path, base: str, data: Path | None, out: Path | None, promoting: bool,
    config: Path | None, overrides: tuple[str, ...], as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Compare base, adapter and checkpoints on held-out text; exit status 1 if it did not work."""
    from tts_lora import console
    from tts_lora.assessment import assess
    from tts_lora.scorecard import lines
    from tts_lora.validate import ValidateConfig

    device = options.pop("device")
    values = console.listed(options)
    settings = load(ValidateConfig, config, overrides, values)
    done = assess(
        adapter, settings, base=base, data=data, out=out, device=device, promoting=promoting
    )
    show(done.to_dict(), lines(done), as_json)
    if done.probe is not None and not done.probe.ok:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("adapters", nargs=-1, required=True, type=FOLDER, metavar="A B...")
@out_option("Also write comparison.json and comparison.html into this folder.", required=False)
@with_json
@job
def compare(adapters: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Show what two or more adapters share: settings, directions, scores."""
    from tts_lora.compare import compare as run

    if len(adapters) < 2:
        raise click.UsageError(f"give at least two adapters, not {len(adapters)}")
    found = run(adapters)
    if out is not None:
        found.save(out)
    show(found.to_dict(), found.lines(), as_json)


@main.command()
@click.option("--data", type=FOLDER, help="A training set of `prepare`.")
@based
@out_option("The folder of the study; best.yaml appears there.", required=False)
@click.option("--trials", type=click.IntRange(min=1), help="In all, earlier calls included.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data in each trial.")
@click.option("--size", type=click.Choice(["small", "medium", "large"]), help="A preset.")
@placed
@configured
@seeded
@click.option("--space", "space", multiple=True, metavar="KEY=VALUE", help="What to try.")
@with_json
@job
def search(
    trials: int | None, config: Path | None, overrides: tuple[str, ...], space: tuple[str, ...],
    size: str | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Search for rank, alpha, learning rate, dropout and targets; a killed search goes on."""
    from tts_lora import console
    from tts_lora.search import SearchConfig
    from tts_lora.search import search as run

    train_settings = console.train_config(config, overrides, options, size)
    seed = options["seed"]
    settings = load(SearchConfig, None, space, {"trials": trials, "seed": seed})
    found = run(train_settings, settings, on_trial=console.tell_trial)
    line = f"{found.file}: loss {found.best.loss:.4f} in trial {found.best.number}"
    show(found.to_dict(), [line], as_json)


@main.command()
@adapter
@based
@out_option("The folder of the merged model.")
@placed
@with_json
@job
def merge(adapter: Path, base: str, out: Path, device: str, as_json: bool) -> None:
    """Write the base model with the adapter in its weights: no cost at run time, one voice."""
    from tts_lora.export import export_merged
    from tts_lora.narration import base_of

    made = export_merged(adapter, out, base_of(adapter, base, device))
    show({"folder": str(made)}, [f"{made}: the base with {adapter} in its weights"], as_json)


@main.command()
@adapter
@based
@click.option("--format", "kind", type=click.Choice(["vllm", "gguf"]), required=True,
              help="For vLLM (a PEFT folder) or llama.cpp (a file).")  # fmt: skip
@out_option("The folder or file to write.")
@with_json
@job
def export(adapter: Path, base: str, kind: str, out: Path, as_json: bool) -> None:
    """Write the adapter of a language model for vLLM or llama.cpp."""
    from tts_lora.export import export_gguf, export_vllm
    from tts_lora.narration import base_of

    if kind == "vllm":
        made = export_vllm(adapter, out)
    else:
        made = export_gguf(adapter, out, base_of(adapter, base, ""))
    show({"out": str(made), "format": kind}, [f"{made}: {adapter} for {kind}"], as_json)
