# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "hibari-tts==0.2.1", "jepa-tts", "tqdm", "voice-data[metrics]"]
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
"""Speak the held-out sentences, score them, and score hibari on the same ones in the same run.

    uv run tools/evaluate_speech.py --out runs/evaluation
    uv run tools/evaluate_speech.py --out runs/evaluation --checkpoint runs/small --json
    uv run tools/evaluate_speech.py --out runs/stops --sentences thousand.txt --stops-only

Everything that is done stays in ``--out``, with the hardware and the settings; the same command
again resumes there and refuses other settings. Speeds are measured at ``--threads`` for both
systems after a warm-up, one sentence at a time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from protocol import clips_by_speaker, fingerprint, hardware, limit_threads, settle
from takes import Anchor, System, Take, Timbre, speak_all, speed, stops
from tqdm import tqdm

from voice_data.score import Recogniser, Report, Row, score, voice_identity
from voice_data.storage import write_text

DATA = Path(__file__).parent / "data"
CHUNK = 20  # clips scored between two saves
PER_CHUNK = ("wer", "distillmos", "dnsmos", "f0", "rate")
HEADLINES = ("wer", "cer", "distillmos", "dnsmos", "similarity", "similarity_ceiling",
             "consistency", "f0_median", "words_per_second")  # fmt: skip


# -- scoring ------------------------------------------------------------------------------------


def score_all(
    takes: Sequence[Take],
    folder: Path,
    threads: int,
    recogniser: Recogniser,
    references: list[Path],
) -> Report:
    """The report of all takes; each chunk is saved when it is done."""
    rows = [
        Row(audio=folder / t.file, text=t.text, id=t.id, speaker=t.voice, references=references)
        for t in takes
    ]
    parts = []
    for start in tqdm(range(0, len(rows), CHUNK), desc=f"scoring: {folder.name}", disable=None):
        place = folder / "scores" / f"{start:04d}-{min(start + CHUNK, len(rows)):04d}"
        if not (place / "scores.json").exists():
            chunk = rows[start : start + CHUNK]
            score(chunk, metrics=PER_CHUNK, recogniser=recogniser, threads=threads).save(
                place, plot=False
            )
        parts.append(Report.load(place))
    voices = score(rows, metrics=["similarity"], threads=threads)
    results = [row for part in parts for row in part.rows]
    merged = tuple(
        replace(row, similarity=voice.similarity)
        for row, voice in zip(results, voices.rows, strict=True)
    )
    report = Report(rows=merged, settings=parts[0].settings)
    report.save(folder)
    return report


# -- the command --------------------------------------------------------------------------------


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--checkpoint", help="A model folder; without it the one that ships.")
@click.option("--sentences", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              default=DATA / "heldout.txt", show_default="tools/data/heldout.txt")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), help="Only the first sentences.")
@click.option("--voice", default="heart", show_default=True, help="The voice for the sentences.")
@click.option("--voices", default="", help="Named voices to tell apart, with commas.")
@click.option("--per-voice", type=click.IntRange(2), default=10, show_default=True)
@click.option("--references", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A manifest of the voices' own clips, by speaker.")  # fmt: skip
@click.option("--recogniser", help="Another Whisper checkpoint, by name or folder.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--stops-only",
    is_flag=True,
    help="Only whether sentences stop when they should: no recogniser, no scores.",
)
@click.option("--only", type=click.Choice(["timbre", "hibari"]), help="One system alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(as_json: bool, **options: Any) -> None:
    result = evaluate(**options)
    click.echo(json.dumps(result, indent=1) if as_json else table(result))


def evaluate(
    *,
    out: Path,
    checkpoint: str | None,
    sentences: Path,
    limit: int | None,
    voice: str,
    voices: str,
    per_voice: int,
    references: Path | None,
    recogniser: str | None,
    threads: int,
    only: str | None,
    stops_only: bool = False,
) -> dict[str, Any]:
    """Everything that the command prints, also written to ``out/evaluation.json``."""
    lines = [line for line in sentences.read_text("utf-8").splitlines() if line.strip()][:limit]
    settings = {
        "checkpoint": None if only == "hibari" else fingerprint(checkpoint),
        "sentences": sha256("\n".join(lines).encode()).hexdigest()[:16],
        "voice": voice,
        "threads": threads,
        "recogniser": recogniser,
        "hardware": hardware(),
    }
    if stops_only:
        settings["stops_only"] = True
    settle(out, settings)
    jobs = [(f"{index:04d}", voice, line) for index, line in enumerate(lines)]
    limit_threads(threads)
    clips = clips_by_speaker(references)
    ears = None if stops_only else Recogniser.from_pretrained(recogniser, threads=threads)
    result: dict[str, Any] = {"settings": settings, "systems": {}}
    takes: dict[str, list[Take]] = {}
    systems: dict[str, System] = {}
    # Both speak before anything is scored, so that the speeds are of the same minutes.
    for name in ("timbre", "hibari"):
        if only in (None, name):
            systems[name] = Timbre(checkpoint) if name == "timbre" else Anchor(threads)
            takes[name] = speak_all(systems[name], jobs, out / name)
    for name, spoken in takes.items():
        target = clips.get(voice, []) if name == "timbre" else clips.get("heart", [])
        scores = {}
        if ears is not None:
            summary = score_all(spoken, out / name, threads, ears, target).summary()
            scores = {key: asdict(summary[key]) for key in HEADLINES if key in summary}
        result["systems"][name] = {"scores": scores, "speed": speed(spoken)}
        if "hibari" in takes:
            result["systems"][name]["stops"] = stops(
                spoken, takes["hibari"], out / name, out / "hibari"
            )
    if voices and "timbre" in systems:
        result["identity"] = identify(
            systems["timbre"], voices.split(","), lines[:per_voice], out, clips
        )
    write_text(out / "evaluation.json", json.dumps(result, indent=1) + "\n")
    return result


def identify(
    system: System,
    voices: Sequence[str],
    lines: Sequence[str],
    out: Path,
    clips: Mapping[str, list[Path]],
) -> dict[str, Any]:
    """Are the named voices told apart, by reference clips if there are some for each."""
    folder = out / "voices"
    jobs = [(f"{v}-{i:04d}", v, line) for v in voices for i, line in enumerate(lines)]
    rows = [
        Row(audio=folder / t.file, id=t.id, speaker=t.voice)
        for t in speak_all(system, jobs, folder)
    ]
    known = {voice: clips[voice] for voice in voices if voice in clips}
    against = known if len(known) == len(voices) else None
    found = voice_identity(rows, against).to_dict()
    return {**found, "against": "reference clips" if against else "its own other sentences"}


def table(result: Mapping[str, Any]) -> str:
    """The result as a Markdown table, one column per system."""
    systems = result["systems"]
    rows = [["", *systems]]
    for key in HEADLINES:
        cells = [_cell(entry["scores"].get(key)) for entry in systems.values()]
        if any(cells):
            rows.append([key, *cells])
    rows.append(
        ["x real time", *(f"{entry['speed']['x_real_time']:.1f}" for entry in systems.values())]
    )
    for kind in ("early", "late", "never"):
        rows.append(
            [
                f"stops {kind}",
                *(str(len(e["stops"][kind])) if "stops" in e else "" for e in systems.values()),
            ]
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    if "identity" in result:
        found = result["identity"]
        lines.append(
            f"\nnamed voices told apart: {found['accuracy']:.1%} of {found['clips']} clips, "
            f"against {found['against']}"
        )
    settings = result["settings"]
    hard = settings["hardware"]
    lines.append(
        f"\n{hard['cpu']}, {hard['cores']} cores; threads: {settings['threads']}; "
        "one sentence at a time after a warm-up"
    )
    return "\n".join(lines)


def _cell(statistic: Mapping[str, float] | None) -> str:
    if statistic is None:
        return ""
    return f"{statistic['mean']:.3f} ({statistic['low']:.3f} to {statistic['high']:.3f})"


if __name__ == "__main__":
    main()
