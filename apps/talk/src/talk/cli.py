"""The command ``talk``: a question in, a spoken answer out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from voice_data.console import job

if TYPE_CHECKING:
    from audio_projector.bridge import Bridge
    from audio_projector.generation import WritingConfig

DEFAULT_OUT = "answer.wav"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("question", required=False)
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True,
              help="wav, flac, mp3, ogg or opus, by the ending.")  # fmt: skip
@click.option("--voice", help="A name of jepa-tts's voices, or a voice file.")
@click.option("--adapter", type=FOLDER, help="A voice that tts-lora trained.")
@click.option("--tokens", type=click.IntRange(1), default=160, show_default=True,
              help="The longest answer.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--llm", default="", help="A .gguf file, a folder, or a hub id.")
@click.option("--projector", type=FOLDER, help="The one that was trained for --llm.")
@job
def main(
    question: str | None,
    out: Path,
    voice: str | None,
    adapter: Path | None,
    tokens: int,
    temperature: float,
    seed: int,
    llm: str,
    projector: Path | None,
) -> None:
    """Speak a language model's answer to QUESTION; without one, ask until an empty line.

    \b
    talk "What is a kettle for?" --out answer.wav
    talk --voice joe
    """
    from audio_projector.console import check_sound

    check_sound(out)
    if question is not None and not question.strip():
        raise click.UsageError("QUESTION is empty: ask something")
    from audio_projector.bridge import Bridge
    from audio_projector.generation import WritingConfig

    writing = WritingConfig(tokens=tokens, temperature=temperature, seed=seed)
    bridge = Bridge.from_pretrained(projector, llm=llm, adapter=adapter)
    if question is not None:
        answer(bridge, question, out, voice, writing)
    else:
        converse(bridge, out, voice, writing)


def answer(
    bridge: Bridge, question: str, out: Path, voice: str | None, writing: WritingConfig
) -> None:
    """Show and keep one answer; Ctrl-C ends it, and what was spoken until then is kept."""
    import numpy as np

    from voice_data.audio import Audio, write

    sounds = []
    parts = bridge.answer(question, voice=voice, writing=writing)
    try:
        for spoken in parts:
            sounds.append(spoken.audio.samples)
            click.echo(spoken.text)
    except KeyboardInterrupt:
        click.echo("(ended)", err=True)
    finally:
        parts.close()  # pyright: ignore[reportAttributeAccessIssue]
    if not sounds:
        raise click.Abort
    audio = Audio(np.concatenate(sounds), bridge.model.sample_rate)
    write(out, audio)
    clock = bridge.clock
    waited = clock.first_audio - clock.first_token
    click.echo(f"{out}: {audio.duration:.2f} s, the first after {1000 * waited:.0f} ms", err=True)


def converse(bridge: Bridge, out: Path, voice: str | None, writing: WritingConfig) -> None:
    """Ask until an empty line or the end of the input; answers are numbered files beside OUT."""
    number = 0
    while True:
        try:
            question = click.prompt("", default="", show_default=False, prompt_suffix="> ")
        except click.Abort:
            return
        if not question.strip():
            return
        number += 1
        answer(bridge, question, out.with_stem(f"{out.stem}-{number}"), voice, writing)
