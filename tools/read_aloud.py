# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "jepa-tts", "voice-data[metrics]"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [[tool.uv.dependency-metadata]]
# name = "resemblyzer"
# version = "0.1.4"
# requires-dist = [
#   "librosa>=0.9.1", "numpy>=1.10.1", "scipy>=1.2.1", "torch>=1.0.1", "webrtcvad-wheels>=2.0.14",
# ]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Read a long text aloud in one call, and hold its minutes against each other.

    uv run tools/read_aloud.py --out runs/aloud --references corpora/teacher/manifest.jsonl

Pitch, rate and likeness of each minute, and by how much each changes from the first minute to the
last along the straight line through all of them. Words per second depend on the words, so ``pace``
is the length that the same sentences are planned to have alone over the length that they have here.
Without ``--references`` the first minute is what the others are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from protocol import clips_by_speaker, fingerprint, hardware, limit_threads

from voice_data.audio import Audio, write
from voice_data.score import Row, score
from voice_data.storage import write_text

DATA = Path(__file__).parent / "data"
MEASURES = ("f0_median", "words_per_second", "pace", "similarity")


class Minute(NamedTuple):
    """What was said in one minute, whole sentences, and how it sounds."""

    text: str
    audio: Audio


def minutes(texts: Sequence[str], parts: Iterable[Audio], length: float = 60.0) -> list[Minute]:
    """Sentences and their sounds by the minute in which each begins; a last one that is less than
    half full is left out.

    Raises:
        ValueError: if there are not as many sounds as sentences.
    """
    found: list[list[tuple[str, Audio]]] = []
    clock = 0.0
    for text, part in zip(texts, parts, strict=True):
        while len(found) <= clock // length:
            found.append([])
        found[int(clock // length)].append((text, part))
        clock += part.duration
    made = [
        Minute(
            " ".join(t for t, _ in each),
            Audio(np.concatenate([a.samples for _, a in each]), each[0][1].rate),
        )
        for each in found
        if each
    ]
    return made if made[-1].audio.duration >= length / 2 else made[:-1]


def change(values: Sequence[float]) -> float:
    """From the first value to the last along the line of least squares, over the mean.

    >>> round(change([1.0, 1.1, 1.2]), 4)
    0.1818
    """
    slope = np.polyfit(np.arange(len(values)), values, 1)[0]
    return float(slope * (len(values) - 1) / np.mean(values))


def text_of(lines: Sequence[str], seconds: float, planned: Any) -> list[str]:
    """As many of ``lines``, again from the first after the last, as are planned to last so long."""
    taken: list[str] = []
    clock = 0.0
    for line in cycle(lines):
        if clock >= seconds:
            return taken
        taken.append(line)
        clock += planned(line)
    return taken


def read_aloud(
    *,
    out: Path,
    checkpoint: str | None,
    sentences: Path,
    length: float,
    voice: str,
    references: Path | None,
    threads: int,
) -> dict[str, Any]:
    """Everything that the command prints, also written to ``out/aloud.json``."""
    from jepa_tts import JepaTTS
    from jepa_tts.script import sentences as script

    limit_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    tts = JepaTTS.from_pretrained(*([checkpoint] if checkpoint else []))
    lines = [line for line in sentences.read_text("utf-8").splitlines() if line.strip()]
    text = " ".join(
        text_of(lines, 60 * length, lambda line: tts.planned_duration(line, voice=voice))
    )
    read = minutes(script(text), tts.stream(text, voice=voice, seed=0))
    for index, minute in enumerate(read):
        write(out / f"{index:02d}.wav", minute.audio)
    known = clips_by_speaker(references).get(voice) or [out / "00.wav"]
    rows = [
        Row(audio=out / f"{index:02d}.wav", text=minute.text, id=f"{index}", references=known)
        for index, minute in enumerate(read)
    ]
    report = score(rows, metrics=["f0", "rate", "similarity"], threads=threads)
    alone = [tts.planned_duration(minute.text, voice=voice) for minute in read]
    flat = [
        row.to_dict() | {"pace": planned / minute.audio.duration}
        for row, planned, minute in zip(report.rows, alone, read, strict=True)
    ]
    skip = 0 if references else 1  # the first minute is like itself
    found = {name: [row[name] for row in flat] for name in MEASURES}
    result = {
        "checkpoint": fingerprint(checkpoint),
        "voice": voice,
        "hardware": hardware(),
        "seconds": sum(minute.audio.duration for minute in read),
        "minutes": found,
        "change": {
            name: change(values[skip:] if name == "similarity" else values)
            for name, values in found.items()
        },
    }
    write_text(out / "aloud.json", json.dumps(result, indent=1) + "\n")
    return result


def table(result: dict[str, Any]) -> str:
    """The minutes and the changes as Markdown."""
    found = result["minutes"]
    lines = ["| minute | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for index, values in enumerate(zip(*found.values(), strict=True)):
        lines.append(f"| {index + 1} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    cells = (f"{value:+.1%}" for value in result["change"].values())
    lines.append("| first to last | " + " | ".join(cells) + " |")
    return "\n".join([*lines, f"\n{result['seconds']:.0f} s of {result['voice']} in one call"])


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--checkpoint", help="A model folder; without it the one that ships.")
@click.option("--sentences", type=FILE, default=DATA / "heldout.txt",
              show_default="tools/data/heldout.txt")  # fmt: skip
@click.option("--minutes", "length", type=click.FloatRange(2), default=10, show_default=True)
@click.option("--voice", default="heart", show_default=True)
@click.option("--references", type=FILE, help="A manifest of the voices' own clips, by speaker.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(as_json: bool, **options: Any) -> None:
    result = read_aloud(**options)
    click.echo(json.dumps(result, indent=1) if as_json else table(result))


if __name__ == "__main__":
    main()
