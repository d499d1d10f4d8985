"""The command ``clone``: a folder of recordings in, a voice out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clone.cloning import METRICS, SAMPLE, CloneConfig
from voice_data.account import survey_lines
from voice_data.console import clips_bar, job, out_option, show, with_json

if TYPE_CHECKING:
    from clone.cloning import Cloned

SIZES = ("small", "medium", "large")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@out_option("The folder of the voice.")
@click.option("--base", default="jepa-tts", show_default=True, help="The model that learns it.")
@click.option("--speaker", default="", help="Who speaks, if the index does not say.")
@click.option("--language", default="", help="What is spoken, such as en.")
@click.option("--licence", default="", help="On what terms the recordings may be used.")
@click.option("--consent", default="", help="What the speaker agreed to: self, granted, ...")
@click.option("--text", default=SAMPLE, show_default=True, help="What the sample says.")
@click.option("--size", type=click.Choice(SIZES), help="A preset.  [default: by the clips]")
@click.option("--train", multiple=True, metavar="KEY=VALUE", help="A setting of training.")
@click.option("--sentences", default=12, show_default=True, help="Held-out ones to judge by.")
@click.option("--validate/--no-validate", default=True, help="Whether to judge it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", default="", help="Where the model runs, such as cpu or cuda.")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken.")
@with_json
@job
def main(
    folder: Path, out: Path, validate: bool, size: str | None, dry_run: bool, as_json: bool,
    speaker: str, language: str, licence: str, consent: str, base: str, text: str,
    train: tuple[str, ...], sentences: int, seed: int, device: str,
) -> None:  # fmt: skip
    """Learn the voice in FOLDER, of whoever agreed to that.

    FOLDER holds recordings and a list of what they say, in any layout that voice-data reads; it is
    only read. The same call goes on after a kill.
    """
    from voice_data.encoded import SourceConfig

    source = SourceConfig(
        folder=str(folder), speaker=speaker, language=language, licence=licence, consent=consent
    )
    config = checked(
        CloneConfig, source=source, out=out, base=base, text=text, size=size or "", train=train,
        metrics=METRICS if validate else (), sentences=sentences, seed=seed, device=device,
    )  # fmt: skip
    if dry_run:
        from clone.cloning import plan

        found = plan(config)
        show({"source": asdict(found), "out": str(out)}, survey_lines([found]), as_json)
        return
    from clone.cloning import clone

    with clips_bar() as on_clip:
        done = clone(config, on_step=lambda step: click.echo(step, err=True), on_clip=on_clip)
    show(done.to_dict(), lines(done), as_json)
    if not done.ok:
        raise click.exceptions.Exit(1)


def checked(kind: type[CloneConfig], **values: object) -> CloneConfig:
    """The settings; a wrong one is a wrong call, before any work.

    Raises:
        click.UsageError: naming it.
    """
    try:
        config = kind(**values)  # pyright: ignore[reportArgumentType]
        config.train_config(unseen=True)
        return config
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def lines(done: Cloned) -> list[str]:
    """How it went, and what to do with the voice."""
    from tts_lora.scorecard import lines as judged

    minutes = f"{done.clips} clips, {done.seconds / 60:.1f} minutes"
    known = f"licence {done.licence or 'unknown'}, consent {done.consent or 'unknown'}"
    return [
        *(judged(done.validation) if done.validation else ["not validated"]),
        f"{done.adapter}: {minutes}, {done.steps} steps; {known}",
        f"{done.sample}: a sample; more with: tts-lora speak --adapter {done.adapter} TEXT --out F",
    ]
