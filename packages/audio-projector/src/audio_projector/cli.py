"""The command ``audio-projector``. Exit status: 0 done, 1 the job failed, 2 a wrong call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from audio_projector import __version__
from voice_data.console import configured, job, load, out_option, show, with_json

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

language_model = click.option("--llm", default="", help="A .gguf file, a folder, or a hub id.")
through = click.option("--target", default="", help="A speech model, such as jepa-tts:FOLDER.")
projector = click.option("--projector", type=FOLDER, help="Its folder.  [default: the shipped one]")
voiced = click.option("--voice", help="A name of the speech model's, or a voice file.")
seeded = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
threaded = click.option("--threads", type=click.IntRange(min=1), help="Of torch.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="audio-projector")
def main() -> None:
    """Let a frozen language model speak from its hidden states."""


@main.command()
@click.argument("models", nargs=-1, metavar="[OWNER/NAME...]")
@click.option("--file", default="", help="Only this file, such as a .gguf of several.")
@with_json
@job
def download(models: tuple[str, ...], file: str, as_json: bool) -> None:
    """Fetch models by hub id; without one, say what ships and works offline."""
    from audio_projector import console
    from audio_projector.download import available
    from audio_projector.download import download as run

    found = [run(model, file=file) for model in models] if models else available()
    show({"models": [console.plain(each) for each in found]}, console.fetched(found), as_json)


@main.command()
@click.argument("texts", type=FILE)
@out_option("The folder of the states.")
@language_model
@click.option("--layers", help="Layers to keep, with commas; 0 are the input embeddings.")
@threaded
@configured
@with_json
@job
def cache(
    texts: Path, out: Path, llm: str, layers: str | None, threads: int | None,
    config: Path | None, overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Capture the hidden states of TEXTS (a line each, or JSON lines) once, for training."""
    from audio_projector import console
    from audio_projector.cache import CacheConfig
    from audio_projector.caching import build_cache, read_lines
    from audio_projector.llm import LanguageModel

    options = {"llm": llm or None, "layers": f"[{layers}]" if layers else None}
    settings = load(CacheConfig, config, overrides, options)
    console.use_threads(threads)
    lines = read_lines(texts)
    model = LanguageModel.from_pretrained(settings.llm)
    with console.bar("text") as tell:
        done = build_cache(lines, out, model, settings, on_text=tell)
    show(console.cached(done), [console.cached_line(done)], as_json)


@main.command()
@click.option("--states", type=FOLDER, help="What `cache` made.")
@out_option("The folder of the projector.", required=False)
@through
@click.option("--steps", type=click.IntRange(min=1), help="Of descent.")
@configured
@click.option("--seed", type=click.IntRange(min=0), help="Decides every random choice.")
@with_json
@job
def train(
    config: Path | None, overrides: tuple[str, ...], as_json: bool, target: str, **options: Any
) -> None:
    """Train a projector from cached states, or go on where a killed run stopped."""
    from audio_projector import console
    from audio_projector.train import train as run
    from audio_projector.train_config import TrainConfig

    settings = load(TrainConfig, config, overrides, {**options, "target": target or None})
    with console.bar("step") as tell:
        done = run(settings, on_step=lambda step, _: tell(step, settings.steps))
    line = f"{done.folder}: {done.parameters:,} parameters, held-out loss {done.validation:.4f}"
    show(console.plain(done), [line], as_json)


@main.command()
@click.option("--text", help="Read this aloud.")
@click.option("--prompt", help="Ask this, and hear the answer while it is written.")
@out_option("The sound file, such as out.wav.")
@projector
@language_model
@through
@voiced
@click.option("--adapter", type=FOLDER, help="A PEFT folder for the speech model.")
@click.option("--tokens", type=click.IntRange(1), default=160, show_default=True,
              help="The longest answer.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, show_default=True)
@threaded
@seeded
@with_json
@job
def speak(text: str | None, prompt: str | None, out: Path, as_json: bool, **options: Any) -> None:
    """Speak a text, or a language model's answer, from hidden states."""
    from audio_projector import console
    from audio_projector.speaking import say

    console.check_sound(out)
    if (text is None) == (prompt is None):
        raise click.UsageError("give either --text or --prompt")
    console.use_threads(options.pop("threads"))
    done = say(text=text, prompt=prompt, out=out, on_part=console.tell_part, **options)
    show(console.plain(done), [f"{out}: {done.seconds:.2f} s"], as_json)


@main.command()
@click.option("--projector", "projectors", multiple=True, metavar="NAME=DIR",
              help="One or more to compare.  [default: the shipped one]")  # fmt: skip
@click.option("--sentences", type=FILE, help="A text file, a sentence a line, for WER.")
@click.option("--homographs", type=FILE, help="JSON lines: text, word, right, wrong.")
@click.option("--limit", type=click.IntRange(1), help="Only the first sentences.")
@click.option("--metric", "metrics", multiple=True, default=["wer"], show_default=True,
              type=click.Choice(["wer", "distillmos", "dnsmos"]))  # fmt: skip
@out_option("For the sounds and evaluation.json.")
@language_model
@through
@voiced
@threaded
@seeded
@with_json
@job
def evaluate(projectors: tuple[str, ...], out: Path, as_json: bool, **options: Any) -> None:
    """Compare projectors with the speech model's own text path: WER, MOS, homographs."""
    from audio_projector import console
    from audio_projector.comparison import compare

    console.use_threads(options["threads"])
    named = console.named(projectors)
    found = compare(named, out=out, on_system=console.tell_system, **options)
    show(found.to_dict(), found.lines(), as_json)


@main.command()
@projector
@click.option("--from", "source", type=FILE, help="Read this GGUF and write a folder instead.")
@click.option("--half", is_flag=True, help="In half precision.")
@out_option("The .gguf file, or the folder.")
@with_json
@job
def export(
    projector: Path | None, source: Path | None, half: bool, out: Path, as_json: bool
) -> None:
    """Write a projector as GGUF and read it back, or turn a GGUF into a folder."""
    from audio_projector import console
    from audio_projector.speaking import convert

    if projector is not None and source is not None:
        raise click.UsageError("--projector and --from exclude each other: give one of them")
    done = convert(projector, source, out, half=half)
    show(console.plain(done), [f"{out}: differs by {done.largest_difference:.1e}"], as_json)


@main.command()
@click.argument("prompts", nargs=-1, required=True, metavar="PROMPT...")
@projector
@language_model
@through
@voiced
@click.option("--tokens", type=click.IntRange(1), default=48, show_default=True)
@click.option("--first-words", type=click.IntRange(0), default=3, show_default=True,
              help="Of the first part that is spoken, at most.")  # fmt: skip
@threaded
@with_json
@job
def measure(
    prompts: tuple[str, ...], projector: Path | None, llm: str, target: str, voice: str | None,
    tokens: int, first_words: int, threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Time the first audio after the first token, the projector's share, and memory."""
    from audio_projector import console
    from audio_projector.bridge import Bridge
    from audio_projector.chunks import ChunkConfig
    from audio_projector.measure import measure as run

    console.use_threads(threads)
    bridge = Bridge.from_pretrained(projector, llm=llm, target=target)
    chunks = ChunkConfig(first_words=first_words)
    found = run(bridge, prompts, voice=voice, tokens=tokens, chunks=chunks)
    show({"answers": [each.to_dict() for each in found]}, console.measured(found), as_json)


@main.command("epoch")
@click.option("--states", type=FOLDER, required=True, help="What `cache` made.")
@click.option("--texts", type=click.IntRange(1), default=128, show_default=True)
@language_model
@through
@threaded
@with_json
@job
def timed_epoch(
    states: Path, texts: int, llm: str, target: str, threads: int | None, as_json: bool
) -> None:
    """Time training from cached states against running the language model each time."""
    from audio_projector import console
    from audio_projector.cache import StatesCache
    from audio_projector.epoch import epoch
    from audio_projector.llm import LanguageModel
    from audio_projector.train_config import TrainConfig

    console.use_threads(threads)
    config = TrainConfig(states=str(states), out="", layers=StatesCache(states).layers)
    config = replace(config, target=target) if target else config
    found = epoch(config, LanguageModel.from_pretrained(llm), texts=texts)
    show(found.to_dict(), [console.timed(found)], as_json)


@main.command()
@click.argument("first")
@click.argument("second")
@click.option("--texts", type=FILE, required=True, help="Sentences to compare on.")
@click.option("--layers", default="0,8,16,24", show_default=True)
@threaded
@with_json
@job
def agree(
    first: str, second: str, texts: Path, layers: str, threads: int | None, as_json: bool
) -> None:
    """Compare the hidden states of two copies of a language model, such as GGUF and HF."""
    from audio_projector import console
    from audio_projector.agreement import agreement
    from audio_projector.caching import read_lines
    from audio_projector.llm import LanguageModel

    console.use_threads(threads)
    models = [LanguageModel.from_pretrained(each) for each in (first, second)]
    sentences = [line.text for line in read_lines(texts)]
    found = agreement(models[0], models[1], sentences, console.numbers(layers))
    show({"layers": [each.to_dict() for each in found]}, console.agreed(found), as_json)
