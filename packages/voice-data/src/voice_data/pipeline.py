"""From a folder of recordings to a training set: checked, resampled, segmented, split, hashed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from voice_data.formats import read_dataset
from voice_data.inspection import inspect
from voice_data.journal import NAME as JOURNAL
from voice_data.journal import Journal, key_of
from voice_data.manifest import ManifestError, Utterance
from voice_data.storage import write_failure
from voice_data.training_set import Prepared, PrepareError, finished_set, settings_of, write_set
from voice_data.treatment import PrepareConfig, Treated, completed, treat
from voice_data.verdict import Report, judge
from voice_data.workers import mapping

__all__ = ["PrepareConfig", "PrepareError", "Prepared", "check", "prepare"]

_Item = TypeVar("_Item")


def check(
    source: str | os.PathLike[str],
    config: PrepareConfig | None = None,
    *,
    dialect: str | None = None,
    progress: bool = False,
) -> Report:
    """A verdict on every clip of a data set, and what `prepare` would do; nothing is written.

    Raises:
        ManifestError: starting with ``FILE:LINE:``, if the index cannot be read.
        ValueError: if the charset's file holds no vocabulary.
        OSError: if a file cannot be read.
    """
    config = config or PrepareConfig()
    utterances, root = _utterances(source, config, dialect)
    look = partial(inspect, folder=root, config=config.check, charset=_charset(config))
    with mapping(config.processes) as apply:
        found = list(_shown(apply(look, utterances), len(utterances), progress))
    return judge(utterances, root, config.check, map_with=lambda *_: found)


def prepare(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: PrepareConfig | None = None,
    *,
    dialect: str | None = None,
    progress: bool = False,
) -> Prepared:
    """Make the training set ``out`` from the data set ``source``, which is only read.

    ``out`` gets ``wavs/``, ``manifest.jsonl`` (with ``train.jsonl``, ``validation.jsonl`` and
    ``split.json``), ``report.json`` with a verdict per clip, and ``prepare.json`` with settings and
    hashes. It appears whole or not at all: until then the work lies in ``.NAME.partial`` beside
    it, where the same call goes on after an interruption. Equal input gives equal bytes.

    Raises:
        PrepareError: if ``out`` is in the way, no clip is usable, or the set cannot be split.
        ManifestError: starting with ``FILE:LINE:``, if the index cannot be read.
        OSError: if the disk is full or ``out`` cannot be written; what is done is kept.
        WorkerError: if a worker process died.
    """
    config, out = config or PrepareConfig(), Path(out).absolute()
    utterances, root = _utterances(source, config, dialect)
    _refuse_overlap(root, out)
    keys = {item.id: key_of(item, root) for item in utterances}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return finished_set(out, keys, config)
    staging = out.with_name(f".{out.name}.partial")
    with _made(staging, out):
        treated = _treat_all(utterances, keys, root, staging, config, progress)
        found = [each.inspection for each in treated]
        report = judge(utterances, root, config.check, map_with=lambda *_: found)
        prepared = write_set(staging, out, treated, report, keys, config)
        (staging / JOURNAL).unlink()
        if out.is_dir():
            out.rmdir()
        staging.rename(out)
    return prepared


def _utterances(
    source: str | os.PathLike[str], config: PrepareConfig, dialect: str | None
) -> tuple[list[Utterance], Path]:
    root = Path(source) if Path(source).is_dir() else Path(source).parent
    utterances = [completed(item, config) for item in read_dataset(source, dialect)]
    if not utterances:
        raise ManifestError(f"{os.fspath(source)}:1: the list holds no clips: add one per line")
    return utterances, root


def _charset(config: PrepareConfig) -> Collection[str] | None:
    if config.charset is None:
        return None
    from voice_data.charset import charset_of

    return charset_of(config.charset)


def _shown(items: Iterable[_Item], total: int, progress: bool) -> Iterator[_Item]:
    """``items`` with a progress bar on stderr, if that is a terminal."""
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit="clip", disable=None if progress else True)


def _refuse_overlap(root: Path, out: Path) -> None:
    if out.resolve().is_relative_to(root.resolve()):
        raise PrepareError(
            f"{out} lies in the data set {root}, which is only read: choose a folder outside it"
        )


@contextmanager
def _made(staging: Path, out: Path) -> Iterator[None]:
    """Make the staging folder; if nothing came of it, take it away again."""
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(out, error) from error
    try:
        yield
    finally:
        if staging.is_dir() and not (staging / "wavs").is_dir():
            shutil.rmtree(staging, ignore_errors=True)


def _treat_all(
    utterances: Sequence[Utterance],
    keys: Mapping[str, str],
    root: Path,
    staging: Path,
    config: PrepareConfig,
    progress: bool,
) -> list[Treated]:
    done: dict[str, Treated] = {}
    work = partial(treat, folder=root, out=staging, config=config, charset=_charset(config))
    with (
        Journal(staging, settings_of(config, without=("split",))) as journal,
        mapping(config.processes) as apply,
    ):
        for item in utterances:
            if (known := journal.recall(keys[item.id])) is not None:
                done[item.id] = known
        left = [item for item in utterances if item.id not in done]
        for item, result in zip(left, _shown(apply(work, left), len(left), progress), strict=True):
            journal.record(keys[item.id], result)
            done[item.id] = result
    return [done[item.id] for item in utterances]
