# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "jepa-tts[train]", "numpy", "tqdm", "voice-data"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Give names to unnamed speakers of the corpus that a checkpoint was trained on.

    uv run tools/name_voices.py corpora/teacher/manifest.jsonl --out checkpoint/voices

Each voice is the mean of what the checkpoint hears in a speaker's clips, as a voice file. The nine
were chosen among 90 speakers: natural (DistillMOS of two sentences), and far from the others.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

CLIPS = 12
"""Of each speaker."""
NAMES = {
    "hugo": "virtual-228",
    "otto": "virtual-042",
    "clara": "virtual-110",
    "wren": "virtual-236",
    "iris": "virtual-020",
    "boris": "virtual-030",
    "nora": "virtual-181",
    "ruth": "virtual-208",
    "magnus": "virtual-078",
}


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--checkpoint", help="A model folder; without it the one that ships.")
def main(manifest: Path, out: Path, checkpoint: str | None) -> None:
    """Write a voice file for every name."""
    from jepa_tts.tts import JepaTTS
    from jepa_tts.voice import Voice
    from voice_data.manifest import read_manifest

    tts = JepaTTS.from_pretrained(checkpoint)
    clips: dict[str, list[Path]] = {}
    for utterance in read_manifest(manifest):
        clips.setdefault(utterance.speaker, []).append(manifest.parent / utterance.audio)
    if missing := sorted(set(NAMES.values()) - set(clips)):
        raise click.UsageError(f"{manifest} has no speaker {missing[0]}")
    out.mkdir(parents=True, exist_ok=True)
    for name, speaker in tqdm(NAMES.items(), disable=None):
        heard = [np.asarray(tts.voice_vector(None, clip))[0] for clip in clips[speaker][:CLIPS]]
        vector = np.stack(heard).mean(0).astype(np.float32)
        voice = Voice(
            name=name, vector=vector, base_sha256=tts.weights_sha256,
            licence="Apache-2.0", consent="synthetic",
        )  # fmt: skip
        voice.save(out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
