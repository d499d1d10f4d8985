"""Generation fed the truth: what it would have said next at every frame, with and without a cache.

Training is aligned with generation when both say what the teacher-forced pass says. Letters: B
batch, T latent frames, Z latent dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel, Plan


class Rehearsal(NamedTuple):
    """``outputs`` are the predicted latents, ``fed`` those that came next, [B, T, Z] each."""

    outputs: Tensor
    fed: Tensor


def cached(model: JepaModel, plan: Plan, latents: Tensor) -> Rehearsal:
    """Frame by frame as :meth:`jepa_tts.model.JepaModel.generate` does it, along ``latents``."""
    frames, predictor = latents.shape[1], model.predictor
    times, state = plan.clock(frames), predictor.begin(plan.text, plan.mask, frames)
    past = predictor.start.expand(len(latents), 1, -1)
    outputs, fed = [], []
    for frame in range(frames):
        rows = times.rows(frame, frame + 1)
        outputs.append(predictor.step(past, plan.text, plan.voice, rows, state).latents)
        past = latents[:, frame : frame + 1]
        fed.append(past)
    return Rehearsal(torch.cat(outputs, dim=1), torch.cat(fed, dim=1))


def uncached(model: JepaModel, plan: Plan, latents: Tensor) -> Rehearsal:
    """Every frame from a pass of its own over those before it; what comes later is not there."""
    outputs, fed = [], []
    for frame in range(latents.shape[1]):
        known = F.pad(latents[:, :frame], (0, 0, 0, 1))
        outputs.append(model.predict(plan, known).latents[:, -1:])
        fed.append(latents[:, frame : frame + 1])
    return Rehearsal(torch.cat(outputs, dim=1), torch.cat(fed, dim=1))
