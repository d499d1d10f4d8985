"""SIGReg: embeddings held to a standard Gaussian along random directions.

Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the
Heuristics" (2025), section 4. By the theorem of Cramér and Wold a cloud is N(0, I) where its
projection onto every direction is N(0, 1), so the loss is the mean over random unit vectors a of
the statistic of Epps and Pulley, "A test for normality based on the empirical characteristic
function" (1983), of the projections:

    SIGReg(Z) = mean over a of  integral of |phi(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt,
    phi(t) = mean over n of exp(i t a.z_n)

The paper multiplies by N; here it is left out, so that a weight fits every size of batch.
Letters: N embeddings, Z latent dimensions, A directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jepa_tts.device import exact

DIRECTIONS = 256
REACH, POINTS = 5.0, 9
"""The integral is a trapezoidal sum over 17 points from -5 to 5; what is summed is even in t."""


def epps_pulley(values: Tensor) -> Tensor:
    """How far each column of ``values`` [N, A] is from N(0, 1): 0 for a perfect match, [A]."""
    times = torch.linspace(0.0, REACH, POINTS, device=values.device)
    normal = torch.exp(-0.5 * times**2)
    angles = values[..., None] * times  # [N, A, 9]
    error = (angles.cos().mean(0) - normal) ** 2 + angles.sin().mean(0) ** 2
    return 2.0 * torch.trapezoid(error * normal, times)


def sigreg(
    latents: Tensor, generator: torch.Generator | None = None, directions: int = DIRECTIONS
) -> Tensor:
    """The loss of ``latents`` [N, Z] along ``directions`` drawn anew from ``generator``."""
    along = directions_of(latents.shape[1], generator, directions).to(latents.device)
    with exact(latents.device):
        return epps_pulley(latents.float() @ along).mean()


def directions_of(width: int, generator: torch.Generator | None, count: int) -> Tensor:
    """Unit vectors, evenly spread: [width, count]."""
    drawn = torch.randn(width, count, generator=generator)
    return drawn / drawn.norm(dim=0)
