"""The joint-embedding predictive model: five parts, and the three ways to run them.

Letters: B batch, N bytes, F mel frames, T = F / 4 latent frames, M mel bands, Z latent dimensions,
D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from jepa_tts.alphabet import PAD
from jepa_tts.audio_encoder import AudioEncoder
from jepa_tts.clock import Clock, clock
from jepa_tts.config import LENGTH_SLACK, LONGEST_BYTE, SILENT_BYTE, JepaConfig
from jepa_tts.mel_decoder import MelDecoder
from jepa_tts.predictor import Prediction, Predictor
from jepa_tts.text import DurationHead, TextEncoder
from jepa_tts.voices import Voices

if TYPE_CHECKING:
    import numpy as np


class Plan(NamedTuple):
    """The text's side of a synthesis.

    ``text`` [B, N, D], ``mask`` [B, N], ``voice`` [B, D], ``durations`` [B, N] latent frames and
    ``lengths`` [B], the planned number of latent frames.
    """

    text: Tensor
    mask: Tensor
    voice: Tensor
    durations: Tensor
    lengths: Tensor

    def clock(self, frames: int) -> Clock:
        """The clock of the first ``frames`` latent frames."""
        return clock(self.durations, frames)


class JepaModel(nn.Module):
    """Text encoder, audio encoder, predictor, mel decoder and voices."""

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config)
        self.durations = DurationHead(config.width)
        self.audio_encoder = AudioEncoder(config)
        self.predictor = Predictor(config)
        self.mel_decoder = MelDecoder(config)
        self.voices = Voices(config)

    def plan(self, ids: Tensor, voice: Tensor, speed: float = 1.0) -> Plan:
        """Byte ids [B, N] and voice [B, D] -> what to say when; ``speed`` 2 is twice as fast.

        Raises:
            ValueError: if ``speed`` is not positive.
        """
        if not speed > 0.0:
            raise ValueError(f"speed must be positive, not {speed}: 1.0 is the voice's own")
        mask = ids != PAD
        text = self.text_encoder(ids)
        durations = self.durations(text, voice, mask).expm1().clamp(0.0, LONGEST_BYTE)
        durations = durations * (mask & (durations > SILENT_BYTE)) / speed
        lengths = durations.sum(1).round().long().clamp_min(1)
        return Plan(text, mask, voice, durations, lengths)

    def predict(self, plan: Plan, history: Tensor) -> Prediction:
        """Teacher-forced prediction of every embedding in ``history`` [B, T, Z]."""
        times = plan.clock(history.shape[1])
        return self.predictor(history, plan.text, plan.mask, plan.voice, times)

    @torch.inference_mode()
    def generate(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Free-running prediction: latents [B, T, Z] and their lengths [B].

        A row ends when its stop head fires near the planned end, at the latest ``LENGTH_SLACK``
        frames after it.
        """
        limit = int(plan.lengths.max()) + LENGTH_SLACK
        times = plan.clock(limit)
        state = self.predictor.begin(plan.text, plan.mask, limit)
        past = self.predictor.start.expand(len(plan.text), 1, -1)
        frames, lengths = [], torch.full_like(plan.lengths, limit)
        for frame in range(limit):
            out = self.predictor.step(
                past, plan.text, plan.voice, times.rows(frame, frame + 1), state
            )
            past = out.latents
            frames.append(past)
            near = frame + 1 >= plan.lengths - 1
            late = frame + 1 >= plan.lengths + LENGTH_SLACK
            ends = near & ((out.stop[:, 0] > 0) | late)
            lengths = torch.where(ends, lengths.clamp_max(frame + 1), lengths)
            if bool((lengths <= frame + 1).all()):
                break
        return torch.cat(frames, dim=1), lengths

    def led_by(self, name: str, vector: np.ndarray) -> JepaModel:
        """A copy whose first named voice is ``vector`` [D]; it takes the place of its namesake."""
        others = [i for i, known in enumerate(self.config.speakers) if known != name]
        names = (name, *(self.config.speakers[i] for i in others))
        state = {key: value.detach().clone() for key, value in self.state_dict().items()}
        table = state["voices.table.weight"]
        state["voices.table.weight"] = torch.cat((torch.from_numpy(vector)[None].to(table),
                                                  table[others]))  # fmt: skip
        copy = JepaModel(replace(self.config, speakers=names)).to(table.device)
        copy.load_state_dict(state)
        return copy.train(self.training)

    def network_size(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.parameters())
