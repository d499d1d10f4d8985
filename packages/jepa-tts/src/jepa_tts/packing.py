"""The verbs that make one folder of weights from another: what ships, what is trained further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jepa_tts.config import SIZES
from voice_data.console import job

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)


@click.command()
@click.option("--model", type=FOLDER, required=True, help="Training folder of the model.")
@click.option("--vocoder", type=FOLDER, required=True, help="Training folder or Vocos directory.")
@click.option("--out", type=NEW, required=True)
@click.option("--card", type=FILE, required=True, help="Model card, Markdown.")
@click.option("--vocoder-card", type=FILE, help="[default: the same card]")
@click.option("--manifest", type=FILE, help="Manifest of the training data, for its hash.")
@click.option("--licence", required=True)
@click.option("--consent", default="")
@click.option("--command", default="", help="The command that trained it.")
@click.option("--bits", type=click.Choice(["8", "16"]), default="8", show_default=True)
@click.option("--vocoder-bits", type=click.Choice(["8", "16"]), default="8", show_default=True)
@click.option("--postfilter", type=click.FloatRange(0.0, 2.0), default=0.0, show_default=True,
              help="Sharpen the vocoder's envelopes by this gain; 0.4 suits most.")  # fmt: skip
@click.option(
    "--phase",
    type=click.FloatRange(0.0, 1.0),
    help="Share of the minimum phase; 0.6 suits most.  [default: the vocoder's]",
)
@click.option(
    "--contrast",
    type=click.FloatRange(0.0, 1.0),
    help="Of frames with their neighbours; 0.4 suits most.  [default: the vocoder's]",
)
@job
def pack(model: Path, vocoder: Path, out: Path, **options: Any) -> None:
    """Make the folder that ships from two training folders."""
    from jepa_tts.pack import pack_with_record

    digest = pack_with_record(model, vocoder, out, **options)
    _report(out, digest)


@click.command()
@click.option("--run", type=FOLDER, required=True, help="Model folder of a run with `language`.")
@click.option("--base", type=FOLDER, help="What it started from.  [default: the shipped one]")
@click.option("--out", type=NEW, required=True)
@click.option("--code", required=True, help="Such as hi.")
@click.option("--manifest", type=FILE, required=True, help="Of the training data.")
@click.option("--strength", type=click.FloatRange(0.0, 2.0), default=1.0, show_default=True,
              help="Share of what the predictor learnt.")  # fmt: skip
@click.option("--card", type=FILE, required=True, help="Model card, Markdown.")
@click.option("--licence", required=True)
@click.option("--consent", default="")
@click.option("--command", default="", help="The command that trained it.")
@job
def pack_language(run: Path, out: Path, card: Path, **options: Any) -> None:
    """Make the folder of a language, for the folder `languages` of its checkpoint."""
    from jepa_tts.language_pack import package_language

    _report(out, package_language(run, out, card=card.read_text("utf-8"), **options))


@click.command()
@click.argument("checkpoint", type=FOLDER)
@click.argument("out", type=NEW)
@click.option("--size", type=click.Choice(list(SIZES)), default="base", show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the weights that are new.")
@job
def grow(checkpoint: Path, out: Path, size: str, seed: int) -> None:
    """Make a larger model that begins where CHECKPOINT ended, to train it further."""
    import torch

    from jepa_tts.checkpoint import load_model, save_model
    from jepa_tts.growth import grow as run

    if out.exists():
        raise click.UsageError(f"{out} already exists: name another folder")
    torch.manual_seed(seed)
    larger = run(load_model(checkpoint), SIZES[size])
    save_model(larger, out)
    click.echo(f"{out}: {larger.network_size() / 1e6:.1f} M parameters; next: autoencode, encode")


def _report(out: Path, digest: str) -> None:
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    click.echo(f"{out}: {size / 2**20:.1f} MiB, weights {digest[:16]}")
