"""The command `voice-data`. Exit status: 0 done, 1 the job failed, 2 the call was wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from voice_data import __version__
from voice_data.account import (
    described_lines,
    encoded_figures,
    encoded_lines,
    plan_lines,
    prepared_lines,
    survey_lines,
    verdict_lines,
)
from voice_data.console import (
    clips_bar,
    configured,
    job,
    json_text,
    load,
    out_option,
    seeded,
    show,
    sources_json,
    with_json,
)

DIALECTS = ("ljspeech", "pipe", "csv", "tab", "json", "jsonl", "hf", "librispeech", "commonvoice")
METRICS = ("wer", "similarity", "distillmos", "dnsmos", "f0", "rate")

SOURCE = click.argument("source", type=click.Path(exists=True, path_type=Path))
DIALECT = click.option(
    "--dialect", type=click.Choice(DIALECTS), help="How SOURCE is laid out; found out by itself."
)
THREADS = click.option("--threads", type=click.IntRange(min=1), help="One per core if not given.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="voice-data")
def main() -> None:
    """Speech data in, verified training sets out."""


@main.command()
@SOURCE
@out_option("The folder to make. It appears when everything is done.")
@DIALECT
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@configured
@seeded
@with_json
@job
def prepare(
    source: Path, out: Path, dialect: str | None, dry_run: bool, config: Path | None,
    overrides: tuple[str, ...], seed: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Check, resample, cut and split SOURCE into a training set with content hashes.

    SOURCE is only read. An interrupted call goes on where it stopped.
    """
    from voice_data.pipeline import PrepareConfig, check
    from voice_data.pipeline import prepare as run

    settings = load(PrepareConfig, config, overrides, {"split.seed": seed})
    if dry_run:
        report = check(source, settings, dialect=dialect, progress=True)
        show(report.to_dict(), plan_lines(report), as_json)
        return
    done = run(source, out, settings, dialect=dialect, progress=True)
    show(done.to_dict(), prepared_lines(done), as_json)


@main.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True), metavar="FOLDER...")
@click.option("--base", help="The speech model, such as jepa-tts or NAME:FOLDER.")
@out_option("The encoded set to make. It appears when everything is done.", required=False)
@click.option("--speaker", default="", help="Who speaks in FOLDER, if its index does not say.")
@click.option("--language", default="", help="What is spoken there, such as en.")
@click.option("--licence", default="", help="On what terms the recordings may be used.")
@click.option("--consent", default="", help="What the speaker agreed to.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@configured
@seeded
@with_json
@job
def encode(
    folders: tuple[str, ...], base: str | None, out: Path | None, dry_run: bool,
    config: Path | None, overrides: tuple[str, ...], seed: int | None, as_json: bool, **told: str,
) -> None:  # fmt: skip
    """Check, resample and encode the data sets in FOLDER... once for one speech model.

    Each is only read. An interrupted call goes on where it stopped.
    """
    from voice_data.encoded import PrepareConfig, survey
    from voice_data.encoded import prepare as run

    given = {"base": base, "out": out, "seed": seed, "sources": sources_json(folders, told)}
    settings = load(PrepareConfig, config, overrides, given)
    if dry_run:
        found = survey(settings)
        values = {"sources": [dataclasses.asdict(each) for each in found]}
        show(values, survey_lines(found), as_json)
        return
    with clips_bar() as on_clip:
        done = run(settings, on_clip=on_clip)
    show(encoded_figures(done), encoded_lines(done), as_json)


@main.command()
@SOURCE
@DIALECT
@out_option("Also write the verdicts into this JSON file.", required=False)
@configured
@with_json
@job
def validate(
    source: Path, dialect: str | None, out: Path | None, config: Path | None,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Give a verdict on every clip of SOURCE; exit status 1 if one must be rejected."""
    from voice_data.pipeline import PrepareConfig, check
    from voice_data.storage import write_text

    settings = load(PrepareConfig, config, overrides)
    report = check(source, settings, dialect=dialect, progress=True)
    if out is not None:
        write_text(out, json_text(report.to_dict()))
    show(report.to_dict(), verdict_lines(report), as_json)
    if report.statuses["reject"]:
        raise click.exceptions.Exit(1)


@main.command()
@SOURCE
@out_option("The new folder.")
@click.option("--to", "target", required=True, type=click.Choice(DIALECTS), help="Its dialect.")
@DIALECT
@click.option("--drop", multiple=True, metavar="FIELD", help="A field whose loss is accepted.")
@with_json
@job
def convert(
    source: Path, out: Path, target: str, dialect: str | None, drop: tuple[str, ...], as_json: bool
) -> None:
    """Copy SOURCE into another dialect without losing anything, audio included."""
    from voice_data.formats import convert as run

    done = run(source, out, target, source_dialect=dialect, drop=drop)
    values = {
        "from": done.source_dialect, "to": done.target_dialect, "clips": done.utterances,
        "folder": str(done.folder),
    }  # fmt: skip
    show(values, [f"{done.utterances} clips: {done.source_dialect} -> {target} in {out}"], as_json)


@main.command()
@SOURCE
@out_option("The folder for the chunks and their manifest.jsonl.")
@click.option("--rate", type=click.IntRange(min=1), help="Resample to this many Hz.")
@configured
@with_json
@job
def segment(
    source: Path, out: Path, rate: int | None, config: Path | None, overrides: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Cut a recording, or every recording in the folder SOURCE, at its silences."""
    from voice_data.recording import segment_recordings
    from voice_data.segment import SegmentConfig

    settings = load(SegmentConfig, config, overrides)
    chunks = segment_recordings(source, out, settings, rate=rate, progress=True)
    seconds = sum(chunk.duration or 0.0 for chunk in chunks)
    values = {"chunks": len(chunks), "seconds": round(seconds, 3), "folder": str(out)}
    show(values, [f"{len(chunks)} chunks, {seconds / 60:.1f} minutes, in {out}"], as_json)


@main.command()
@SOURCE
@DIALECT
@configured
@seeded
@with_json
@job
def split(
    source: Path, dialect: str | None, config: Path | None, overrides: tuple[str, ...],
    seed: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Divide SOURCE into train.jsonl and validation.jsonl beside its index, without leaks."""
    from voice_data.formats import read_dataset
    from voice_data.split import SplitConfig, write_split
    from voice_data.split import split as run

    folder = source if source.is_dir() else source.parent
    settings = load(SplitConfig, config, overrides, {"seed": seed})
    done = run(read_dataset(source, dialect), settings, folder=folder)
    write_split(folder, done)
    values = {
        "train": {"clips": len(done.train), "sha256": done.train_sha256},
        "validation": {"clips": len(done.validation), "sha256": done.validation_sha256},
    }
    lines = [
        f"{name:10} {side['clips']:6} clips  {side['sha256']}" for name, side in values.items()
    ]
    show(values, lines, as_json)


@main.command()
@SOURCE
@DIALECT
@with_json
@job
def stats(source: Path, dialect: str | None, as_json: bool) -> None:
    """Count the clips, hours, speakers, languages, rates and licences of SOURCE."""
    from voice_data.formats import read_dataset
    from voice_data.statistic import summarize

    folder = source if source.is_dir() else source.parent
    figures = summarize(read_dataset(source, dialect), folder)
    show(figures.to_dict(), [figures.table()], as_json)


@main.command()
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@DIALECT
@out_option("The new manifest, in the folder of SOURCE.", required=False)
@click.option("--language", "languages", default="en,ko", show_default=True, help="Of: en, ko.")
@click.option("--count", type=click.IntRange(min=1), help="Sentences per clip and language: 4.")
@click.option("--per", type=click.Choice(("clip", "speaker")), help="Whose voice is described.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.")
@click.option("--edges", is_flag=True, help="Only print the tags, their edges and sources.")
@seeded
@with_json
@job
def describe(
    source: Path | None, dialect: str | None, out: Path | None, edges: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Measure the voices of SOURCE and describe them: tags and sentences.

    SOURCE is a data set, a folder of audio or one audio file, and only read. An interrupted call
    goes on where it stopped.
    """
    from voice_data.describe.annotation import DescribeConfig, annotate
    from voice_data.describe.tags import edge_table, edge_values

    if edges:
        show(edge_values(), edge_table(), as_json)
        return
    if source is None:
        raise click.UsageError("SOURCE is missing: name a data set, a folder or an audio file")
    options["languages"] = f"[{options['languages']}]"
    settings = load(DescribeConfig, None, (), options)
    done = annotate(source, out, settings, dialect=dialect, progress=True)
    show(done.to_dict(), described_lines(done), as_json)


@main.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@out_option("Write scores.csv, scores.json and scores.png into this folder.", required=False)
@click.option("--metric", "metrics", multiple=True, type=click.Choice(METRICS), help="One of them.")
@click.option("--recogniser", help="A Whisper checkpoint's name or folder.")
@click.option("--device", default="cpu", show_default=True, help="Where models run.")
@THREADS
@with_json
@job
def score(
    manifest: Path, out: Path | None, metrics: tuple[str, ...], recogniser: str | None, device: str,
    threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Score the clips of a manifest: error rates, similarity, predicted opinion, melody, pace."""
    from voice_data.score import score as run

    chosen: Any = metrics or METRICS
    report = run(manifest, metrics=chosen, recogniser=recogniser, device=device, threads=threads)
    if out is not None:
        report.save(out)
    show(report.to_dict(), [report.table()], as_json)
