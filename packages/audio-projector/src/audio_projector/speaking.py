"""A text or an answer into a sound file, and projectors from one format into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_projector.bridge import Bridge, Spoken
from audio_projector.generation import WritingConfig
from voice_data.audio import Audio, write

if TYPE_CHECKING:
    from audio_projector.checkpoint import Saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sound file: what is said in it, its seconds, and the milliseconds from the first token of
    the language model to the first audio (0 where a text was read).
    """

    file: str
    text: str
    seconds: float
    rate: int
    first_audio_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A projector in another format, and by how much a value at most differs when read back."""

    file: str
    parameters: int
    largest_difference: float


def say(
    *,
    text: str | None,
    prompt: str | None,
    out: Path,
    projector: Path | None = None,
    llm: str = "",
    target: str = "",
    voice: str | None = None,
    adapter: Path | None = None,
    tokens: int = 160,
    temperature: float = 0.0,
    seed: int = 0,
    on_part: Callable[[Spoken], None] | None = None,
    bridge: Bridge | None = None,
) -> Said:
    """Read ``text`` or answer ``prompt`` into ``out``; ``bridge`` saves loading the models.

    Raises:
        TextError, GenerationError: if there is nothing to say.
        ArtefactError, LanguageModelError, SpeechModelError: if a model cannot be used.
        OSError: if the file cannot be written.
    """
    if bridge is None:
        bridge = Bridge.from_pretrained(projector, llm=llm, target=target, adapter=adapter)
    parts: Iterable[Spoken]
    if text is not None:
        parts = bridge.read(text, voice=voice, seed=seed)
    else:
        writing = WritingConfig(tokens=tokens, temperature=temperature, seed=seed)
        parts = bridge.answer(prompt or "", voice=voice, writing=writing)
    said, sounds = [], []
    for spoken in parts:
        said.append(spoken.text)
        sounds.append(spoken.audio.samples)
        if on_part is not None:
            on_part(spoken)
    audio = Audio(np.concatenate(sounds), bridge.model.sample_rate)
    write(out, audio)
    clock = bridge.clock
    waited = 1000 * (clock.first_audio - clock.first_token) if clock.first_token else 0.0
    return Said(
        file=str(out),
        text=" ".join(said),
        seconds=audio.duration,
        rate=audio.rate,
        first_audio_ms=round(waited, 1),
    )


def convert(
    projector: Path | None, source: Path | None, out: Path, *, half: bool = False
) -> Converted:
    """A folder (the shipped one without) as a GGUF file, or the GGUF ``source`` as a folder.

    Raises:
        ArtefactError, GgufError: if what is read is damaged.
        OSError: if ``out`` cannot be written.
    """
    from audio_projector.checkpoint import load_projector, save_projector
    from audio_projector.export import read_gguf, write_gguf

    if source is not None:
        saved = read_gguf(source)
        save_projector(out, saved.projector, saved.binding, provenance=saved.provenance, half=half)
        back = load_projector(out)
    else:
        saved = load_projector(projector)
        write_gguf(saved, out, half=half)
        back = read_gguf(out)
    return Converted(
        file=str(out),
        parameters=saved.projector.size(),
        largest_difference=_difference(saved, back),
    )


def _difference(one: Saved, two: Saved) -> float:
    values = two.projector.state_dict()
    pairs = one.projector.state_dict().items()
    return max(float((tensor - values[name]).abs().max()) for name, tensor in pairs)
