"""The command ``jepa-tts``: every verb parses, makes one call and prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from jepa_tts import __version__
from jepa_tts.console import check_ending, read_text
from jepa_tts.packing import FILE, FOLDER, NEW, grow, pack, pack_language
from voice_data.console import configured, job, load, with_json
from voice_data.storage import write_text


def _model(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb that speaks."""
    for option in (
        click.option("--vocoder", type=FOLDER, help="Another vocoder, also a Vocos directory."),
        click.option("--model", help="Checkpoint folder or hub id.  [default: the shipped one]"),
        click.option("--seed", default=0, show_default=True, help="Equal seeds, equal samples."),
    ):
        command = option(command)
    return command


def _loaded(model: str | None, vocoder: Path | None) -> Any:
    from jepa_tts.tts import JepaTTS

    return JepaTTS.from_pretrained(model, vocoder=vocoder)


_device = click.option(
    "--device", default="auto", show_default=True, help="Of torch, such as cuda."
)
_out = click.option(
    "--out", default="speech.wav", show_default=True, callback=check_ending,
    help="wav, flac, mp3, ogg or opus, by the ending.",
)  # fmt: skip
_language = click.option("--language", default="en", show_default=True, help="Of the text.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="jepa-tts")
def main() -> None:
    """A small joint-embedding-predictive text-to-speech model."""


@main.command()
@click.argument("text", required=False)
@_out
@click.option("--voice", help="A voice's name, or a file of `export-voice`.")
@click.option("--prompt", type=FILE, help="A clip whose voice to take.")
@click.option("--speed", type=click.FloatRange(0.25, 4.0), default=1.0, show_default=True)
@_language
@_model
@job
def synthesize(
    text: str | None, out: str, model: str | None, vocoder: Path | None, **options: Any
) -> None:
    """Speak TEXT (or standard input) into a file."""
    from jepa_tts.recording import record

    spoken = record(_loaded(model, vocoder), read_text(text), out, **options)
    click.echo(f"{out}: {spoken.seconds:.2f} s")


@main.command()
@click.argument("clip", type=FILE)
@_out
@_model
@job
def reconstruct(clip: Path, out: str, model: str | None, vocoder: Path | None, seed: int) -> None:
    """Encode and decode CLIP: what the latents keep of it."""
    from voice_data.audio import write

    audio = _loaded(model, vocoder).reconstruct(clip, seed=seed)
    write(out, audio)
    click.echo(f"{out}: {audio.duration:.2f} s")


@main.command()
@click.argument("text")
@click.argument("clip", type=FILE)
@_out
@click.option("--voice", help="A voice's name or file.  [default: heard from the clip]")
@_language
@_model
@job
def predict(
    text: str, clip: Path, out: str, model: str | None, vocoder: Path | None, **options: Any
) -> None:
    """Predict every frame of CLIP, which says TEXT, from the true frames before it."""
    from voice_data.audio import write

    audio = _loaded(model, vocoder).predict(text, clip, **options)
    write(out, audio)
    click.echo(f"{out}: {audio.duration:.2f} s")


@main.command("export-voice")
@click.argument("clip", type=FILE)
@click.argument("out", type=NEW)
@click.option("--name", help="[default: the file's name]")
@click.option("--licence", default="", help="Terms of the clip.")
@click.option("--consent", default="", help="Who agreed to what.")
@click.option("--model", help="Checkpoint folder or hub id.  [default: the shipped one]")
@click.option("--vocoder", type=FOLDER, hidden=True)
@job
def export_voice(
    clip: Path, out: Path, name: str | None, model: str | None, vocoder: Path | None, **terms: str
) -> None:
    """Hear the voice in CLIP and write it to OUT, a safetensors file for --voice."""
    if out.suffix != ".safetensors":
        raise click.BadParameter(f"{out} must end in .safetensors", param_hint="OUT")
    voice = _loaded(model, vocoder).export_voice(clip, name=name or out.stem, **terms)
    voice.save(out)
    click.echo(f"{out}: voice {voice.name!r} of model {voice.base_sha256[:16]}")


@main.command()
@click.argument("folder", type=FOLDER, required=False)
@job
def info(folder: Path | None) -> None:
    """Verify a checkpoint and show its sizes, voices and provenance as JSON."""
    from jepa_tts.catalogue import shipped, voice_names
    from jepa_tts.languages import scripts_in
    from jepa_tts.pack import load_package

    folder = folder or shipped()
    package = load_package(folder)
    described = {
        "voices": list(voice_names(folder)),
        "languages": {path.name: script for script, path in scripts_in(folder).items()},
        "parameters": package.model.network_size(),
        "vocoder_parameters": sum(p.numel() for p in package.vocoder.parameters()),
        "weights_sha256": package.weights_sha256,
        "provenance": asdict(package.provenance),
        "config": package.model.config.to_dict(),
        "vocoder": package.vocoder.config.to_dict(),
    }
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))


@main.command()
@click.argument("manifest", type=FILE)
@click.argument("cache", type=NEW)
@click.option("--pitch-share", type=click.FloatRange(0.0, 1.0), default=0.25, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Only the first utterances.")
@job
def preprocess(manifest: Path, cache: Path, **options: Any) -> None:
    """Compute the training CACHE of a MANIFEST: mels and pitch."""
    from jepa_tts.preprocess import preprocess as run

    click.echo(f"{cache}: {run(manifest, cache, **options)} utterances")


@main.command()
@click.argument("cache", type=FOLDER)
@click.option("--checkpoint", type=FOLDER, required=True, help="Of the stage `pronounce`.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True)
@_device
@job
def align(cache: Path, checkpoint: Path, batch: int, device: str) -> None:
    """Write the frames of every byte into CACHE."""
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.device import open_device
    from jepa_tts.preprocess import align as run

    model = load_model(checkpoint).eval().to(open_device(device))
    sure = run(model, Corpus(cache, model.config.mel.n_mels), batch=batch)
    click.echo(f"{cache}: sure of {sure:.1%} of the phonemes")


@main.command()
@click.argument("cache", type=FOLDER)
@click.option("--checkpoint", type=FOLDER, required=True, help="Of the stage `autoencode`.")
@_device
@job
def encode(cache: Path, checkpoint: Path, device: str) -> None:
    """Write the latents of every utterance into CACHE."""
    from jepa_tts import preprocess as module
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.device import open_device

    model = load_model(checkpoint).eval().to(open_device(device))
    module.encode(model, Corpus(cache, model.config.mel.n_mels))
    click.echo(f"{cache}: latents of {model.config.latent} dimensions")


@main.command()
@click.argument("cache", type=FOLDER)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--checkpoint", type=FOLDER, required=True, help="Of the stage `decode`.")
@click.option("--seed", default=0, show_default=True)
@job
def force(cache: Path, out: Path, checkpoint: Path, seed: int) -> None:
    """Write a cache OUT of true and predicted mels, to train a vocoder on both."""
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.forced import forced_cache

    model = load_model(checkpoint).eval()
    rows = forced_cache(model, Corpus(cache, model.config.mel.n_mels), out, seed=seed)
    click.echo(f"{out}: {rows} utterances, half of them predicted")


@main.command()
@configured
@click.option("--collapse-guard", is_flag=True, help="Stop if the embeddings lose dimensions.")
@with_json
@job
def train(
    config: Path | None, overrides: tuple[str, ...], collapse_guard: bool, as_json: bool
) -> None:
    """Train one stage (a recipe of recipes/*.yaml), or continue it where it stopped."""
    from jepa_tts.train import train as run
    from jepa_tts.train_config import TrainConfig

    guard = {"collapse_guard": True} if collapse_guard else {}
    figures = run(load(TrainConfig, config, overrides, guard))
    plain = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
    click.echo(json.dumps(figures) if as_json else plain)


@main.command()
@click.argument("cache", type=FOLDER)
@click.option("--model", type=FOLDER, help="Training folder or packed.  [default: the shipped one]")
@click.option("--seconds", type=click.IntRange(2, 120), default=12, show_default=True)
@click.option("--passages", type=click.IntRange(1), default=64, show_default=True)
@click.option("--plot", type=NEW, help="Write a picture, SVG.")
@with_json
@job
def drift(
    cache: Path, model: Path | None, seconds: int, passages: int, plot: Path | None, as_json: bool
) -> None:
    """Hold free-running speech against teacher-forced speech by the second, on the held-out rows of
    an aligned CACHE, joined to passages of --seconds.
    """
    from itertools import islice

    from jepa_tts import drift as module
    from jepa_tts.catalogue import shipped
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus

    network = load_model(model or shipped()).eval()
    mel = network.config.mel
    found = module.passages(Corpus(cache, mel.n_mels), seconds, mel.frame_rate)
    figures = module.drift(network, list(islice(found, passages)), seconds)
    if plot:
        write_text(plot, module.drawn(figures))
    click.echo(json.dumps(asdict(figures) | {"growth": figures.growth}) if as_json
               else module.table(figures))  # fmt: skip


@main.command()
@with_json
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Of every system.  [default: all cores]")
@click.option("--reference/--no-reference", default=True, help="Run hibari and piper, if there.")
@click.option("--plot", type=NEW, help="Write a picture, SVG.")
@_model
@job
def benchmark(
    as_json: bool, model: str | None, vocoder: Path | None, plot: Path | None, **options: Any
) -> None:
    """Measure one stream and batches: speed, first audio, memory; other voices in the same run."""
    from jepa_tts import benchmark as module
    from jepa_tts.benchmark_chart import drawn

    figures = module.benchmark(model, vocoder, **options)
    if plot:
        write_text(plot, drawn(figures))
    click.echo(json.dumps(asdict(figures)) if as_json else module.table(figures))


main.add_command(grow)
main.add_command(pack)
main.add_command(pack_language)
