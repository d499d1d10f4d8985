"""Stage four: the mel decoder learns to sharpen what the predictor says.

The predictor's embeddings are means: smoother than real ones. The decoder is trained on them
(teacher-forced) against the true mel, with real embeddings mixed in so that it does not forget
them.
Letters: B batch, T latent frames, Z latent dimensions, F mel frames, M mel bands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from jepa_tts.config import STRIDE
from jepa_tts.drift import free_run
from jepa_tts.losses import masked_mean, spectral_loss
from jepa_tts.stages.autoencode import FLOOR
from jepa_tts.stages.predict import Predict
from jepa_tts.stages.stage import Loss

if TYPE_CHECKING:
    from torch import nn

REAL_SHARE = 0.3


class Decode(Predict):
    """L1 and spectral losses of mels decoded from predicted embeddings."""

    def trained(self) -> list[nn.Parameter]:
        """The mel decoder alone."""
        return list(self.network.mel_decoder.parameters())

    def loss(self, batch: list[int], progress: float, generator: torch.Generator) -> Loss:  # noqa: ARG002
        """Distance of the decoded from the true mel."""
        latents, mel, frames = self._latents_and_mel(batch, generator)
        decoded = self.network.mel_decoder(latents, frames.sum(1))
        mask = frames.repeat_interleave(STRIDE, dim=1)
        l1 = masked_mean((decoded - mel).abs().transpose(1, 2), mask)
        spectral = spectral_loss(decoded * mask[:, None], mel * mask[:, None])
        total = l1 + self.config.spectral * spectral
        return Loss(total, {"l1": float(l1.detach()), "spectral": float(spectral.detach())})

    @torch.no_grad()
    def _latents_and_mel(
        self, batch: list[int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        data = self.corpus.text_audio(batch, self.network.config.speakers)
        plan, _, frames = self._plan(data, batch, generator)
        predicted = self.network.predict(plan, self.corrupt(data.latents, generator)).latents
        real = torch.rand(len(batch), 1, 1, generator=generator) < REAL_SHARE
        latents = torch.where(real.to(self.device), data.latents, predicted.to(data.latents))
        spans = [(row.start, row.frames) for row in (self.corpus.rows[i] for i in batch)]
        mel = self.corpus.padded("mel", spans, fill=FLOOR)
        return latents, mel.transpose(1, 2), frames

    def validate(self) -> dict[str, float]:
        """L1 of mels decoded from real, teacher-forced and free-running embeddings."""
        data = self.corpus.text_audio(self.held_out, self.network.config.speakers)
        plan, _, frames = self._plan(data, self.held_out, torch.Generator().manual_seed(0))
        _, mel, _ = self._latents_and_mel(self.held_out, torch.Generator().manual_seed(0))
        mask = frames.repeat_interleave(STRIDE, dim=1)
        kinds = {
            "real": data.latents,
            "forced": self.network.predict(plan, data.latents).latents,
            "free": free_run(self.network, plan, data.latents.shape[1]),
        }
        return {
            f"l1_{name}": float(
                masked_mean(
                    (self.network.mel_decoder(z, data.lengths) - mel).abs().transpose(1, 2), mask
                )
            )
            for name, z in kinds.items()
        }
