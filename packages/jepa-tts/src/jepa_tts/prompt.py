"""Voices from clips: which clips will do, and how they are heard.

Letters: B batch, S samples, F mel frames, T latent frames, Z latent dimensions, D width.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import numpy as np
import torch

from jepa_tts.config import STRIDE
from jepa_tts.voice import Voice, VoiceError
from voice_data.audio import SILENCE_DBFS, Audio, AudioError, read, rms_dbfs

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel

__all__ = ["Voice", "VoiceError", "as_clip", "check_prompt", "encode", "hear", "to_rate"]
_log = logging.getLogger(__name__)

SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 60.0
QUIETEST_DBFS = -55.0
LONGEST_AUDIO_SECONDS = 300.0
PIECE_FRAMES = 1024
"""Mel frames that the audio encoder reads at once: eleven seconds."""
WINDOW_FRAMES = 96
"""Latent frames that the voice encoder hears at once, as in training; longer clips are averaged."""


def as_clip(clip: Audio | str | os.PathLike[str]) -> Audio:
    """A clip in memory, or read from a file (channels are averaged).

    Raises:
        AudioError: if the file is missing, cut short or not audio.
    """
    return clip if isinstance(clip, Audio) else read(clip)


def check_prompt(clip: Audio) -> None:
    """Refuse a clip that carries no voice.

    Raises:
        AudioError: if it is shorter than half a second, or silent.
    """
    if clip.duration < SHORTEST_SECONDS:
        raise AudioError(
            f"the prompt lasts {clip.duration:.2f} s: give at least {SHORTEST_SECONDS} s of one "
            "person speaking, better three"
        )
    level = rms_dbfs(clip.samples)
    if level < QUIETEST_DBFS:
        shown = "digital silence" if level <= SILENCE_DBFS else f"{level:.0f} dBFS"
        raise AudioError(f"the prompt is silent ({shown}): give a clip with speech in it")


def to_rate(clip: Audio, rate: int) -> Audio:
    """The clip at the model's rate; a lower one is accepted with a warning."""
    if clip.rate < rate:
        _log.warning(
            "the clip has %d Hz and the model %d: what lies above %d Hz is missing from it",
            clip.rate,
            rate,
            clip.rate // 2,
        )
    return clip.resample(rate)


@torch.inference_mode()
def encode(model: JepaModel, clip: Audio) -> Tensor:
    """Audio at any rate -> latent means [1, T, Z] covering all of it.

    Raises:
        AudioError: if it holds no samples or more than five minutes.
    """
    if not len(clip.samples):
        raise AudioError("the clip holds no samples: record it again")
    if clip.duration > LONGEST_AUDIO_SECONDS:
        raise AudioError(
            f"the clip lasts {clip.duration:.0f} s and at most {LONGEST_AUDIO_SECONDS:.0f} s fit: "
            "cut it with `voice-data segment`"
        )
    from voice_data.mel import log_mel

    mel = model.config.mel
    device = model.predictor.start.device
    samples = to_rate(clip, mel.sample_rate).samples
    frames = STRIDE * -(-(-(-len(samples) // mel.hop_length) + 1) // STRIDE)
    frames = max(frames, STRIDE * -(-(mel.n_fft // mel.hop_length) // STRIDE))
    padded = np.zeros((frames - 1) * mel.hop_length, np.float32)
    padded[: len(samples)] = samples
    spectrum = log_mel(torch.from_numpy(padded)[None].to(device), mel)  # [1, M, F]
    pieces = [model.audio_encoder(piece).mean for piece in spectrum.split(PIECE_FRAMES, dim=2)]
    return torch.cat(pieces, dim=1)


def shortened(clip: Audio) -> Audio:
    """The first minute of a clip."""
    return Audio(clip.samples[: int(LONGEST_SECONDS * clip.rate)], clip.rate)


@torch.inference_mode()
def hear(model: JepaModel, clip: Audio) -> Tensor:
    """The vector [1, D] of the voice in a clip: windows as long as in training, averaged.

    Raises:
        AudioError: as :func:`check_prompt`.
    """
    check_prompt(clip)
    return attend(model, encode(model, shortened(clip)), clip.duration)


@torch.inference_mode()
def attend(model: JepaModel, latents: Tensor, seconds: float) -> Tensor:
    """The vector [1, D] of the voice in the latents [1, T, Z] of a clip that lasts ``seconds``."""
    length = latents.shape[1]
    real = max(1, min(length, int(seconds * model.config.latent_rate)))
    windows = max(1, real // WINDOW_FRAMES)
    size = real // windows if windows > 1 else real
    rows = latents[0, : windows * size].view(windows, size, -1)
    mask = torch.ones(rows.shape[:2], dtype=torch.bool, device=latents.device)
    return model.voices.hear(rows, mask).mean(0, keepdim=True)
