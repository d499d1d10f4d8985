"""What a data set amounts to: clips, hours, speakers, languages, rates, terms."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voice_data.audio import AudioError, info
from voice_data.manifest import Utterance, manifest_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Figures of a data set. Durations are in seconds, rates in Hz; the counts are of clips.

    ``unmeasured`` clips have no recorded duration and no readable file; no figure counts them.
    """

    clips: int
    unmeasured: int
    seconds: float
    shortest: float
    median: float
    longest: float
    characters: int
    speakers: dict[str, int]
    languages: dict[str, int]
    rates: dict[int, int]
    splits: dict[str, int]
    licences: dict[str, int]
    consents: dict[str, int]
    manifest_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def table(self) -> str:
        """The figures as aligned text."""
        lines = [
            f"clips       {self.clips}"
            + (f" ({self.unmeasured} without sound)" * bool(self.unmeasured)),
            f"duration    {self.seconds / 3600:.2f} h",
            f"per clip    {self.shortest:.2f} to {self.longest:.2f} s, median {self.median:.2f} s",
            f"characters  {self.characters}",
        ]
        for name in ("speakers", "languages", "rates", "splits", "licences", "consents"):
            counts = getattr(self, name)
            shown = ", ".join(f"{key or '?'} ({count})" for key, count in list(counts.items())[:8])
            more = f" and {len(counts) - 8} more" if len(counts) > 8 else ""
            lines.append(f"{name:11} {shown or '?'}{more}")
        return "\n".join([*lines, f"sha256      {self.manifest_sha256}"])


def summarize(utterances: Sequence[Utterance], folder: str | os.PathLike[str]) -> Statistics:
    """The figures of the data set in ``folder``; what no manifest records is read from the headers.

    >>> clip = Utterance(id="a", audio="a.wav", text="Hm.", duration=2.0, rate=8000)
    >>> summarize([clip], ".").seconds
    2.0

    Raises:
        ManifestError: if an id occurs twice, or a path leaves ``folder``.
    """
    measured = [found for item in utterances if (found := _measured(item, folder)) is not None]
    durations = np.array([duration for duration, _ in measured] or [0.0])
    return Statistics(
        clips=len(utterances),
        unmeasured=len(utterances) - len(measured),
        seconds=round(float(durations.sum()), 3),
        shortest=round(float(durations.min()), 3),
        median=round(float(np.median(durations)), 3),
        longest=round(float(durations.max()), 3),
        characters=sum(len(item.text) for item in utterances),
        speakers=_counts(item.speaker for item in utterances),
        languages=_counts(item.language for item in utterances),
        rates=_counts(rate for _, rate in measured),
        splits=_counts(item.split for item in utterances),
        licences=_counts(item.licence for item in utterances),
        consents=_counts(item.consent for item in utterances),
        manifest_sha256=manifest_hash(utterances),
    )


def _measured(utterance: Utterance, folder: str | os.PathLike[str]) -> tuple[float, int] | None:
    if utterance.duration is not None and utterance.rate is not None:
        return utterance.duration, utterance.rate
    try:
        header = info(utterance.path_in(folder))
    except AudioError:
        return None
    return header.duration, header.rate


def _counts(values: Iterable[Any]) -> dict[Any, int]:
    """The most frequent first, then by value."""
    return dict(sorted(Counter(values).items(), key=lambda entry: (-entry[1], entry[0])))
