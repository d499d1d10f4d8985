"""Likeness: a model's voices against recordings of those whose voices they should be.

Part of ``evaluate_voices.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
from tqdm import tqdm

from voice_data.audio import Audio, write
from voice_data.manifest import Utterance
from voice_data.score import Row, voice_identity
from voice_data.score.similarity import Gallery, SpeakerEncoder

SHORTEST, LONGEST = 2.0, 10.0  # s, of the recordings that are used


class Speaker(Protocol):
    """What is evaluated; a :class:`jepa_tts.JepaTTS` is one."""

    @property
    def voices(self) -> tuple[str, ...]: ...

    def speak(
        self, text: str, *, voice: str | None = None, prompt: Path | None = None, seed: int = 0
    ) -> Audio: ...

    def reconstruct(self, audio: Path, *, seed: int = 0) -> Audio: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A real speaker: the recordings that the model hears, and others to compare with.

    ``who`` is the same in two sets of recordings of one human being in two languages.
    """

    name: str
    who: str
    language: str
    heard: tuple[Path, ...]
    others: tuple[Path, ...]


def people(utterances: Sequence[Utterance], folder: Path, clips: int) -> list[Person]:
    """Every speaker's recordings of a usable length: ``clips`` to hear, as many others.

    The choice depends on the ids alone. Recordings of the split ``train`` are left out.

    Raises:
        UsageError: if a speaker has fewer than four such recordings, or there is one speaker only.
    """
    by_speaker: dict[str, list[Utterance]] = {}
    for item in sorted(utterances, key=lambda item: sha256(item.id.encode()).hexdigest()):
        held = by_speaker.setdefault(item.speaker, [])
        if item.split != "train" and SHORTEST <= (item.duration or 0.0) <= LONGEST:
            held.append(item)
    found = []
    for name, held in sorted(by_speaker.items()):
        half = min(clips, len(held) // 2)
        if half < 2:
            raise click.UsageError(
                f"{name!r} has {len(held)} held-out recordings of {SHORTEST:g} to {LONGEST:g} s: "
                "at least four are needed"
            )
        paths = [item.path_in(folder) for item in held]
        found.append(
            Person(
                name=name,
                who=str(held[0].extra.get("person", name)),
                language=held[0].language,
                heard=tuple(paths[:half]),
                others=tuple(paths[half : 2 * half]),
            )
        )
    if len(found) < 2:
        raise click.UsageError("the recordings are of one speaker: at least two are needed")
    return found


def made(path: Path, make: Callable[[], Audio]) -> Path:
    """The file, made now if it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, make())
    return path


def name_voices(
    system: Speaker,
    lines: Sequence[str],
    references: Mapping[str, Sequence[Path]],
    out: Path,
    encoder: SpeakerEncoder,
) -> dict[str, Any]:
    """Every named voice speaks every line; whose reference clips are nearest?

    Raises:
        UsageError: if a voice of the model has no reference clips.
    """
    if unknown := [voice for voice in system.voices if voice not in references]:
        raise click.UsageError(
            f"the references hold no clip of the voice {unknown[0]!r}: "
            "give the manifest of the corpus that the model was trained on"
        )
    known = {voice: references[voice] for voice in system.voices}
    jobs = [(voice, index, line) for voice in known for index, line in enumerate(lines)]
    rows = []
    for voice, index, line in tqdm(jobs, desc="named", disable=None):
        path = out / "named" / f"{voice}-{index:04d}.wav"
        made(path, lambda v=voice, t=line: system.speak(t, voice=v))
        rows.append(Row(audio=path, speaker=voice))
    found = voice_identity(rows, known, encoder=encoder)
    gallery = Gallery(encoder)
    confusion = found.confusion.tolist()
    return {
        **found.to_dict(),
        "by_voice": {
            voice: {
                "clips": len(lines),
                "right": confusion[index][index] / len(lines),
                "similarity": cosine(gallery, [r.audio for r in rows if r.speaker == voice], clips),
                "ceiling": cosine(gallery, clips, clips),
            }
            for index, (voice, clips) in enumerate(known.items())
        },
    }


def hear_people(
    system: Speaker,
    known: Sequence[Person],
    lines: Sequence[str],
    out: Path,
    encoder: SpeakerEncoder,
) -> dict[str, Any]:
    """Every person's recordings, reconstructed, and as prompts for other sentences."""
    gallery = Gallery(encoder)
    made_of = {kind: out / kind for kind in ("reconstructed", "prompted")}
    takes: dict[str, dict[str, list[Path]]] = {"real": {}, "reconstructed": {}, "prompted": {}}
    for person in tqdm(known, desc="people", disable=None):
        takes["real"][person.name] = list(person.heard)
        for kind, folder in made_of.items():
            takes[kind][person.name] = [
                made(folder / f"{clip.stem}.wav", _work(system, kind, clip, lines[i % len(lines)]))
                for i, clip in enumerate(person.heard)
            ]
    others = {person.name: person.others for person in known}
    identity = {
        kind: voice_identity(
            [Row(audio=clip, speaker=name) for name, clips in spoken.items() for clip in clips],
            others,
            encoder=encoder,
        )
        for kind, spoken in takes.items()
    }
    return {
        "identity": {kind: found.to_dict() for kind, found in identity.items()},
        "by_person": {
            person.name: {
                "clips": len(person.heard),
                "language": person.language,
                "across_languages": _across_languages(gallery, person, known),
                **_similarities(gallery, person, takes, known),
                "right": {kind: _right(found, person, known) for kind, found in identity.items()},
                "no_speech": {
                    kind: sum(not gallery.embed(clip).any() for clip in spoken[person.name])
                    for kind, spoken in takes.items()
                },
            }
            for person in known
        },
    }


def _across_languages(gallery: Gallery, person: Person, known: Sequence[Person]) -> float | None:
    """How similar the person's recordings are to their own in other languages: the ceiling of
    whoever speaks for them in another language. None where there are none.
    """
    abroad = [clip for other in known
              if other.who == person.who and other.language != person.language
              for clip in other.others]  # fmt: skip
    return cosine(gallery, person.heard, abroad) if abroad else None


def _work(system: Speaker, kind: str, clip: Path, line: str) -> Callable[[], Audio]:
    if kind == "reconstructed":
        return lambda: system.reconstruct(clip)
    return lambda: system.speak(line, prompt=clip)


def _similarities(
    gallery: Gallery,
    person: Person,
    takes: Mapping[str, Mapping[str, Sequence[Path]]],
    known: Sequence[Person],
) -> dict[str, float]:
    again, spoken = takes["reconstructed"][person.name], takes["prompted"][person.name]
    pairs = zip(person.heard, again, strict=True)
    strange = [other for other in known if other.who != person.who]
    strangers = [clip for other in strange for clip in other.others]
    foreign = [clip for other in strange for clip in takes["prompted"][other.name]]
    return {
        "reconstructed": float(np.mean([gallery.embed(a) @ gallery.embed(b) for a, b in pairs])),
        "reconstructed_to_others": cosine(gallery, again, person.others),
        "prompted": cosine(gallery, spoken, person.others),
        "prompted_by_strangers": cosine(gallery, foreign, person.others),
        "ceiling": cosine(gallery, person.heard, person.others),
        "floor": cosine(gallery, strangers, person.others),
    }


def cosine(gallery: Gallery, clips: Sequence[Any], others: Sequence[Any]) -> float:
    """Mean cosine of every clip with every other clip; a clip is not compared with itself."""
    found = [
        float(gallery.embed(a) @ gallery.embed(b))
        for a in clips
        for b in others
        if Path(a) != Path(b)
    ]
    return float(np.mean(found))


def _right(found: Any, person: Person, known: Sequence[Person]) -> float:
    own = {other.name for other in known if other.who == person.who}
    hits = [near in own for asked, near in zip(found.asked, found.nearest, strict=True)
            if asked == person.name]  # fmt: skip
    return sum(hits) / len(hits)
