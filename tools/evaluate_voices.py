# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "jepa-tts", "tqdm", "voice-data[metrics]"]
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
"""Whose voice is it: named voices told apart, real people reconstructed, and voices from clips.

    uv run tools/evaluate_voices.py --references corpora/teacher/manifest.jsonl \\
        --recordings corpora/prompts-prepared/manifest.jsonl --out runs/voices

Three questions, answered by a speaker encoder:

named: is the voice nearest to each sentence the one that was asked for, by its clips in
--references?

reconstructed: how similar to a held-out recording is what the model makes of it?

prompted: how similar to a person's other recordings is speech in the voice of one of them?

Similarities are mean cosines. Beside each stand its ceiling (the person's own recordings among
themselves) and its floor (other people's). The model speaks English: where a person (``person`` in
a recording's ``extra``) was recorded in two languages, how similar these are to each other stands
beside them too. A clip in which the encoder finds no speech has
similarity 0. What is made stays in --out; the same command again
resumes there and refuses other settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from likeness import hear_people, name_voices, people
from protocol import clips_by_speaker, fingerprint, hardware, limit_threads, settle

from voice_data.manifest import manifest_hash, read_manifest
from voice_data.score.similarity import SpeakerEncoder
from voice_data.storage import write_text

DATA = Path(__file__).parent / "data"
PER_VOICE_REFERENCES = 20


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--checkpoint", help="A model folder; without it the one that ships.")
@click.option("--references", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A manifest of the named voices' own clips.")  # fmt: skip
@click.option("--recordings", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A manifest of real people whom the model has never heard.")  # fmt: skip
@click.option("--sentences", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              default=DATA / "heldout.txt", show_default="tools/data/heldout.txt")  # fmt: skip
@click.option("--per-voice", type=click.IntRange(1), default=20, show_default=True,
              help="Sentences of each named voice.")  # fmt: skip
@click.option("--clips", type=click.IntRange(2), default=10, show_default=True,
              help="Recordings of each person to hear; as many are compared with.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(as_json: bool, **options: Any) -> None:
    result = evaluate(**options)
    click.echo(json.dumps(result, indent=1) if as_json else tables(result))


def evaluate(
    *,
    out: Path,
    checkpoint: str | None,
    references: Path | None,
    recordings: Path | None,
    sentences: Path,
    per_voice: int,
    clips: int,
    threads: int,
) -> dict[str, Any]:
    """Everything that the command prints, also written to ``out/voices.json``.

    Raises:
        UsageError: if there is nothing to evaluate, or clips are missing.
    """
    if references is None and recordings is None:
        raise click.UsageError("give --references, --recordings or both")
    lines = [line for line in sentences.read_text("utf-8").splitlines() if line.strip()]
    real = read_manifest(recordings) if recordings else []
    known = people(real, recordings.parent, clips) if recordings else []
    settings = {
        "checkpoint": fingerprint(checkpoint),
        "sentences": sha256("\n".join(lines).encode()).hexdigest()[:16],
        "references": sha256(references.read_bytes()).hexdigest()[:16] if references else None,
        "recordings": manifest_hash(real)[:16] if recordings else None,
        "per_voice": per_voice,
        "clips": clips,
        "threads": threads,
        "encoder": "Resemblyzer",
        "hardware": hardware(),
    }
    settle(out, settings)
    limit_threads(threads)
    from jepa_tts import JepaTTS

    system = JepaTTS.from_pretrained(checkpoint)
    encoder = SpeakerEncoder.from_pretrained()
    result: dict[str, Any] = {"settings": settings}
    if references:
        held = clips_by_speaker(references, PER_VOICE_REFERENCES)
        result["named"] = name_voices(system, lines[:per_voice], held, out, encoder)
    if recordings:
        result["people"] = hear_people(system, known, lines, out, encoder)
    write_text(out / "voices.json", json.dumps(result, indent=1) + "\n")
    return result


def tables(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    parts = []
    if "named" in result:
        parts.append(_named_table(result["named"]))
    if "people" in result:
        parts.append(_people_table(result["people"]))
    settings = result["settings"]
    hard = settings["hardware"]
    parts.append(
        f"{hard['cpu']}, {hard['cores']} cores; threads: {settings['threads']}; "
        f"weights {settings['checkpoint']}"
    )
    return "\n\n".join(parts)


def _named_table(named: Mapping[str, Any]) -> str:
    rows = [
        [voice, str(own["clips"]), f"{own['right']:.1%}", _cell(own["similarity"]),
         _cell(own["ceiling"]), *map(str, taken)]
        for (voice, own), taken in zip(named["by_voice"].items(), named["confusion"], strict=True)
    ]  # fmt: skip
    head = ["named voice", "clips", "nearest is right", "similarity", "ceiling", *named["voices"]]
    total = f"named voices told apart: {named['accuracy']:.1%} of {named['clips']} clips"
    return f"{total}\n\n{_markdown([head, *rows])}"


def _people_table(found: Mapping[str, Any]) -> str:
    columns = ("reconstructed", "reconstructed_to_others", "prompted", "prompted_by_strangers",
               "ceiling", "across_languages", "floor")  # fmt: skip
    kinds = ("real", "reconstructed", "prompted")
    rows = [
        [name, own["language"], str(own["clips"]), *(_cell(own[column]) for column in columns),
         *(f"{own['right'][kind]:.0%}" for kind in kinds)]
        for name, own in found["by_person"].items()
    ]  # fmt: skip
    head = ["person", "language", "clips", "reconstructed: to the clip", "to other clips",
            "prompted: to other clips", "prompted by strangers", "ceiling",
            "their own across languages", "floor",
            *(f"{kind}: nearest is right" for kind in kinds)]  # fmt: skip
    mute = sum(sum(own["no_speech"].values()) for own in found["by_person"].values())
    note = f"\n\n{mute} of these clips hold no speech; they count as 0 and as wrong" if mute else ""
    return _markdown([head, *rows]) + note


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
