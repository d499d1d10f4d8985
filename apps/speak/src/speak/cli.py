"""The command ``speak``: text in, a sound file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jepa_tts.catalogue import located, voice_names
from jepa_tts.console import check_ending, read_text
from jepa_tts.script import sentences
from voice_data.console import job
from voice_data.text import TextError

if TYPE_CHECKING:
    from voice_hypernet import Voice

DEFAULT_OUT = "speech.wav"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("text", required=False)
@click.option("--voice", help="A description, a name of --list-voices, or a saved voice.  "
              "[default: the first name]")  # fmt: skip
@click.option("--like", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A clip to make the voice from, alone or beside a description.")  # fmt: skip
@click.option("--prompt", type=click.Path(path_type=Path),
              help="A clip as the model hears it itself.")  # fmt: skip
@click.option("--out", default=DEFAULT_OUT, show_default=True, callback=check_ending,
              help="wav, flac, mp3, ogg or opus, by the ending.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0.25, 4.0), default=1.0, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Equal seeds, equal samples.")
@click.option("--language", default="en", show_default=True, help="Of the text.")
@click.option("--model", help="Another checkpoint: a folder or a hub id.")
@click.option("--hypernet", help="What makes described voices: a folder or a hub id.")
@click.option("--list-voices", is_flag=True, help="Print the names of the voices and stop.")
@job
def main(
    text: str | None,
    voice: str | None,
    like: Path | None,
    prompt: Path | None,
    out: str,
    speed: float,
    seed: int,
    language: str,
    model: str | None,
    hypernet: str | None,
    list_voices: bool,
) -> None:
    """Speak TEXT, or standard input, into a sound file.

    \b
    speak "The kettle is on." --voice "a deep, calm man"
    speak --voice NAME --out hello.mp3 "Good morning."
    speak --like me.wav < book.txt
    """
    if list_voices:
        click.echo("\n".join(voice_names(model)))
        return
    words = checked(read_text(text), language)
    made = chosen(voice, like, prompt, model, hypernet)
    from jepa_tts.recording import record
    from jepa_tts.tts import JepaTTS

    tts = JepaTTS.from_pretrained(model)
    told = voice
    if made is not None:
        from speak.wearing import put_on

        told = put_on(tts, made)
    options = {"voice": told, "prompt": prompt, "speed": speed, "seed": seed}
    spoken = record(tts, words, out, language=language, **options)
    click.echo(f"{out}: {spoken.seconds:.2f} s of speech")


def checked(text: str, language: str) -> str:
    """The text, once there is something in it to speak.

    Raises:
        click.UsageError: for text without a word.
    """
    try:
        sentences(text, language)
    except TextError as error:
        raise click.UsageError(str(error)) from error
    return text


def chosen(
    voice: str | None, like: Path | None, prompt: Path | None, model: str | None,
    hypernet: str | None,
) -> Voice | None:  # fmt: skip
    """A made voice; None where the model has the voice itself, by name, file or prompt.

    Raises:
        click.UsageError: if two things are asked for that exclude each other.
        DescriptionError, VoiceError, ClipError: if no voice can be made of what is given.
    """
    if prompt is not None and (voice is not None or like is not None):
        raise click.UsageError("--prompt excludes --voice and --like: give one or the other")
    if voice is None and like is None:
        return None
    names = voice_names(located(model))
    if voice is not None and (voice in names or voice.endswith(".safetensors")):
        if like is not None:
            raise click.UsageError(f"--like excludes the voice {voice!r}: give a description")
        return None
    from speak.wearing import describes, designed

    if voice is not None and not describes(voice):
        known = ", ".join(names)
        raise click.UsageError(
            f"unknown voice {voice!r}; there are: {known}; or describe one: 'a calm, deep man'"
        )
    return designed(voice, like, hypernet)
