"""A recording as the model trains on it: made once, and changed by no adapter.

Letters: S samples, N bytes, T latent frames, F = 4 T mel frames, M mel bands, Z latent dimensions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from jepa_tts.adaptation import unadapted
from jepa_tts.aligner import MISMATCH, align
from jepa_tts.alphabet import to_bytes
from jepa_tts.config import STRIDE
from voice_data.speech import SpeechModelError
from voice_data.text import TextError, normalize

if TYPE_CHECKING:
    from jepa_tts.config import JepaConfig
    from jepa_tts.tts import JepaTTS
    from voice_data.dataset import Example
    from voice_data.speech import Encoded

_log = logging.getLogger(__name__)

LONGEST_FRAMES = 320
"""Latent frames: nothing longer was ever trained on (13.7 s at 24 kHz)."""
SHORTEST_SECONDS = 0.2
FASTEST_TEXT = 45.0
"""Characters per second: about twice the fastest speaker's."""


def encode_clip(tts: JepaTTS, example: Example) -> Encoded:
    """What :meth:`jepa_tts.speech.JepaSpeech.encode` says.

    Raises:
        SpeechModelError: if the clip cannot be trained on.
    """
    from voice_data.mel import log_mel

    model, device = tts.model, tts.device
    text = _check(model.config, example)
    samples = torch.from_numpy(example.audio.samples)[None].to(device)
    ids = torch.tensor(to_bytes(text), device=device)
    with unadapted(model), torch.inference_mode():
        mel = log_mel(samples, model.config.mel)[0].T  # [F, M]
        mel = mel[: len(mel) // STRIDE * STRIDE]
        latents = model.audio_encoder(mel.T[None]).mean[0]
        table = model.voices.table.weight[: max(1, len(tts.config.speakers))]
        try:
            aligned = align(model, ids, mel, table)
        except ValueError as error:
            raise SpeechModelError(f"clip {example.utterance.id!r}: {error}") from error
    if aligned.mismatch > MISMATCH:
        _log.warning(
            "clip %r hardly sounds like its text (%.2f, above %.2f): listen to it",
            example.utterance.id, aligned.mismatch, MISMATCH,
        )  # fmt: skip
    parts = {"ids": ids, "mel": mel, "latents": latents, "durations": aligned.durations}
    parts["mismatch"] = torch.tensor(aligned.mismatch)
    return {name: part.clone().cpu() for name, part in parts.items()}


def _check(config: JepaConfig, example: Example) -> str:
    """The clip's text as it is spoken."""
    each, audio = example.utterance, example.audio
    rate, longest = config.mel.sample_rate, LONGEST_FRAMES / config.latent_rate
    if audio.rate != rate:
        raise SpeechModelError(
            f"clip {each.id!r} has {audio.rate} Hz and {rate} Hz are wanted: "
            "run `voice-data prepare`"
        )
    if audio.duration < SHORTEST_SECONDS:
        raise SpeechModelError(f"clip {each.id!r} lasts {audio.duration:.2f} s: drop it")
    if audio.duration > longest:
        raise SpeechModelError(
            f"clip {each.id!r} lasts {audio.duration:.1f} s and at most {longest:.1f} s fit: "
            "cut it with `voice-data segment`"
        )
    try:
        text = normalize(each.text, each.language or "en")
    except TextError as error:
        raise SpeechModelError(f"clip {each.id!r} cannot be trained on: {error}") from error
    if len(text) > FASTEST_TEXT * audio.duration:
        raise SpeechModelError(
            f"clip {each.id!r} has {len(text)} characters in {audio.duration:.2f} s, which "
            "nobody can say: its text is of another clip"
        )
    return text
