"""The command ``speak``: text in, a sound file out."""

from __future__ import annotations

from pathlib import Path

import click

from jepa_tts.catalogue import voice_names
from jepa_tts.console import check_ending, read_text
from jepa_tts.script import sentences
from voice_data.console import job
from voice_data.text import TextError

DEFAULT_OUT = "speech.wav"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("text", required=False)
@click.option("--voice", help="A name of --list-voices, or a voice file.  [default: the first]")
@click.option("--prompt", type=click.Path(path_type=Path), help="A clip whose voice to take.")
@click.option("--out", default=DEFAULT_OUT, show_default=True, callback=check_ending,
              help="wav, flac, mp3, ogg or opus, by the ending.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0.25, 4.0), default=1.0, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Equal seeds, equal samples.")
@click.option("--language", default="en", show_default=True, help="Of the text.")
@click.option("--model", help="Another checkpoint: a folder or a hub id.")
@click.option("--list-voices", is_flag=True, help="Print the names of the voices and stop.")
@job
def main(
    text: str | None,
    voice: str | None,
    prompt: Path | None,
    out: str,
    speed: float,
    seed: int,
    language: str,
    model: str | None,
    list_voices: bool,
) -> None:
    """Speak TEXT, or standard input, into a sound file.

    \b
    speak "The kettle is on."
    speak --voice NAME --out hello.mp3 "Good morning."
    speak --prompt me.wav < book.txt
    """
    if list_voices:
        click.echo("\n".join(voice_names(model)))
        return
    words = checked(read_text(text), voice, prompt, language, model)
    from jepa_tts.recording import record
    from jepa_tts.tts import JepaTTS

    spoken = record(
        JepaTTS.from_pretrained(model),
        words,
        out,
        voice=voice,
        prompt=prompt,
        speed=speed,
        seed=seed,
        language=language,
    )
    click.echo(f"{out}: {spoken.seconds:.2f} s of speech")


def checked(
    text: str, voice: str | None, prompt: Path | None, language: str, model: str | None
) -> str:
    """The text, once the call is known to make sense; torch is not loaded for this.

    Raises:
        click.UsageError: for text without a word, an unknown voice (the valid ones are listed), or
            a voice beside a prompt.
    """
    try:
        sentences(text, language)
    except TextError as error:
        raise click.UsageError(str(error)) from error
    if voice is not None and prompt is not None:
        raise click.UsageError("--voice and --prompt exclude each other: give one of them")
    named = voice is not None and not voice.endswith(".safetensors")
    if named and (model is None or Path(model).is_dir()):
        known = voice_names(model)
        if voice not in known:
            raise click.UsageError(f"unknown voice {voice!r}; there are: {', '.join(known)}")
    return text
