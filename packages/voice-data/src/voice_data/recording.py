"""A folder of long recordings cut into chunks with a manifest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from voice_data.container import SUFFIXES
from voice_data.manifest import ManifestError, Utterance, write_manifest
from voice_data.segment import SegmentConfig, segment_file
from voice_data.storage import write_failure


def segment_recordings(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: SegmentConfig | None = None,
    *,
    rate: int | None = None,
    progress: bool = False,
) -> list[Utterance]:
    """Cut one recording, or every one in a folder, into ``out/wavs`` with ``out/manifest.jsonl``.

    The chunks have no text yet. ``out`` must be new or empty; it appears whole or not at all.

    Raises:
        ManifestError: if there is no recording, two share a name, or ``out`` is in the way.
        AudioError: if a recording cannot be read.
        OSError: if the disk is full or ``out`` cannot be written.
    """
    from tqdm import tqdm

    source, out = Path(source), Path(out).absolute()
    root = source if source.is_dir() else source.parent
    recordings = sorted(source.rglob("*")) if source.is_dir() else [source]
    if source.is_dir():
        recordings = [path for path in recordings if path.suffix.lower() in SUFFIXES]
    _check_names(source, root, recordings)
    chunks: list[Utterance] = []
    with _new_folder(out) as folder:
        for path in tqdm(recordings, unit="file", disable=None if progress else True):
            place = Path("wavs") / path.relative_to(root).parent
            for chunk in segment_file(path, folder / place, config, resample_to=rate):
                audio = (place / chunk.audio).as_posix()
                name = audio.removeprefix("wavs/").removesuffix(".wav")
                origin = path.relative_to(root).as_posix()
                chunks.append(replace(chunk, id=name, audio=audio, source=origin))
        write_manifest(folder / "manifest.jsonl", chunks)
    return chunks


def _check_names(source: Path, root: Path, recordings: list[Path]) -> None:
    if not recordings:
        raise ManifestError(
            f"{source} holds no recording: name a file, or a folder with "
            f"{', '.join(SUFFIXES)} files"
        )
    seen: dict[Path, Path] = {}
    for path in recordings:
        other = seen.setdefault(path.relative_to(root).with_suffix(""), path)
        if other != path:
            raise ManifestError(f"{other} and {path} would give chunks of one name: rename one")


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ManifestError(f"{out} exists and is kept: choose a new folder")
    staging = out.with_name(f".{out.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)  # of a call that was killed
    try:
        try:
            staging.mkdir(parents=True)
        except OSError as error:
            raise write_failure(out, error) from error
        yield staging
        if out.is_dir():
            out.rmdir()
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
