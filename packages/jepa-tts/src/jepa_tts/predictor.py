"""The joint-embedding predictor: the next audio embedding from the past ones and the text.

Letters: B batch, T latent frames, N bytes, Z latent dimensions, D width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from jepa_tts.clock import PHASES, Clock
from jepa_tts.config import CROSS_EVERY, JepaConfig
from jepa_tts.transformer import CrossAttention, FeedForward, LayerCache, SelfAttention, rotary


class Prediction(NamedTuple):
    """``latents`` [B, T, Z] and ``stop`` [B, T], the logit that this frame is the last."""

    latents: Tensor
    stop: Tensor


@dataclass(slots=True)
class PredictorState:
    """What streaming carries from frame to frame: the self-attention caches and the text's keys."""

    layers: list[LayerCache]
    text: list[tuple[Tensor, Tensor]]
    mask: Tensor
    frame: int = 0


class Predictor(nn.Module):
    """A causal transformer over audio embeddings with cross-attention to the text."""

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.latent_in = nn.Linear(config.latent, width)
        self.text_in = nn.Linear(width, width)
        self.phase_in = nn.Linear(PHASES, width)
        self.start = nn.Parameter(torch.zeros(config.latent))
        count = config.predictor_layers
        self.self_attention = nn.ModuleList(
            SelfAttention(width, config.heads) for _ in range(count)
        )
        self.cross_attention = nn.ModuleList(
            CrossAttention(width, config.heads) for _ in range(0, count, CROSS_EVERY)
        )
        self.feed_forward = nn.ModuleList(
            FeedForward(width, config.feed_forward) for _ in range(count)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * count + 1))
        self.cross_norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.cross_attention)
        self.dropout = nn.Dropout(config.dropout)
        self.latent_out = nn.Linear(width, config.latent)
        self.stop_out = nn.Linear(width, 1)

    def begin(self, text: Tensor, mask: Tensor, capacity: int) -> PredictorState:
        """An empty state for up to ``capacity`` frames of ``text`` [B, N, D] (``mask`` [B, N])."""
        batch, _, width = text.shape
        shape = (batch, self.heads, capacity, width // self.heads)
        layers = [
            LayerCache(text.new_empty(shape), text.new_empty(shape)) for _ in self.feed_forward
        ]
        return PredictorState(layers, self._text_keys(text), mask[:, None, None, :])

    def forward(
        self, history: Tensor, text: Tensor, mask: Tensor, voice: Tensor, clock: Clock
    ) -> Prediction:
        """Teacher-forced: every frame from the (possibly noisy) frames before it.

        ``history`` [B, T, Z] holds the embeddings themselves; the shift by one frame happens here.
        ``text`` [B, N, D], ``mask`` [B, N], ``voice`` [B, D].
        """
        first = self.start.expand(len(history), 1, -1)
        past = torch.cat((first, history[:, :-1]), dim=1)
        state = PredictorState([], self._text_keys(text), mask[:, None, None, :])
        return self._run(past, text, voice, clock, state)

    def step(
        self, past: Tensor, text: Tensor, voice: Tensor, clock: Clock, state: PredictorState
    ) -> Prediction:
        """The next frames given the embeddings just before each, [B, T, Z]; advances ``state``."""
        return self._run(past, text, voice, clock, state)

    def _text_keys(self, text: Tensor) -> list[tuple[Tensor, Tensor]]:
        layers = cast("Iterable[CrossAttention]", self.cross_attention)
        return [attention.keys_values(text) for attention in layers]

    def _run(
        self, past: Tensor, text: Tensor, voice: Tensor, clock: Clock, state: PredictorState
    ) -> Prediction:
        frames, width = past.shape[1], text.shape[2]
        index = clock.position[..., None].expand(-1, -1, width)
        x = self.latent_in(past) + self.text_in(text.gather(1, index))
        x = x + self.phase_in(clock.phase) + voice[:, None]
        positions = rotary(frames, width // self.heads, state.frame, x.device)
        for layer, feed_forward in enumerate(self.feed_forward):
            cache = state.layers[layer] if state.layers else None
            y = self.norms[2 * layer](x)
            y = self.self_attention[layer](y, positions, causal=True, cache=cache)
            x = x + self.dropout(y)
            if layer % CROSS_EVERY == 0:
                cross = layer // CROSS_EVERY
                y = self.cross_norms[cross](x)
                y = self.cross_attention[cross](y, *state.text[cross], clock.prior, state.mask)
                x = x + self.dropout(y)
            x = x + self.dropout(feed_forward(self.norms[2 * layer + 1](x)))
        state.frame += frames
        x = self.norms[-1](x)
        return Prediction(self.latent_out(x), self.stop_out(x).squeeze(-1))
