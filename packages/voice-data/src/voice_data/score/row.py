"""What is scored: one spoken sentence, its text, and perhaps whose voice it should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voice_data.audio import Audio, read
from voice_data.manifest import Utterance, read_manifest
from voice_data.storage import inside

Clip = str | Path | Audio


class ScoreError(ValueError):
    """A row that cannot be scored, or a setting that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clip to score.

    ``audio`` is a file or an `Audio`; ``references`` are clips of the voice that it should have,
    speaking other sentences: two or more of them per ``speaker`` give the similarity its ceiling.

    >>> Row(audio="speech.wav", text="Hello there.").id
    'speech'
    """

    audio: Clip
    text: str = ""
    id: str = ""
    speaker: str = ""
    references: Sequence[Clip] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.audio, (str, Path, Audio)):
            raise ScoreError(
                f"Row.audio must be a path or an Audio, not {type(self.audio).__name__}"
            )
        if isinstance(self.references, (str, Path, Audio)):
            raise ScoreError(
                "Row.references must be a sequence of clips: put the one clip in a list"
            )
        if not self.id:
            object.__setattr__(
                self, "id", "" if isinstance(self.audio, Audio) else Path(self.audio).stem
            )

    def load(self) -> Audio:
        """The clip as `Audio`.

        Raises:
            AudioError: if the file is missing, truncated, or not audio.
            ScoreError: if the clip holds no samples.
        """
        return load(self.audio, self.id)


def load(clip: Clip, name: str = "") -> Audio:
    """``clip`` as `Audio`, read from its file if it is a path."""
    audio = clip if isinstance(clip, Audio) else read(clip)
    if not len(audio.samples):
        raise ScoreError(f"the clip {name or clip!s} holds no samples: remove it from the rows")
    return audio


def read_rows(path: str | Path) -> list[Row]:
    """Rows from a JSONL manifest; ``extra["references"]`` may list clips relative to its folder.

    Raises:
        ManifestError: naming the file and line that is wrong.
    """
    folder = Path(path).parent
    return [_row(utterance, folder) for utterance in read_manifest(path)]


def to_rows(rows: str | Path | Iterable[Row]) -> list[Row]:
    """A checked list of rows, from a manifest's path or from rows.

    Raises:
        ScoreError: if there is nothing to score, or something in it is not a Row.
    """
    listed = read_rows(rows) if isinstance(rows, (str, Path)) else list(rows)
    if not listed:
        raise ScoreError("there are no rows to score: give at least one Row(audio=..., text=...)")
    for index, row in enumerate(listed):
        if not isinstance(row, Row):
            raise ScoreError(
                f"row {index} is {type(row).__name__}, not a Row: use Row(audio=..., text=...)"
            )
    return listed


def _row(utterance: Utterance, folder: Path) -> Row:
    references = utterance.extra.get("references", ())
    if not isinstance(references, (list, tuple)):
        raise ScoreError(
            f"{utterance.id}: extra.references must be a list of paths, not {references!r}"
        )
    return Row(
        audio=utterance.path_in(folder),
        text=utterance.text,
        id=utterance.id,
        speaker=utterance.speaker,
        references=tuple(inside(folder, str(reference)) for reference in references),
    )
