"""Training and validation sets that share no speaker, no text and no sound, the same at every
rebuild."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from voice_data.manifest import Utterance, manifest_hash, write_manifest
from voice_data.storage import file_sha256, write_text

_log = logging.getLogger(__name__)


class SplitError(ValueError):
    """A set that cannot be split as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """``validation`` is the wished share of the total duration (or of the number of clips, where a
    duration is not known); ``seed`` chooses which clips it is.

    ``speakers="apart"`` keeps every speaker on one side, so that validation measures unknown
    voices; ``"shared"`` lets a speaker stand on both sides with different texts and recordings.
    Where ``extra["person"]`` is set it decides instead: one person may be several speakers, such as
    one per language or style.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    validation: float = 0.05
    seed: int = 0
    speakers: Literal["apart", "shared"] = "apart"

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise ValueError(
                f"SplitConfig.validation must be between 0 and 1, not {self.validation}"
            )
        if self.speakers not in ("apart", "shared"):
            raise ValueError(f"SplitConfig.speakers must be apart or shared, not {self.speakers!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError(f"SplitConfig.seed must be an int, not {self.seed!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The two sides, sorted by id with ``split`` filled in, their hashes, and how they were made.

    ``groups`` counts the sets of clips that had to stay together.
    """

    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    train_sha256: str
    validation_sha256: str
    groups: int
    config: SplitConfig


def split(
    utterances: Sequence[Utterance],
    config: SplitConfig | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
) -> Split:
    """Divide the clips; what belongs together stays together, and their order does not count.

    Together belong clips with the same audio hash, the same words, the same recording (``source``
    with a ``start_seconds``) and, with ``speakers="apart"``, the same speaker. Every clip needs its
    ``sha256``; with ``folder`` those that lack one are hashed.

    Raises:
        SplitError: if there are no clips, a hash is missing, or everything belongs together.
        ManifestError: if an id occurs twice, or a path leaves ``folder``.
        OSError: if a file cannot be read.
    """
    config = config or SplitConfig()
    items = sorted(with_hashes(utterances, folder), key=lambda item: item.id)
    if not items:
        raise SplitError("there are no clips to split")
    groups = _groups(items, _keys(config))
    if len(groups) < 2:
        raise SplitError(_indivisible(items, config))
    chosen = _validation_ids(groups, config)
    train = tuple(replace(item, split="train") for item in items if item.id not in chosen)
    validation = tuple(replace(item, split="validation") for item in items if item.id in chosen)
    return Split(
        train=train,
        validation=validation,
        train_sha256=manifest_hash(train),
        validation_sha256=manifest_hash(validation),
        groups=len(groups),
        config=config,
    )


def write_split(folder: str | os.PathLike[str], result: Split) -> None:
    """Write ``train.jsonl``, ``validation.jsonl`` and ``split.json`` (settings and hashes).

    The same clips and settings give the same bytes. ``folder`` must be that of the data set,
    because paths in a manifest are relative to it.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    record = {
        "config": asdict(result.config),
        "groups": result.groups,
        "train": {"clips": len(result.train), "sha256": result.train_sha256},
        "validation": {"clips": len(result.validation), "sha256": result.validation_sha256},
    }
    write_manifest(Path(folder) / "train.jsonl", result.train)
    write_manifest(Path(folder) / "validation.jsonl", result.validation)
    write_text(Path(folder) / "split.json", json.dumps(record, indent=2) + "\n")


def leaks(
    train: Iterable[Utterance], validation: Iterable[Utterance], config: SplitConfig | None = None
) -> list[str]:
    """What two sets share that they should not, one line each; an empty list is good.

    >>> a, b = (Utterance(id=i, audio=i, text="Hello!", speaker=i) for i in "ab")
    >>> leaks([a], [b])
    ["text 'hello' is in both: 'a' and 'b'"]
    """
    train = list(train)
    found: list[str] = []
    for key in _keys(config or SplitConfig()):
        known = {value: item.id for item in train if (value := key(item)) is not None}
        for item in validation:
            if (value := key(item)) in known:
                kind, *rest = value
                shown = " ".join(map(str, rest))
                found.append(f"{kind} {shown!r} is in both: {known[value]!r} and {item.id!r}")
    return found


def with_hashes(
    utterances: Iterable[Utterance], folder: str | os.PathLike[str] | None
) -> list[Utterance]:
    """The utterances, those without ``sha256`` hashed from their file in ``folder``.

    Raises:
        SplitError: if a hash is missing and there is no ``folder``.
        ManifestError: if a path leaves ``folder``.
        OSError: if a file cannot be read.
    """
    items: list[Utterance] = []
    for item in utterances:
        if not item.sha256:
            if folder is None:
                raise SplitError(f"{item.id!r} has no sha256: name the data set's folder")
            item = replace(item, sha256=file_sha256(item.path_in(folder)))
        items.append(item)
    return items


_Key = Callable[[Utterance], "tuple[Hashable, ...] | None"]


def _keys(config: SplitConfig) -> list[_Key]:
    keys: list[_Key] = [_sound, _words, _recording]
    return [*keys, _speaker] if config.speakers == "apart" else keys


def _sound(item: Utterance) -> tuple[Hashable, ...] | None:
    return ("sound", item.sha256) if item.sha256 else None


def _words(item: Utterance) -> tuple[Hashable, ...] | None:
    words = "".join(filter(str.isalnum, item.text.casefold()))
    return ("text", words) if words else None


def _recording(item: Utterance) -> tuple[Hashable, ...] | None:
    return ("recording", item.source) if item.source and "start_seconds" in item.extra else None


def _speaker(item: Utterance) -> tuple[Hashable, ...] | None:
    return ("speaker", str(item.extra.get("person") or item.speaker))


def _groups(items: Sequence[Utterance], keys: Sequence[_Key]) -> list[list[Utterance]]:
    """The connected components of "shares a key with", by union-find."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for key in keys:
        first: dict[Hashable, int] = {}
        for index, item in enumerate(items):
            if (value := key(item)) is not None:
                parent[root(index)] = root(first.setdefault(value, index))
    groups: dict[int, list[Utterance]] = {}
    for index, item in enumerate(items):
        groups.setdefault(root(index), []).append(item)
    return list(groups.values())


def _validation_ids(groups: list[list[Utterance]], config: SplitConfig) -> set[str]:
    """Whole groups in the order of their salted hash, while they fit; the smallest if none does."""
    sizes = _sizes(groups)
    wanted = config.validation * sum(sizes)
    order = sorted(range(len(groups)), key=lambda index: _rank(groups[index], config.seed))
    chosen: list[int] = []
    filled = 0.0
    for index in order:
        if filled + sizes[index] <= wanted:
            chosen.append(index)
            filled += sizes[index]
    if not chosen:
        chosen = [min(order, key=lambda index: sizes[index])]
        _log.info("no group fits into %.1f %%: the smallest is taken", 100 * config.validation)
    return {item.id for index in chosen for item in groups[index]}


def _sizes(groups: list[list[Utterance]]) -> list[float]:
    """Seconds of each group, or its number of clips where a duration is not known."""
    if any(item.duration is None for group in groups for item in group):
        return [float(len(group)) for group in groups]
    return [sum(item.duration or 0.0 for item in group) for group in groups]


def _rank(group: Sequence[Utterance], seed: int) -> str:
    content = min(f"{item.sha256}:{item.id}" for item in group)
    return hashlib.sha256(f"{seed}:{content}".encode()).hexdigest()


def _indivisible(items: Sequence[Utterance], config: SplitConfig) -> str:
    speakers = {item.speaker for item in items}
    if config.speakers == "apart" and len(speakers) == 1 and len(items) > 1:
        return (
            f"all {len(items)} clips are of one speaker ({next(iter(speakers))!r}): "
            "use speakers='shared', or add clips of another speaker"
        )
    return f"all {len(items)} clips share speaker, words or recording: add other clips"
