"""A language model that speaks: its hidden states, a projector, and a speech model in a row.

Letters: T tokens, N positions, L layers, H width of the language model, D of the speech model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audio_projector.align import respoken
from audio_projector.answer import Answer, without_tail
from audio_projector.chunks import ChunkConfig, cut
from audio_projector.examples import collate, piece
from audio_projector.generation import GenerationError, WritingConfig, chat_ids, write
from audio_projector.states import TokenStates, capture
from voice_data.audio import Audio
from voice_data.text import TextError, split_sentences

if TYPE_CHECKING:
    from torch import Tensor

    from audio_projector.checkpoint import Binding
    from audio_projector.llm import LanguageModel
    from audio_projector.projector import Projector
    from voice_data.speech import Condition, StatesModel

READ_TOGETHER = 4
"""Sentences of a text that the language model reads in one pass, as in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A part of a text and its sound; ``tokens`` of the language model were written by then."""

    text: str
    audio: Audio
    tokens: int = 0


@dataclass(slots=True)
class Clock:
    """Seconds spent in each part of the bridge, and when things happened, for whoever asks."""

    llm: float = 0.0
    projector: float = 0.0
    tts: float = 0.0
    first_token: float = 0.0
    first_audio: float = 0.0
    tokens: int = 0

    @property
    def share(self) -> float:
        """The projector's share of the time in all three, from 0 to 1."""
        total = self.llm + self.projector + self.tts
        return self.projector / total if total else 0.0


@dataclass(slots=True)
class Bridge:
    """The three models, ready to speak; ``clock`` runs from the last call on.

    >>> Bridge.from_pretrained().speak("Good morning.").duration     # doctest: +SKIP
    1.1
    """

    llm: LanguageModel
    projector: Projector
    model: StatesModel
    binding: Binding
    voice: Condition | None = None
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def from_pretrained(
        cls,
        projector: str | os.PathLike[str] | None = None,
        *,
        llm: str = "",
        target: str = "",
        adapter: str | os.PathLike[str] | None = None,
    ) -> Bridge:
        """The shipped projector or one in a folder, between the models that it was trained for.

        ``llm`` and ``target`` name other places of the same models; ``adapter`` is a PEFT folder
        for the speech model, whose voice it then has.

        Raises:
            ArtefactError: if the projector is damaged, or a model or the adapter is another one.
            LanguageModelError, SpeechModelError: if a model cannot be loaded.
        """
        from audio_projector.adapter import wear
        from audio_projector.checkpoint import load_projector
        from audio_projector.llm import LanguageModel
        from voice_data.speech import load_speech_model, require_states

        saved = load_projector(projector)
        reference = target or saved.binding.tts
        model = require_states(load_speech_model(reference), reference)
        model.network.requires_grad_(False)
        saved.binding.require_tts(model)
        voice = wear(model, adapter) if adapter is not None else None
        language_model = LanguageModel.from_pretrained(llm or saved.binding.llm)
        saved.binding.require_llm(language_model)
        return cls(language_model, saved.projector, model, saved.binding, voice)

    def speak(
        self,
        text: str,
        *,
        voice: str | Condition | None = None,
        seed: int = 0,
        language: str = "en",
    ) -> Audio:
        """The whole text as one sound: the language model reads it, its states are spoken.

        Raises:
            TextError: if there is nothing to speak.
            SpeechModelError, VoiceError: if the voice is none of the speech model's.
        """
        parts = [each.audio for each in self.read(text, voice=voice, seed=seed, language=language)]
        samples = np.concatenate([part.samples for part in parts])
        return Audio(samples, self.model.sample_rate)

    def read(
        self,
        text: str,
        *,
        voice: str | Condition | None = None,
        seed: int = 0,
        language: str = "en",
    ) -> Iterator[Spoken]:
        """The same piece by piece, each as soon as it is made.

        Raises:
            TextError: as :meth:`speak`, at once.
        """
        self.model.pieces(text, language)  # says what is wrong before anything is loaded or spoken
        self.clock = Clock()
        return self._read(split_sentences(text), voice, seed, language)

    def answer(
        self,
        prompt: str,
        *,
        voice: str | Condition | None = None,
        writing: WritingConfig | None = None,
        chunks: ChunkConfig | None = None,
        system: str = "",
        language: str = "en",
    ) -> Iterator[Spoken]:
        """The language model's answer, heard while it is written.

        Closing the iterator stops everything and frees the memory of the answer. An answer that
        does not end is cut after ``writing.tokens``, or where it goes round in circles.

        Raises:
            GenerationError: if the prompt is empty or too long, or the answer holds no word.
        """
        writing = writing or WritingConfig()
        ids = chat_ids(self.llm, prompt, system)
        self.clock = Clock()
        return self._answer(ids, voice, writing, chunks or ChunkConfig(), language)

    def states(self, text: str, states: TokenStates, source: Tensor | None = None) -> Tensor:
        """What the speech model is told, [N, D], for one of its pieces and the tokens behind it."""
        import torch

        begun = time.perf_counter()
        with torch.inference_mode():
            batch = collate([piece(states, text, self.model, source)])
            gated = self.projector.config.fusion == "gated"
            own = self.model.text_states([text]) if gated else None
            made = self.projector(batch, own)[0]
        self.clock.projector += time.perf_counter() - begun
        return made

    def _read(
        self, sentences: list[str], voice: str | Condition | None, seed: int, language: str
    ) -> Iterator[Spoken]:
        layers = self.projector.config.layers
        for start in range(0, len(sentences), READ_TOGETHER):
            group = sentences[start : start + READ_TOGETHER]
            begun = time.perf_counter()
            found = capture(self.llm, group, layers, prefix=self.binding.prefix)
            self.clock.llm += time.perf_counter() - begun
            for raw, states in zip(group, found, strict=True):
                self.clock.tokens += len(states.spans)
                yield from self._spoken(raw, states, voice, seed, language)

    def _answer(
        self,
        ids: list[int],
        voice: str | Condition | None,
        writing: WritingConfig,
        chunks: ChunkConfig,
        language: str,
    ) -> Iterator[Spoken]:
        answer = Answer()
        done, heard = 0, False
        begun = time.perf_counter()
        writer = write(self.llm, ids, self.projector.config.layers, writing)
        try:
            for written in writer:
                self._count(begun, written.at)
                answer.add(written.text, written.end, written.state)
                end = cut(written.text, done, chunks, first=not heard)
                if end is not None:
                    for spoken in self._part(answer, done, end, voice, writing.seed, language):
                        heard = True
                        yield spoken
                    done = end
                begun = time.perf_counter()
        finally:
            writer.close()  # pyright: ignore[reportAttributeAccessIssue]
        for spoken in self._part(answer, done, len(answer.text), voice, writing.seed, language):
            heard = True
            yield spoken
        if not heard:
            raise GenerationError("the language model's answer holds no word: ask differently")

    def _count(self, begun: float, chosen: float) -> None:
        self.clock.first_token = self.clock.first_token or chosen
        self.clock.tokens += 1
        self.clock.llm += time.perf_counter() - begun

    def _part(
        self,
        answer: Answer,
        start: int,
        end: int,
        voice: str | Condition | None,
        seed: int,
        language: str,
    ) -> Iterator[Spoken]:
        raw = answer.text[start:end]
        first = start + len(raw) - len(raw.lstrip())
        raw = raw.strip()
        if any(character.isalnum() for character in raw):
            yield from self._spoken(raw, answer.states(first, raw), voice, seed, language)

    def _spoken(
        self,
        raw: str,
        states: TokenStates,
        voice: str | Condition | None,
        seed: int,
        language: str,
    ) -> Iterator[Spoken]:
        """The pieces of a stretch of the language model's own text, each with its sound."""
        try:
            pieces = self.model.pieces(raw, language)
        except TextError:
            return
        source = respoken(raw, " ".join(pieces))
        start = 0
        for text in pieces:
            count = len(text.encode())
            values = self.states(text, states, source[start : start + count])
            start += count + 1
            begun = time.perf_counter()
            told = voice if voice is not None else self.voice
            audio = self.model.speak_states(values, voice=told, seed=seed)
            if text.rstrip("\"')")[-1:] not in ".!?":
                audio = without_tail(audio)
            self.clock.tts += time.perf_counter() - begun
            self.clock.first_audio = self.clock.first_audio or time.perf_counter()
            shown = raw if len(pieces) == 1 else text
            yield Spoken(text=shown, audio=audio, tokens=self.clock.tokens)
