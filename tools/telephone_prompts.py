# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "G722>=1.2", "numpy", "tqdm", "voice-data"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0"]
#
# [tool.uv.sources]
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Make a corpus of real people from the telephone prompts that Debian ships for Asterisk.

    apt-get download asterisk-core-sounds-{en,es,fr,it,ru}{,-g722}
    for package in asterisk-core-sounds-*.deb; do dpkg -x "$package" asterisk; done
    uv run tools/telephone_prompts.py --packages asterisk --out corpora/prompts
    voice-data prepare corpora/prompts --out corpora/prompts-prepared --set split=null

Four people read about 550 prompts in each of five languages, one of them in two. The sound comes
from the ``-g722`` packages (16 kHz), the words from the lists in the others. Tones, silences and
recordings without words are left out. The corpus is a ``manifest.jsonl`` beside 24 kHz wav
files, all of split ``held-out``; the same packages give the same bytes.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from voice_data.audio import Audio, write
from voice_data.manifest import Utterance, write_manifest
from voice_data.storage import file_sha256

CODED_RATE, RATE = 16_000, 24_000
BITS_PER_SECOND = 64_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads one language: the sounds' folder, and the terms by the packages' copyright file."""

    folder: str
    speaker: str
    person: str
    licence: str


READERS = {
    "en": Reader(
        folder="en_US_f_Allison",
        speaker="allison-en",
        person="Allison Smith",
        licence="CC-BY-SA-3.0",
    ),
    "es": Reader(
        folder="es_MX_f_Allison",
        speaker="allison-es",
        person="Allison Smith",
        licence="CC-BY-SA-3.0",
    ),
    "fr": Reader(
        folder="fr_CA_f_June", speaker="june", person="June Wallack", licence="CC-BY-SA-3.0"
    ),
    "it": Reader(
        folder="it_IT_m_Carlo", speaker="carlo", person="Carlo Flora", licence="CC-BY-3.0"
    ),
    "ru": Reader(
        folder="ru_RU_f_IvrvoiceRU", speaker="ivrvoice", person="IvrvoiceRU", licence="CC-BY-3.0"
    ),
}
NO_SPEECH = re.compile(
    r"silence/\d+|beep|beeperr|(ascending|descending)-2tone|confbridge-(join|leave)|tt-monkeys"
)
NOTE = re.compile(r"\s*(\[[^]]*\]|\([^)]*\))")  # what a list remarks on a recording
READ_ALOUD = {"[temporales]", "(ne m'appelez plus, jamais)"}  # in brackets and yet spoken
KEYS = {
    "en": {"#": "pound", "*": "star"},
    "fr": {"#": "dièse", "*": "étoile"},
}
# The Italian list has lost accents: a question mark stands in their place.
ITALIAN = {" ? ": " è ", "sar?": "sarà", "pu?": "può", "cos?": "così", "pi?": "più"}


class Recording(NamedTuple):
    """One prompt: its name in the package, its file, its words and whether they were mended."""

    name: str
    path: Path
    text: str
    mended: bool


# -- words --------------------------------------------------------------------------------------


def published(path: Path) -> dict[str, str]:
    """What a package's list says of each recording, by its name in lower case.

    Raises:
        ClickException: if the list is missing, or a line has no name.
    """
    if not path.is_file():
        package = path.name.split(".")[0].replace("core-sounds", "asterisk-core-sounds")
        raise click.ClickException(f"{path} is missing: unpack the package {package} there too")
    said: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(map(str.strip, lines), start=1):
            if not line or line.startswith(";"):
                continue
            name, colon, text = line.partition(":")
            if not colon or not name:
                raise click.ClickException(f"{path}:{number}: no 'name: words' in {line!r}")
            text = text.strip().removeprefix(f"{name}:").strip()  # one line names itself twice
            said.setdefault(name.strip().lower(), text)
    return said


def words(text: str, language: str) -> str:
    """What is spoken, from what a list says: without remarks, keys by their names.

    >>> words("slash [/]", "en"), words("press # to exit", "en")
    ('slash', 'press pound to exit')
    """
    if language == "it":
        for lost, letter in ITALIAN.items():
            text = text.replace(lost, letter)
    for key, name in KEYS.get(language, {}).items():
        text = text.replace(key, name)
    text = NOTE.sub(lambda found: _aloud(found[0]), text)
    if text.count('"') % 2:
        text = text.strip('"')
    return text.strip()


def _aloud(note: str) -> str:
    return f" {note.strip()[1:-1]}" if note.strip() in READ_ALOUD else ""


# -- sound --------------------------------------------------------------------------------------


def decode(coded: bytes) -> Audio:
    """G.722 at 64 kbit/s: two 16 kHz samples in every byte.

    Raises:
        ImportError: if the package G722 is not installed.
    """
    from G722 import G722  # pyright: ignore[reportMissingImports]

    samples = np.asarray(G722(CODED_RATE, BITS_PER_SECOND).decode(coded), np.int16)
    return Audio(samples.astype(np.float32) / 32_768.0, CODED_RATE)


# -- the corpus ---------------------------------------------------------------------------------


def recordings(packages: Path, language: str) -> tuple[list[Recording], Counter[str]]:
    """The recordings with speech and words, by name, and how many others there are and why.

    Raises:
        ClickException: if the language's packages are not unpacked in ``packages``.
    """
    folder = packages / "usr/share/asterisk/sounds" / READERS[language].folder
    files = sorted(folder.rglob("*.g722"))
    if not files:
        raise click.ClickException(
            f"{folder} holds no .g722 file: unpack asterisk-core-sounds-{language}-g722 there"
        )
    list_name = f"asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    said = published(packages / "usr/share/doc" / list_name)
    kept: list[Recording] = []
    left: Counter[str] = Counter()
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        line = said.get(name.lower(), "")
        text = words(line, language)
        if NO_SPEECH.fullmatch(name):
            left["no speech"] += 1
        elif not text:
            left["no transcript"] += 1
        else:
            kept.append(Recording(name, path, text, text != line))
    return kept, left


def make(
    recording: Recording, language: str, out: Path, decoder: Callable[[bytes], Audio] = decode
) -> Utterance:
    """Write one recording as wav into ``out``; returns its line of the manifest."""
    reader = READERS[language]
    name = f"{reader.speaker}-{recording.name.replace('/', '-')}"
    path = out / "audio" / reader.speaker / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = decoder(recording.path.read_bytes()).resample(RATE)
    write(path, audio)
    return Utterance(
        id=name,
        audio=path.relative_to(out).as_posix(),
        text=recording.text,
        speaker=reader.speaker,
        language=language,
        duration=audio.duration,
        rate=RATE,
        sha256=file_sha256(path),
        licence=reader.licence,
        consent="public",
        source=f"asterisk-core-sounds-{language}-g722/{recording.name}",
        split="held-out",
        extra={
            "person": reader.person,
            "transcript": "published, mended" if recording.mended else "published",
            "bandwidth": CODED_RATE // 2,
        },
    )


def made(
    packages: Path, languages: list[str], out: Path, decoder: Callable[[bytes], Audio] = decode
) -> Iterator[str]:
    """Make the corpus in ``out``; yields a line per reader about what is in it."""
    found = {language: recordings(packages, language) for language in languages}
    bar = tqdm(total=sum(len(kept) for kept, _ in found.values()), unit="clip", disable=None)
    utterances: list[Utterance] = []
    for language, (kept, left) in found.items():
        clips = []
        for recording in kept:
            clips.append(make(recording, language, out, decoder))
            bar.update()
        utterances += clips
        minutes = sum(clip.duration or 0.0 for clip in clips) / 60
        others = ", ".join(f"{count} {reason}" for reason, count in sorted(left.items()))
        said = f"{READERS[language].speaker}: {len(clips)} clips, {minutes:.1f} min"
        yield f"{said}; left out: {others}" if others else said
    bar.close()
    write_manifest(out / "manifest.jsonl", utterances)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option(
    "--packages",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Where the packages were unpacked: the folder that holds usr/.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--languages", default=",".join(READERS), show_default=True, help="With commas.")
def main(packages: Path, out: Path, languages: str) -> None:
    chosen = languages.split(",")
    if unknown := sorted(set(chosen) - set(READERS)):
        raise click.UsageError(f"unknown language {unknown[0]!r}: use some of {', '.join(READERS)}")
    for line in made(packages, chosen, out):
        click.echo(line)


if __name__ == "__main__":
    main()
