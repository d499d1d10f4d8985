"""Descriptions of a whole data set, written into a new manifest; the source is only read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from voice_data.audio import AudioError, read
from voice_data.container import SUFFIXES
from voice_data.describe.measures import DescribeError, Measures, combine, measure
from voice_data.describe.sentence import LANGUAGES, Description, sentences
from voice_data.describe.tags import Tags, tag
from voice_data.formats import read_dataset
from voice_data.journal import key_of
from voice_data.manifest import ManifestError, Utterance, write_manifest
from voice_data.storage import write_failure
from voice_data.workers import mapping

_HEADER = {"voice-data describe": 1}
_INDEXES = (".jsonl", ".json", ".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfig:
    """How to describe. ``count`` sentences per language; ``per`` clip, or one voice per speaker.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    languages: tuple[str, ...] = LANGUAGES
    count: int = 4
    seed: int = 0
    workers: int = 1
    per: Literal["clip", "speaker"] = "clip"

    def __post_init__(self) -> None:
        unknown = [name for name in self.languages if name not in LANGUAGES]
        if unknown or not self.languages:
            raise ValueError(
                f"languages must be of {', '.join(LANGUAGES)}, not {', '.join(unknown) or 'empty'}"
            )
        if self.count < 1 or self.workers < 1:
            raise ValueError(
                f"count and workers must be 1 or more, not {self.count} and {self.workers}"
            )
        if self.per not in ("clip", "speaker"):
            raise ValueError(f"per must be clip or speaker, not {self.per!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One clip, described. ``measures`` and ``tags`` are the speaker's where ``per`` says so."""

    utterance: Utterance
    measures: Measures
    tags: Tags
    descriptions: tuple[Description, ...]

    def to_utterance(self) -> Utterance:
        """The clip with ``tags``, ``measures`` and ``descriptions`` in its ``extra``."""
        values = self.measures.to_dict()
        found = {
            "tags": self.tags.to_list(),
            "measures": [f"{name}={value}" for name, value in values.items()],
            "descriptions": [each.to_dict() for each in self.descriptions],
        }
        return replace(self.utterance, extra={**self.utterance.extra, **found})


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """``voices`` in the order of the source; ``skipped`` maps the id of each other clip to why."""

    voices: tuple[Voice, ...]
    skipped: Mapping[str, str]
    path: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        clips = [
            {
                "id": voice.utterance.id,
                "speaker": voice.utterance.speaker,
                "tags": voice.tags.mentioned,
                "measures": voice.measures.to_dict(),
                "descriptions": [each.to_dict() for each in voice.descriptions],
            }
            for voice in self.voices
        ]
        manifest = str(self.path) if self.path else None
        return {"manifest": manifest, "clips": clips, "skipped": dict(self.skipped)}


def annotate(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    config: DescribeConfig | None = None,
    *,
    dialect: str | None = None,
    progress: bool = False,
) -> Described:
    """Describe every clip of a data set, a folder of audio, or one audio file.

    With ``out`` the new manifest appears there when everything is done; clips that cannot be
    measured stay in it as they were. Until then the measures lie beside it in ``.NAME.partial``,
    from where the same call goes on after an interruption.

    Raises:
        DescribeError: if ``out`` exists or cannot reach the audio, or no clip can be measured.
        ManifestError: starting with ``FILE:LINE:``, if the index cannot be read.
        ImportError: if neither of the extras ``[describe]`` and ``[metrics]`` is installed.
        OSError: if the disk is full or ``out`` cannot be written; what is measured is kept.
    """
    config = config or DescribeConfig()
    utterances, root = _utterances(Path(source), dialect)
    target = Path(out).absolute() if out is not None else None
    moved = _moved(utterances, root, target) if target else utterances
    found = _measured(utterances, root, target, config, progress)
    voices = tuple(_described(moved, found, config))
    if not voices:
        reason = next(iter(found.values()), "the list is empty")
        raise DescribeError(f"{os.fspath(source)}: no clip could be described: {reason}")
    if target:
        done = {voice.utterance.id: voice.to_utterance() for voice in voices}
        write_manifest(target, [done.get(item.id, item) for item in moved])
        _journal_of(target).unlink(missing_ok=True)
    skipped = {name: value for name, value in found.items() if isinstance(value, str)}
    return Described(voices=voices, skipped=skipped, path=target)


def measure_file(utterance: Utterance, folder: Path) -> Measures | str:
    """The measures of a clip, or why there are none."""
    try:
        found = measure(read(utterance.path_in(folder)), utterance.text)
    except (AudioError, DescribeError, ManifestError) as error:
        return str(error)
    return found if found.f0 is not None else "nobody speaks in the clip: drop it"


def _utterances(source: Path, dialect: str | None) -> tuple[list[Utterance], Path]:
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        return [_bare(source, source.parent)], source.parent
    if source.is_dir() and dialect is None and not _has_index(source):
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
        if files:
            return [_bare(file, source) for file in files], source
    root = source if source.is_dir() else source.parent
    return read_dataset(source, dialect), root


def _has_index(folder: Path) -> bool:
    return any(path.suffix.lower() in _INDEXES for path in folder.rglob("*"))


def _bare(file: Path, root: Path) -> Utterance:
    place = file.relative_to(root)
    return Utterance(
        id="_".join(place.with_suffix("").parts).strip(), audio=place.as_posix(), text=""
    )


def _moved(utterances: Sequence[Utterance], root: Path, out: Path) -> list[Utterance]:
    """The same clips with paths from the folder of ``out``."""
    if out.exists():
        raise DescribeError(f"{out} exists and is kept: choose another name or remove it")
    here = Path(os.path.relpath(root.resolve(), out.parent.resolve()))
    if ".." in here.parts or here.is_absolute():
        raise DescribeError(
            f"{out} lies outside the data set, and a manifest's paths may not leave its folder: "
            f"write it into {root.absolute()}"
        )
    return [replace(item, audio=(here / item.audio).as_posix()) for item in utterances]


def _measured(
    utterances: Sequence[Utterance],
    root: Path,
    target: Path | None,
    config: DescribeConfig,
    progress: bool,
) -> dict[str, Measures | str]:
    from tqdm import tqdm

    keys = {item.id: key_of(item, root) for item in utterances} if target else {}
    known = _recalled(_journal_of(target)) if target else {}
    found = {item.id: known[keys[item.id]] for item in utterances if keys.get(item.id) in known}
    left = [item for item in utterances if item.id not in found]
    work = partial(measure_file, folder=root)
    with mapping(config.workers) as apply:
        results = tqdm(
            apply(work, left), total=len(left), unit="clip", disable=None if progress else True
        )
        kept = _kept(zip(left, results, strict=True), keys, _journal_of(target) if target else None)
        found.update(kept)
    return {item.id: found[item.id] for item in utterances}


def _kept(
    results: Iterable[tuple[Utterance, Measures | str]],
    keys: Mapping[str, str],
    journal: Path | None,
) -> Iterator[tuple[str, Measures | str]]:
    """The results, each written down before it is passed on."""
    for item, result in results:
        if journal is not None:
            value = result if isinstance(result, str) else result.to_dict()
            _append(journal, {"key": keys[item.id], "found": value})
        yield item.id, result


def _journal_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _append(journal: Path, entry: Mapping[str, Any]) -> None:
    try:
        fresh = not journal.exists()
        with journal.open("a", encoding="utf-8") as file:
            lines = [_HEADER, entry] if fresh else [entry]
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise write_failure(journal, error) from error


def _recalled(journal: Path) -> dict[str, Measures | str]:
    """What an interrupted call had measured; a line that was cut off counts as not written."""
    if not journal.is_file():
        return {}
    raw = journal.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    try:
        header, *entries = [json.loads(line) for line in whole.splitlines()]
        if header != _HEADER:
            raise ValueError("another format")
        found = {
            entry["key"]: value if isinstance(value := entry["found"], str)
            else Measures.from_dict(value)
            for entry in entries
        }  # fmt: skip
    except (ValueError, KeyError, TypeError):
        journal.unlink()
        return {}
    journal.write_bytes(whole)
    return found


def _described(
    utterances: Sequence[Utterance],
    found: Mapping[str, Measures | str],
    config: DescribeConfig,
) -> Iterator[Voice]:
    voices = _by_speaker(utterances, found) if config.per == "speaker" else {}
    for number, item in enumerate(utterances):
        measures = found[item.id]
        if isinstance(measures, str):
            continue
        measures = voices.get(item.speaker, measures)
        tags = tag(measures)
        texts = [
            text
            for language in config.languages
            for text in sentences(tags, language, config.count, config.seed * 1_000_003 + number)
        ]
        yield Voice(utterance=item, measures=measures, tags=tags, descriptions=tuple(texts))


def _by_speaker(
    utterances: Sequence[Utterance], found: Mapping[str, Measures | str]
) -> dict[str, Measures]:
    clips: dict[str, list[Measures]] = {}
    for item in utterances:
        measures = found[item.id]
        if item.speaker and isinstance(measures, Measures):
            clips.setdefault(item.speaker, []).append(measures)
    return {speaker: combine(measures) for speaker, measures in clips.items()}
