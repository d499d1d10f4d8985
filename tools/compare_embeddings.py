# /// script
# requires-python = ">=3.10"
# dependencies = ["click", "numpy", "jepa-tts[train]", "tqdm", "voice-data[metrics]"]
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
"""Hold auto-encoders against each other: how their embeddings are spread, and what is left of the
speech when they are decoded.

    uv run tools/compare_embeddings.py cache --model kl=runs/kl/model
        --model sigreg=runs/sigreg/model --out runs/embeddings

The clips are held-out rows of the cache. All are made to sound by one vocoder, the shipped one
unless another is named; the true mels through it are the control.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from protocol import limit_threads

from voice_data.audio import Audio, write
from voice_data.score import Row, score
from voice_data.storage import write_text

if TYPE_CHECKING:
    from jepa_tts.corpus import Corpus
    from jepa_tts.model import JepaModel
    from jepa_tts.vocoder import Vocoder

SPREAD = ("rank", "variance_min", "variance_median", "normality")
SCORES = ("l1", "wer", "distillmos")
TRUE = "true mels"


def held_out(corpus: Corpus, speakers: tuple[str, ...], clips: int) -> list[int]:
    """Held-out rows of the speakers (all without any), the speakers in turn."""
    by_speaker: dict[str, list[int]] = {}
    for index in corpus.part("validation", speakers):
        by_speaker.setdefault(corpus.rows[index].speaker, []).append(index)
    longest = max(map(len, by_speaker.values()), default=0)
    turns = [rows[k] for k in range(longest) for rows in by_speaker.values() if k < len(rows)]
    return turns[:clips]


def decoded(
    model: JepaModel, corpus: Corpus, rows: list[int]
) -> tuple[list[Any], dict[str, float]]:
    """The decoded mels [M, F] of rows, and the figures of their embeddings."""
    import torch

    from jepa_tts.collapse import spread
    from jepa_tts.stages.autoencode import free

    mels, latents, errors = [], [], []
    with torch.inference_mode():
        for index in rows:
            true = corpus.mel_of(index).T[None]
            mean = model.audio_encoder(true).mean
            mels.append(model.mel_decoder(mean)[0])
            latents.append(free(mean))
            errors.append(float((mels[-1] - true[0]).abs().mean()))
    return mels, spread(torch.cat(latents)) | {"l1": sum(errors) / len(errors)}


def sounds(vocoder: Vocoder, mels: list[Any], rate: int) -> Iterator[Audio]:
    """What each mel sounds like, all with the same noise."""
    import torch

    for mel in mels:
        with torch.inference_mode():
            noise = torch.Generator().manual_seed(0)
            samples = vocoder(mel[None], generator=noise).samples[0]
        yield Audio(samples.clamp(-1.0, 1.0).numpy(), rate)


def compare(
    cache: Path,
    models: Mapping[str, Path],
    out: Path,
    *,
    vocoder: Path | None,
    speakers: tuple[str, ...],
    clips: int,
    threads: int,
) -> dict[str, dict[str, float]]:
    """The figures by name of the model, also written to ``out/embeddings.json``."""
    from jepa_tts.catalogue import shipped
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.pack import load_package

    limit_threads(threads)
    corpus, found = Corpus(cache), {}
    rows = held_out(corpus, speakers, clips)
    if not rows:
        raise click.UsageError(f"{cache} has no held-out rows of {', '.join(speakers) or 'anyone'}")
    voice = load_package(shipped(), vocoder).vocoder.eval()
    for name, folder in {TRUE: None, **models}.items():
        if folder is None:
            mels, figures = [corpus.mel_of(index).T for index in rows], {}
        else:
            mels, figures = decoded(load_model(folder).eval(), corpus, rows)
        place = out / name.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        judged = []
        for index, audio in zip(rows, sounds(voice, mels, voice.config.sample_rate), strict=True):
            write(place / f"{index}.wav", audio)
            text = corpus.rows[index].text
            judged.append(Row(audio=place / f"{index}.wav", text=text, id=str(index)))
        summary = score(judged, metrics=["wer", "distillmos"], threads=threads).summary()
        found[name] = figures | {key: summary[key].mean for key in ("wer", "distillmos")}
    write_text(out / "embeddings.json", json.dumps(found, indent=1) + "\n")
    return found


def table(found: Mapping[str, Mapping[str, float]], clips: int) -> str:
    """The figures as Markdown, one column per model."""
    lines = ["| | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for key in (*SPREAD, *SCORES):
        cells = (f"{each[key]:.4g}" if key in each else "" for each in found.values())
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, f"\n{clips} held-out clips"])


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n    ", "\n\n\b\n    "))
@click.argument("cache", type=FOLDER)
@click.option("--model", "models", multiple=True, required=True, metavar="NAME=FOLDER")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--vocoder", type=FOLDER, help="A vocoder's folder.  [default: the shipped one]")
@click.option("--speakers", default="heart,joe,alto,bright,adam,bass", show_default=True)
@click.option("--clips", type=click.IntRange(1), default=30, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(
    as_json: bool, cache: Path, models: tuple[str, ...], out: Path, speakers: str, **options: Any
) -> None:
    named = {}
    for each in models:
        name, _, folder = each.partition("=")
        if not (folder and Path(folder).is_dir()):
            raise click.UsageError(f"--model {each!r} is not NAME=FOLDER of a folder that is there")
        named[name] = Path(folder)
    who = tuple(filter(None, speakers.split(",")))
    found = compare(cache, named, out, speakers=who, **options)
    click.echo(json.dumps(found, indent=1) if as_json else table(found, options["clips"]))


if __name__ == "__main__":
    main()
