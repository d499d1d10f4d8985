"""The vocos package's discriminators as judges of the vocoder.

One optimiser serves both sides: the judges see a detached copy of the made speech and learn, and
the vocoder is judged by a copy of the judges whose weights are held constant. Vocos paper,
section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jepa_tts.stages.stage import Loss

RESOLUTION_WEIGHT = 0.1
"""Weight of the multi-resolution judge against the multi-period one (the paper's)."""


class Judges(nn.Module):
    """Multi-period and multi-resolution discriminators."""

    def __init__(self) -> None:
        super().__init__()
        from vocos.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator

        self.period = MultiPeriodDiscriminator()
        self.resolution = MultiResolutionDiscriminator()

    def forward(self, real: Tensor, made: Tensor) -> list[tuple[list, list, list, list]]:
        """Samples [B, S] each -> per judge: scores and feature maps of real and made speech."""
        return [judge(y=real, y_hat=made) for judge in (self.period, self.resolution)]


def adversarial_loss(judges: nn.Module, real: Tensor, made: Tensor) -> Loss:
    """Hinge losses of both sides and feature matching, for samples [B, S]."""
    from vocos.loss import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss

    held = {name: p.detach() for name, p in judges.state_dict(keep_vars=True).items()}
    learning = judges(real, made.detach())
    judging = torch.func.functional_call(judges, held, (real, made))
    total = made.new_zeros(1)
    parts = {"judges": 0.0, "fooled": 0.0, "features": 0.0}
    for weight, seen, felt in zip((1.0, RESOLUTION_WEIGHT), learning, judging, strict=True):
        judged = weight * DiscriminatorLoss()(seen[0], seen[1])[0] / len(seen[0])
        fooled = weight * GeneratorLoss()(felt[1])[0] / len(felt[1])
        features = weight * FeatureMatchingLoss()(felt[2], felt[3]) / len(felt[2])
        total = total + judged + fooled + features
        for name, value in zip(parts, (judged, fooled, features), strict=True):
            parts[name] += float(value.detach())
    return Loss(total[0], parts)
