"""Whether embeddings still use their dimensions: what a run records of them, and when it must end.

Letters: N embeddings, Z latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from jepa_tts.device import exact
from jepa_tts.sigreg import directions_of, epps_pulley

if TYPE_CHECKING:
    from torch import Tensor

    from jepa_tts.train_config import TrainConfig

RANK, VARIANCE = "rank", "variance_median"
DIRECTIONS, SEED = 64, 0
"""Of the normality: the same directions at every step, so that its course means something."""


class CollapseError(RuntimeError):
    """The embeddings of a run have lost their dimensions."""


@torch.no_grad()
def spread(latents: Tensor) -> dict[str, float]:
    """How ``latents`` [N, Z] fill their space.

    ``rank`` is the effective rank as a share of Z: the exponential of the entropy of the singular
    values of the centred embeddings (Roy and Vetterli, "The effective rank", 2007), over Z.
    ``variance_min`` and ``variance_median`` are over the dimensions, and ``normality`` is the mean
    of the Epps-Pulley statistic along fixed directions: 0 for N(0, I), 0.41 where all are zero.
    """
    with exact(latents.device):
        return _spread(latents.detach().float())


def _spread(latents: Tensor) -> dict[str, float]:
    centred = latents - latents.mean(0)
    covariance = (centred.T @ centred / max(1, len(latents) - 1)).cpu()  # small; fewer waits there
    sizes = torch.linalg.eigvalsh(covariance).clamp_min(0.0).sqrt()
    shares = sizes / sizes.sum().clamp_min(1e-12)
    rank = torch.special.entr(shares).sum().exp() * (sizes.sum() > 0)
    variance = covariance.diagonal()
    generator = torch.Generator().manual_seed(SEED)
    directions = directions_of(latents.shape[1], generator, DIRECTIONS).to(latents.device)
    normality = epps_pulley(latents @ directions)
    return {
        RANK: float(rank) / latents.shape[1],
        "variance_min": float(variance.min()),
        VARIANCE: float(variance.median()),
        "normality": float(normality.mean()),
    }


def refuse_collapse(figures: Mapping[str, float], step: int, config: TrainConfig) -> None:
    """End a guarded run whose ``figures`` of a step show collapse, before the step is saved.

    Raises:
        CollapseError: naming the figure and its threshold.
    """
    if not config.collapse_guard or step <= config.warm_up:
        return
    for name, least in ((RANK, "least_rank"), (VARIANCE, "least_variance")):
        value, threshold = figures.get(name), getattr(config, least)
        if value is not None and value < threshold:
            raise CollapseError(
                f"the embeddings collapse: {name} is {value:.4g} at step {step}, under {least} "
                f"({threshold:g}). {config.out} keeps the last state that was saved; raise the "
                f"weight of the regulariser ({config.regulariser}) or lower learning_rate "
                f"({config.learning_rate:g})"
            )
