"""What one pass is held against: adapters and a whole base trained on the voice's own clips."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_hypernet.evaluate import Clips, Take
from voice_hypernet.oracle import Descent, fine_tuned, fitted
from voice_hypernet.voice import Voice

if TYPE_CHECKING:
    from voice_hypernet.corpus import Speaker

MOST_CLIPS = 40
"""Clips of a voice that its own adapter is trained on."""
TUNING_RATE = 1e-4
OWN, TUNED, PASS, BASE = (
    "its own adapter, by descent", "the whole base, by descent", "one pass", "the base",
)  # fmt: skip
_SECONDS = "seconds.json"


def rivals(clips: Clips, texts: Sequence[str], folder: Path, speak: Any) -> dict[str, Any]:
    """Similarity, word errors and seconds by way, for the first few unseen voices.

    ``speak`` takes :class:`Take` and returns them with their files. The adapters of the second way
    stay in ``folder``, one for each voice.
    """
    from voice_data.score import Row, score

    speakers = clips.speakers[: clips.config.rivals]
    seconds: dict[str, float] = {}
    spoken = speak(_passes(clips, speakers, texts, seconds))
    own, seconds[OWN] = own_adapters(clips, speakers, folder)
    spoken += speak(
        Take(OWN, each.name, text, own[each.name], None) for each in speakers for text in texts
    )
    taken = []
    for each in speakers:
        tuning = Descent(steps=clips.config.tuning_steps, learning_rate=TUNING_RATE)
        encoded = [clips.corpus.data[place] for place in clips.heard(each)]
        with fine_tuned(clips.voicer.model, encoded, tuning) as (told, lasted):
            taken.append(lasted)
            spoken += speak(Take(TUNED, each.name, text, None, told) for text in texts)
    seconds[TUNED] = sum(taken) / len(taken)
    found: dict[str, Any] = {}
    for way in dict.fromkeys(take.way for take, _ in spoken):
        rows = [Row(audio=path, text=take.text, speaker=take.subject,
                    references=clips.references(clips.named(take.subject)))
                for take, path in spoken if take.way == way]  # fmt: skip
        summary = score(rows, metrics=("wer", "similarity")).summary()
        found[way] = {
            "similarity": summary["similarity"].mean,
            "ceiling": summary["similarity_ceiling"].mean,
            "wer": summary["wer"].mean,
            "seconds": seconds.get(way, 0.0),
        }
    return {"ways": found, "share": _share(found), "voices": len(speakers), "texts": len(texts)}


def own_adapters(
    clips: Clips, speakers: Sequence[Speaker], folder: Path
) -> tuple[dict[str, Voice], float]:
    """A trained adapter for each speaker, and the seconds of one; those in ``folder`` are kept."""
    places = {each.name: folder / each.name for each in speakers}
    if all((place / "voice.json").is_file() for place in places.values()):
        kept = json.loads((folder / _SECONDS).read_text("utf-8"))
        return {name: Voice.load(place) for name, place in places.items()}, kept["each"]
    voicer, data = clips.voicer, clips.corpus.data
    network = voicer.hypernet.network
    begun = time.perf_counter()
    made = fitted(
        voicer.model,
        network.groups,
        network.config.hypernet.lora,
        {each.name: [data[place] for place in _own_clips(clips, each)] for each in speakers},
        replace(voicer.hypernet.origin, hypernet_sha256=""),
        Descent(steps=clips.config.oracle_steps, seed=clips.config.seed),
    )
    each = (time.perf_counter() - begun) / len(speakers)
    for name, voice in made.items():
        voice.save(places[name])
    (folder / _SECONDS).write_text(json.dumps({"each": each}) + "\n", "utf-8")
    return made, each


def table(part: Mapping[str, Any]) -> list[str]:
    """The figures as Markdown."""
    lines = ["| way | similarity | of the ceiling | WER | seconds |", "|---|---|---|---|---|"]
    for way, row in part["ways"].items():
        lines.append(
            f"| {way} | {row['similarity']:.3f} | {row['similarity'] / row['ceiling']:.3f} | "
            f"{row['wer']:.1%} | {row['seconds']:.3f} |"
        )
    return [
        *lines,
        "",
        f"One pass has {part['share']:.2f} of what descent gains over the base "
        f"({part['voices']} voices, {part['texts']} sentences each).",
    ]


def _passes(
    clips: Clips, speakers: Sequence[Speaker], texts: Sequence[str], seconds: dict[str, float]
) -> list[Take]:
    """One pass from the clips, and the base as it is."""
    takes = []
    lasted = []
    for each in speakers:
        features = clips.own(each)
        begun = time.perf_counter()
        made = clips.voicer.make(clip=features)
        lasted.append(time.perf_counter() - begun)
        takes += [Take(PASS, each.name, text, made, None) for text in texts]
        takes += [Take(BASE, each.name, text, None, None) for text in texts]
    seconds[PASS] = sorted(lasted)[len(lasted) // 2]
    return takes


def _own_clips(clips: Clips, speaker: Speaker) -> list[int]:
    """The clips that a voice is known by and all others that it is not compared with."""
    heard = clips.config.clips
    return [*speaker.clips[:heard], *speaker.clips[heard + clips.compared :]][:MOST_CLIPS]


def _share(found: Mapping[str, Mapping[str, float]]) -> float:
    gain = found[OWN]["similarity"] - found[BASE]["similarity"]
    return (found[PASS]["similarity"] - found[BASE]["similarity"]) / gain if gain else 0.0
