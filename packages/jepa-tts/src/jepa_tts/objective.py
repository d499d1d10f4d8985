"""What an adapter is trained on: the predictor's own losses, and the mel that is heard of it.

Letters: B batch, N bytes, T latent frames, F = 4 T mel frames, M mel bands, Z latent dimensions, D
width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jepa_tts.alphabet import PAD
from jepa_tts.config import STRIDE
from jepa_tts.losses import (
    deviation_loss,
    duration_loss,
    masked_mean,
    prediction_loss,
    stop_loss,
)
from jepa_tts.model import Plan
from jepa_tts.text_mel import noised
from voice_data.speech import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel
    from jepa_tts.text_mel import TextMel

STOP_WEIGHT, DURATION_WEIGHT = 0.02, 0.3
"""As the predictor was trained with, so that fine-tuning starts from a minimum."""
MEL_WEIGHT = 0.2
"""Of mels' nepers: a sixth of the whole loss of a new voice, so that the embeddings come first."""
DEVIATION_WEIGHT = 6.0
"""So much that predictions, which explain about half of a new voice, vary as much as it does."""
HISTORY_NOISE = 0.8
"""In training: up to this many deviations of each latent dimension, as the predictor has known."""


def loss_of(model: JepaModel, batch: TextMel, states: Tensor) -> Loss:
    """The loss of a batch whose texts are ``states`` [B, N, D].

    Next-embedding error (under noise in training), how much the embeddings vary, stop head,
    durations and decoded mel. The true embeddings are targets and are not trained. The mel decoder
    reads the predicted ones, as in speech, so that it can learn what they lack.
    """
    plan = Plan(states, batch.ids != PAD, batch.voices, batch.durations, batch.frames)
    mask = batch.mask
    history = noised(batch.latents, mask, HISTORY_NOISE) if model.training else batch.latents
    out = model.predict(plan, history)
    log_durations = model.durations(plan.text, plan.voice, plan.mask)
    wrong = (model.mel_decoder(out.latents, batch.frames) - batch.mel).abs().transpose(1, 2)
    parts = {
        "mse": prediction_loss(out.latents, batch.latents, mask),
        "deviation": deviation_loss(out.latents, batch.latents, mask),
        "stop": stop_loss(out.stop, batch.frames, mask),
        "duration": duration_loss(log_durations, batch.durations, plan.mask),
        "mel": masked_mean(wrong, mask.repeat_interleave(STRIDE, dim=1)),
    }
    total = parts["mse"] + DEVIATION_WEIGHT * parts["deviation"] + STOP_WEIGHT * parts["stop"]
    total = total + DURATION_WEIGHT * parts["duration"] + MEL_WEIGHT * parts["mel"]
    named = {name: float(value.detach()) for name, value in parts.items()}
    return Loss(total=total, parts=named, positions=int(mask.sum()))
