"""The colour of a voice: affine maps of latents that bring what is spoken nearer to a clip.

A model that is told a voice by one vector speaks in the voice that it knows and that is nearest.
What it says so differs from the clip in the distribution of its latents; between two Gaussians the
map that moves one onto the other with the least change is known in closed form (Peyre and Cuturi,
"Computational Optimal Transport", 2019, remark 2.31). There is one for voiced frames and one for
the others. They are applied to what is predicted, before the mel decoder; the predictor hears
nothing of it. Pitch is left as it is.

Letters: T, U latent frames, Z latent dimensions, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from jepa_tts.audio_encoder import PITCH_DIMENSIONS
from jepa_tts.config import STRIDE
from jepa_tts.engine import generate
from jepa_tts.text import collate_text
from jepa_tts.voice import is_voiced

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.model import JepaModel

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Please choose a huge, thick leather jacket for the beach.",
    "We often measure joy and pleasure in young voices.",
    "Bright sunshine shimmers on the northern ocean.",
)
"""What the model says to find out how it sounds: eleven seconds."""
LOUD = 4.5
"""Nepers under the loudest frame within which frames are taken as speech."""
LEAST_FRAMES = 24
SHRINKAGE = 0.25
"""Share of the covariances that is taken from their diagonal; more for short clips."""


@torch.inference_mode()
def colour(model: JepaModel, vector: Tensor, heard: Tensor) -> np.ndarray | None:
    """The maps [2, Z + 1, Z], of unvoiced and of voiced frames, from what the model says in the
    voice ``vector`` [1, D] to the clip whose latents are ``heard`` [1, U, Z]; None if either holds
    less than a second of speech. Of what either has too little both maps are the one of all frames.
    """
    plans = (model.plan(collate_text([s]).to(vector.device), vector) for s in SENTENCES)
    own = torch.cat([generate(model, plan).to(vector.device) for plan in plans], dim=1)
    both = _speech(model, own), _speech(model, heard)
    if min(map(len, both)) < LEAST_FRAMES:
        return None
    kinds = [[rows[is_voiced(rows) == kind] for rows in both] for kind in (False, True)]
    return np.stack([
        monge_map(*(rows if min(map(len, rows)) >= LEAST_FRAMES // 2 else both)) for rows in kinds
    ])  # fmt: skip


def monge_map(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The affine map [Z + 1, Z] that gives ``own`` [T, Z] the mean and covariance of ``wanted``
    [U, Z], both shrunk towards their diagonals. The last row is added.
    """
    shrinkage = min(1.0, max(SHRINKAGE, wanted.shape[1] / min(len(own), len(wanted))))
    free = [part[:, PITCH_DIMENSIONS:].astype(np.float64) for part in (own, wanted)]
    before, after = (_covariance(part, shrinkage) for part in free)
    root = _root(before)
    inverse = np.linalg.inv(root)
    turn = inverse @ _root(root @ after @ root) @ inverse
    made = np.eye(own.shape[1] + 1, own.shape[1])
    made[PITCH_DIMENSIONS:-1, PITCH_DIMENSIONS:] = turn
    made[-1, PITCH_DIMENSIONS:] = free[1].mean(0) - free[0].mean(0) @ turn
    return made.astype(np.float32)


def _speech(model: JepaModel, latents: Tensor) -> np.ndarray:
    """The loud frames of latents [1, T, Z]."""
    level = model.mel_decoder(latents)[0].mean(0).view(-1, STRIDE).mean(1)
    return latents[0][level > level.max() - LOUD].cpu().numpy()


def _covariance(rows: np.ndarray, shrinkage: float) -> np.ndarray:
    whole = np.cov(rows.T)
    variances = np.diag(np.diag(whole) + 1e-6)
    return (1.0 - shrinkage) * whole + shrinkage * variances


def _root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric, positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(1e-12))) @ vectors.T
