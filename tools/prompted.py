"""The base told a person's voice by a recording, without training: what an adapter has to beat.

Part of ``evaluate_clone.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tts_lora.heldout import held_out
from tts_lora.speaking import Measures, Spoken, score_spoken
from voice_data.encoded import EncodedSet

NAME = "base + clip"
LONGEST = 10.0  # s


def prompted(
    folder: Path, metrics: Sequence[str], limit: int, texts: Sequence[str]
) -> dict[str, float]:
    """The figures of jepa-tts, which hears the longest training clip under 10 s of the set in
    ``folder`` and says its held-out sentences, or ``texts``; seeds as of ``tts-lora validate``.
    """
    from jepa_tts import JepaTTS

    data = EncodedSet(folder)
    sentences = held_out(data, limit=limit)
    said = [replace(each, text=text) for each, text in zip(sentences, texts, strict=False)]
    usable = [i for i in data.of_split("train") if data.clips[i].duration <= LONGEST]
    clip = data.audio_of(max(usable, key=lambda index: data.clips[index].duration))
    tts = JepaTTS.from_pretrained()
    spoken = [
        Spoken(system=NAME, sentence=each, audio=tts.speak(each.text, prompt=clip, seed=index))
        for index, each in enumerate(said or sentences)
    ]
    found = score_spoken(spoken, Measures(metrics=tuple(metrics), threads=1)).figures[NAME]
    means = {name: value.mean for name, value in found.items()}
    return {**means, "similarity_share": means["similarity"] / means["similarity_ceiling"]}
