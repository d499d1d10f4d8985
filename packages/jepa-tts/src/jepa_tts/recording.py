"""Speech straight into a file, sentence by sentence: a book needs no more memory than a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from jepa_tts.script import sentences
from voice_data.audio import write_stream

if TYPE_CHECKING:
    from jepa_tts.tts import JepaTTS


class Recording(NamedTuple):
    """How much was spoken."""

    sentences: int
    seconds: float


def record(
    tts: JepaTTS,
    text: str,
    out: str | os.PathLike[str],
    *,
    language: str = "en",
    progress: bool | None = None,
    **options: Any,
) -> Recording:
    """Speak ``text`` into ``out``; ``options`` are those of :meth:`jepa_tts.tts.JepaTTS.stream`.

    ``progress`` shows a bar: by default on a terminal only, and for more than one sentence.

    Raises:
        TextError, VoiceError, AudioError: as ``stream``.
        OSError: if the file cannot be written; nothing half-written is left behind.
    """
    count = len(sentences(text, language))
    parts = tts.stream(text, language=language, **options)
    hidden = count == 1 or (None if progress is None else not progress)
    bar = tqdm(parts, total=count, unit="sentence", disable=hidden, leave=False)
    with write_stream(out, tts.sample_rate) as stream:
        for part in bar:
            stream.write(part.samples)
    return Recording(count, stream.frames / tts.sample_rate)
