# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "tqdm", "voice-data[metrics]"]
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
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""How often `voice-data describe` is right, on virtual speakers whose settings are known.

    uv run tools/evaluate_descriptions.py --corpus corpora/varied --clips 4 --out runs/descriptions

The corpus is the virtual part of teacher_corpus.py. What a tag should be follows from the teacher,
measured untouched, and the speaker's settings: pitch = teacher x resample x pitch; range = teacher
x intonation; tilt = teacher + tilt; the vocal tract = teacher / (resample x formants), and gender
where pitch and tract agree on one; rate = vowels among the phonemes over the time spoken. Each
figure is the share of speakers whose tag (medians over the clips) is the expected one, or next to
it. The speed is that of measuring, on one core.

The vocoder that bends half the speakers follows joe's creaky pitch an octave too high: those of
his speakers are expected where they are, an octave up; their formants are not scored.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from protocol import hardware, limit_threads

from voice_data.audio import read
from voice_data.describe.measures import Measures, combine, measure
from voice_data.describe.tags import SCALES, tag
from voice_data.manifest import Utterance, read_manifest
from voice_data.storage import write_text

VOWELS = frozenset("AIOQWYaeiouæɐɑɔəɛɜɪʊʌᵊᵻ")


class Teacher(NamedTuple):
    """The untouched teacher: Hz, semitones, dB per octave, cm."""

    f0: float
    range: float
    tilt: float
    tract: float


class Speaker(NamedTuple):
    """What is known and what was measured of one virtual speaker."""

    name: str
    settings: Mapping[str, Any]
    measures: Measures
    syllable_rate: float


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--corpus", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)  # fmt: skip
@click.option("--clips", type=click.IntRange(1), default=4, show_default=True, help="Per speaker.")
@click.option("--speakers", type=click.IntRange(1), help="Only so many.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(corpus: Path, clips: int, speakers: int | None, out: Path | None, as_json: bool) -> None:
    limit_threads(1)
    started, spoken, found = time.process_time(), 0.0, []
    for name, rows in list(by_speaker(corpus).items())[:speakers]:
        found.append(measured(corpus, name, rows[:clips]))
        spoken += found[-1].measures.duration
    result = scored(found)
    result["speed"] = {"times_real_time": spoken / (time.process_time() - started), **hardware()}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "descriptions.json", json.dumps(result, indent=1) + "\n")
    click.echo(json.dumps(result, indent=1) if as_json else table(result))


def by_speaker(corpus: Path) -> dict[str, list[Utterance]]:
    """Each speaker's clips in a fixed random order; shards serve until there is a manifest."""
    whole = corpus / "manifest.jsonl"
    files = [whole] if whole.is_file() else sorted((corpus / "shards").glob("*.jsonl"))
    clips: dict[str, list[Utterance]] = defaultdict(list)
    for file in files:
        for row in read_manifest(file):
            if row.extra.get("settings"):
                clips[row.speaker].append(row)
    for name, rows in clips.items():
        random.Random(name).shuffle(rows)
    return dict(sorted(clips.items()))


def measured(corpus: Path, name: str, rows: Sequence[Utterance]) -> Speaker:
    """The speaker's medians, as `describe --per speaker` has them."""
    found = [measure(read(row.path_in(corpus)), row.text) for row in rows]
    pairs: Any = (str(item).split("=") for item in rows[0].extra["settings"])  # type: ignore
    settings = {key: value if key == "teacher" else float(value) for key, value in pairs}
    rates = [
        sum(letter in VOWELS for letter in str(row.extra["phonemes"])) / clip.speech
        for row, clip in zip(rows, found, strict=True)
    ]
    return Speaker(name, settings, combine(found), float(np.median(rates)))


def scored(speakers: Sequence[Speaker]) -> dict[str, Any]:
    """Shares of speakers whose tag is right, and right within one bin."""
    teachers = {
        name: untouched([each for each in speakers if each.settings["teacher"] == name])
        for name in sorted({each.settings["teacher"] for each in speakers})
    }
    hits: dict[str, list[int]] = defaultdict(list)
    for speaker in speakers:
        right = expected(speaker, teachers[speaker.settings["teacher"]])
        tags = tag(speaker.measures)
        for name, value in right.items():
            hits[name].append(distance(name, getattr(tags, name), value))
    rows = {
        name: {
            "speakers": len(each),
            "right": float(np.mean([step == 0 for step in each])),
            "within_one": float(np.mean([step <= 1 for step in each])),
        }
        for name, each in hits.items()
    }
    return {"tags": rows, "teachers": {name: each._asdict() for name, each in teachers.items()}}


def untouched(speakers: Sequence[Speaker]) -> Teacher:
    """The teacher's own values: the middle of what remains when the settings are taken out."""
    plain = [each for each in speakers if not bent(each)]

    def middle(values: Sequence[float | None]) -> float:
        return float(np.median([value for value in values if value is not None]))

    factors = [each.settings["resample"] for each in plain]
    pairs = list(zip(plain, factors, strict=True))
    return Teacher(
        f0=middle([s.measures.f0 / k if s.measures.f0 else None for s, k in pairs]),
        range=middle([s.measures.f0_range for s in plain]),
        tilt=middle([None if s.measures.tilt is None else s.measures.tilt - s.settings["tilt"]
                     for s in plain]),
        tract=middle([s.measures.tract * k if s.measures.tract else None for s, k in pairs]),
    )  # fmt: skip


def bent(speaker: Speaker) -> bool:
    """Whether the vocoder made the speaker."""
    names = ("pitch", "formants", "intonation", "breath")
    return any(speaker.settings[name] != 1.0 for name in names)


def expected(speaker: Speaker, teacher: Teacher) -> dict[str, str]:
    """What the tags should be; those that the settings leave open are left out."""
    settings = speaker.settings
    octave = 2.0 if bent(speaker) and settings["teacher"] == "joe" else 1.0
    f0 = teacher.f0 * settings["resample"] * settings["pitch"] * octave
    tract = teacher.tract / (settings["resample"] * settings["formants"])
    known = Measures(
        duration=1.0,
        speech=1.0,
        f0=f0,
        f0_range=teacher.range * settings["intonation"],
        tilt=teacher.tilt + settings["tilt"],
        rate=speaker.syllable_rate,
    )
    tags = tag(known)
    right = {name: getattr(tags, name) for name in ("pitch", "range", "brightness", "rate")}
    if octave == 1.0 and (gender := clear_gender(f0, tract)):
        right["gender"] = gender
    return right


def clear_gender(f0: float, tract: float) -> str:
    """The sex on which pitch and tract agree; "" between the two, and beyond grown-ups."""
    if f0 < 150.0 and tract > 15.8:
        return "male"
    return "female" if 165.0 < f0 < 250.0 and 13.0 < tract < 15.8 else ""


def distance(name: str, found: str, right: str) -> int:
    """Bins apart; a missing tag and the other gender count as far."""
    if name not in SCALES or not found:
        return 0 if found == right else 9
    values = SCALES[name].values
    return abs(values.index(found) - values.index(right))


def table(result: Mapping[str, Any]) -> str:
    lines = [f"{'tag':12} {'speakers':>8} {'right':>7} {'within one bin':>15}"]
    for name, row in result["tags"].items():
        within = f"{row['within_one']:.1%}" if name in SCALES else "-"
        lines.append(f"{name:12} {row['speakers']:8} {row['right']:7.1%} {within:>15}")
    speed = result["speed"]["times_real_time"]
    return "\n".join([*lines, f"{math.floor(speed)} times real time on one core"])


if __name__ == "__main__":
    main()
