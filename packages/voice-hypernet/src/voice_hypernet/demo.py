"""What `t2a-demo` does: a sentence in every voice that is described, as sound files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voice_hypernet.generation import folders

if TYPE_CHECKING:
    from voice_data.speech import SpeechModel
    from voice_hypernet.voice import Voice
    from voice_hypernet.voices import VoiceHypernet

SENTENCE = "The harbour was quiet, and the boats lay still."
STOP = ("", "quit", "exit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One voice of a demo: its file, seconds of speech, and milliseconds that making it took."""

    voice: Voice
    file: Path
    seconds: float
    milliseconds: float


class Demo:
    """A hypernetwork and its base, loaded once; each description becomes a sound file."""

    def __init__(
        self,
        hypernet: VoiceHypernet,
        model: SpeechModel,
        out: Path,
        *,
        sentence: str = SENTENCE,
        clip: Path | None = None,
        strength: float | None = None,
        seed: int = 0,
    ) -> None:
        self.hypernet, self.model, self.out = hypernet, model, out
        self.sentence, self.clip, self.strength, self.seed = sentence, clip, strength, seed
        self._count = 0

    def hear(self, text: str | None) -> Heard:
        """Make one voice and let it speak into a new file of the folder.

        Raises:
            VoiceError, DescriptionError, ClipError: if no voice can be made of it.
            OSError: if the folder cannot be written.
        """
        from voice_data.audio import write

        begun = time.perf_counter()
        voice = self.hypernet.generate_lora_adapters(text, self.clip, self.strength)
        taken = 1_000 * (time.perf_counter() - begun)
        with voice.worn(self.model) as told:
            audio = self.model.speak(self.sentence, voice=told, seed=self.seed)
        self._count += 1
        name = folders(self.out, [text or "clip", ""])[0].name.partition("-")[2]
        self.out.mkdir(parents=True, exist_ok=True)
        file = self.out / f"{self._count:02}-{name}.wav"
        write(file, audio)
        return Heard(voice=voice, file=file, seconds=audio.duration, milliseconds=taken)


def lines(found: Heard) -> Iterator[str]:
    """What a person reads of one voice."""
    named = ", ".join(f"{name} {value}" for name, value in found.voice.understood.items())
    yield f"{found.file}: {found.seconds:.2f} s, made in {found.milliseconds:.0f} ms"
    if named:
        yield f"  understood: {named}"
    yield from (f"  warning: {each}" for each in found.voice.warnings)


def asked(typed: Iterable[str]) -> Iterator[str]:
    """The descriptions that a person types, until an empty line, ``quit`` or the end."""
    for line in typed:
        if line.strip().lower() in STOP:
            return
        yield line.strip()
