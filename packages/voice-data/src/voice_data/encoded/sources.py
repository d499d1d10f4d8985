"""The data sets that go into one training set: checked, resampled, joined, split by their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.checks import CheckConfig
from voice_data.segment import SegmentConfig

if TYPE_CHECKING:
    from voice_data.manifest import Utterance
    from voice_data.pipeline import PrepareConfig as ClipsConfig

CLIPS = "clips"


class PrepareError(ValueError):
    """Data that cannot become a training set; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """A data set: a folder or an index file in any layout that voice-data reads.

    Its clips come ``weight`` times in an epoch. ``speaker``, ``language``, ``licence``,
    ``consent`` and ``emotion`` (a name or a vector) fill in what a row does not say; without any
    speaker the folder's name is taken.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    folder: str
    weight: float = 1.0
    speaker: str = ""
    language: str = ""
    emotion: tuple[float, ...] | str = ""
    licence: str = ""
    consent: str = ""
    dialect: str = ""

    def __post_init__(self) -> None:
        if not self.folder:
            raise ValueError("SourceConfig.folder is empty: name a data set")
        if not 0.0 < self.weight < float("inf"):
            raise ValueError(f"SourceConfig.weight must be above 0, not {self.weight!r}")

    @property
    def name(self) -> str:
        """The last part of the path, without an index file's ending."""
        path = Path(self.folder).absolute()
        return path.name if path.is_dir() else path.stem


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """``sources`` become the training set ``out`` for the speech model ``base``.

    ``validation`` is the share of the clips' duration that is held out: no text of it is trained
    on. Sources whose rows all say their split keep it. ``check`` and ``segment`` are voice-data's.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    sources: tuple[SourceConfig, ...]
    base: str
    out: str
    validation: float = 0.05
    seed: int = 0
    normalize_text: bool = True
    shard_clips: int = 64
    processes: int = 1
    check: CheckConfig = field(default_factory=CheckConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)

    def __post_init__(self) -> None:
        for name in ("base", "out", "sources"):
            if not getattr(self, name):
                raise ValueError(f"PrepareConfig.{name} is empty: give it a value")
        if not 0 < self.validation < 1:
            raise ValueError(
                f"PrepareConfig.validation must be between 0 and 1, not {self.validation!r}"
            )
        for name in ("shard_clips", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"PrepareConfig.{name} must be 1 or more, not {getattr(self, name)!r}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What `prepare` would take from one data set: clips by status, seconds, codes by count."""

    name: str
    statuses: Mapping[str, int]
    codes: Mapping[str, int]
    seconds: float

    @property
    def usable(self) -> int:
        """Clips that are good or can be made good."""
        return self.statuses["accept"] + self.statuses["fix"]


def survey(config: PrepareConfig) -> list[Survey]:
    """Check every clip of every source; nothing is written and no model is loaded.

    Raises:
        ManifestError: starting with ``FILE:LINE:``, if an index cannot be read.
        OSError: if a file cannot be read.
    """
    from voice_data.pipeline import check

    found = []
    for source in config.sources:
        settings = _clips_config(config, source, rate=max(config.check.rates))
        report = check(source.folder, settings, dialect=source.dialect or None)
        usable = report.utterances("accept", "fix")
        found.append(
            Survey(
                name=source.name,
                statuses={str(name): count for name, count in report.statuses.items()},
                codes=report.codes,
                seconds=round(sum(each.duration or 0.0 for each in usable), 3),
            )
        )
    return found


def gather(config: PrepareConfig, folder: Path, rate: int) -> list[tuple[int, Utterance]]:
    """Write the clips of all sources to ``folder/clips`` at ``rate`` Hz, split into two sides.

    Each comes with the position of its source; ``audio`` is relative to ``folder``. What an
    interruption left is used.

    Raises:
        PrepareError: if fewer than two clips are usable, or they cannot be split.
        ManifestError: starting with ``FILE:LINE:``, if an index cannot be read.
        OSError: if the disk is full or ``folder`` cannot be written.
    """
    from voice_data.manifest import read_manifest
    from voice_data.pipeline import PrepareError as ClipsError
    from voice_data.pipeline import prepare

    clips: list[tuple[int, Utterance]] = []
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(config.sources):
        place = folder / CLIPS / str(number)
        settings = _clips_config(config, source, rate)
        try:
            prepare(source.folder, place, settings, dialect=source.dialect or None)
        except ClipsError as error:
            raise PrepareError(f"{source.folder}: {error}") from error
        for clip in read_manifest(place / "manifest.jsonl"):
            clips.append((number, _placed(clip, number, config.sources)))
    if len(clips) < 2:
        raise PrepareError(
            f"{len(clips)} clip can be used and training needs two at least, one of them held "
            "out: add recordings, or see `voice-data validate` for what was left out"
        )
    return _divided(clips, config)


def _clips_config(config: PrepareConfig, source: SourceConfig, rate: int) -> ClipsConfig:
    from voice_data.pipeline import PrepareConfig as ClipsConfig

    return ClipsConfig(
        rate=rate,
        normalize_text=config.normalize_text,
        speaker=source.speaker,
        language=source.language,
        licence=source.licence,
        consent=source.consent,
        check=config.check,
        segment=config.segment,
        split=None,
        processes=config.processes,
    )


def _placed(clip: Utterance, number: int, sources: Sequence[SourceConfig]) -> Utterance:
    """The clip as one of the whole set: where it is, and an id that no other source has."""
    extra: dict[str, Any] = dict(clip.extra)
    emotion = sources[number].emotion
    if emotion and "emotion" not in extra:
        extra["emotion"] = list(emotion) if isinstance(emotion, tuple) else emotion
    return replace(
        clip,
        id=clip.id if len(sources) == 1 else f"{number}-{clip.id}",
        audio=f"{CLIPS}/{number}/{clip.audio}",
        speaker=clip.speaker or sources[number].name,
        extra=extra,
    )


def _divided(
    clips: Sequence[tuple[int, Utterance]], config: PrepareConfig
) -> list[tuple[int, Utterance]]:
    from voice_data.split import SplitConfig, SplitError, split

    sides = {clip.split for _, clip in clips}
    if sides == {"train", "validation"}:
        return list(clips)
    settings = SplitConfig(validation=config.validation, seed=config.seed, speakers="shared")
    try:
        result = split([clip for _, clip in clips], settings)
    except SplitError as error:
        raise PrepareError(str(error)) from error
    chosen = {clip.id: clip for clip in (*result.train, *result.validation)}
    return [(number, chosen[clip.id]) for number, clip in clips]
