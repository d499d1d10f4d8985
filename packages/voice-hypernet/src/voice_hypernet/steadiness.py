"""How much a voice changes from sentence to sentence: as a file, and as a prompt alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voice_hypernet.evaluate import Clips, Take
from voice_hypernet.voice import Voice

FILE, PROMPT = "voice file", "the base's prompt"


def steady_takes(clips: Clips, texts: Sequence[str], voices: int, folder: Path) -> Iterator[Take]:
    """Every text in a few voices that training did not hear: from a file, and by a prompt alone."""
    data = clips.corpus.data
    for speaker in clips.speakers[:voices]:
        made = clips.voicer.make(clip=clips.own(speaker))
        made.save(folder / speaker.name)
        prompt = clips.voicer.model.condition([data[i] for i in clips.heard(speaker)])
        for text in texts:
            yield Take(FILE, speaker.name, text, Voice.load(folder / speaker.name), None)
            yield Take(PROMPT, speaker.name, text, None, prompt)


def reloaded(clips: Clips, text: str, folder: Path, seed: int) -> bool:
    """Whether a voice speaks the same samples after it was saved and loaded."""
    speaker = clips.speakers[0]
    made = clips.voicer.make(clip=clips.own(speaker))
    made.save(folder / speaker.name)
    first, again = (
        clips.voicer.speak(Take("", "", text, voice, None), seed).samples
        for voice in (made, Voice.load(folder / speaker.name))
    )
    return np.array_equal(first, again)


def steadiness(spoken: Sequence[tuple[Take, Path]], clips: Clips) -> dict[str, Any]:
    """Deviations over the sentences of a voice, meaned over the voices.

    ``f0`` in semitones, ``rate`` in syllables per second; ``consistency`` is the mean similarity of
    a voice's sentences among themselves and ``similarity_deviation`` how much their similarity to
    the voice's recordings varies.
    """
    from voice_data.audio import read
    from voice_data.describe import measure
    from voice_data.score import Row, score

    references = {each.name: clips.references(each) for each in clips.speakers}
    found = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        mine = [(take, path) for take, path in spoken if take.way == way]
        rows = [Row(audio=path, text=take.text, speaker=take.subject,
                    references=references[take.subject]) for take, path in mine]  # fmt: skip
        report = score(rows, metrics=("similarity",))
        heard = [measure(read(path), take.text) for take, path in mine]
        whose = [take.subject for take, _ in mine]
        pitch = [None if each.f0 is None else 12 * np.log2(each.f0) for each in heard]
        likeness = [each.similarity and each.similarity.similarity for each in report.rows]
        found[way] = {
            "f0": _deviation(pitch, whose),
            "rate": _deviation([each.rate for each in heard], whose),
            "similarity_deviation": _deviation(likeness, whose),
            "consistency": report.summary()["consistency"].mean,
            "sentences": len(mine),
            "voices": len(set(whose)),
        }
    return found


def table(part: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    lines = ["| way | F0, semitones | rate, syllables/s | similarity | consistency | sentences |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for way in (FILE, PROMPT):
        row = part[way]
        lines.append(
            f"| {way} | ± {row['f0']:.2f} | ± {row['rate']:.2f} | "
            f"± {row['similarity_deviation']:.3f} | {row['consistency']:.3f} | "
            f"{row['sentences']} of {row['voices']} voices |"
        )
    same = "the same samples" if part["identical after reload"] else "OTHER samples"
    return [*lines, "", f"After reload: {same}."]


def _deviation(values: Sequence[float | None], whose: Sequence[str]) -> float:
    groups: dict[str, list[float]] = {}
    for value, name in zip(values, whose, strict=True):
        if value is not None:
            groups.setdefault(name, []).append(value)
    return float(np.mean([np.std(each) for each in groups.values()]))
