"""Stage three: the predictor learns to speak; encoder and decoder stay as they are.

Letters: B batch, T latent frames, Z latent dimensions, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from jepa_tts.alphabet import PAD
from jepa_tts.checkpoint import save_model, start_model
from jepa_tts.collapse import spread
from jepa_tts.corpus import Corpus, TextAudio, buckets
from jepa_tts.device import normal, open_device
from jepa_tts.drift import free_run
from jepa_tts.frames import Span
from jepa_tts.losses import (
    duration_loss,
    masked_mean,
    prediction_loss,
    pronunciation_loss,
    stop_loss,
)
from jepa_tts.low_rank import attach
from jepa_tts.model import Plan
from jepa_tts.stages.stage import Loss, Media
from jepa_tts.text import HALVES

if TYPE_CHECKING:
    from torch import nn

    from jepa_tts.train_config import TrainConfig

STOP_WEIGHT, DURATION_WEIGHT, CTC_WEIGHT = 0.02, 0.3, 0.02
HEARD_SHARE = 0.3
"""Share of the named rows whose voice is heard from a clip instead of looked up."""
PROMPT_FRAMES = (24, 96)
"""Length of such a clip in latent frames: one to four seconds."""
SHOWN_DIMENSIONS = (0, 1, 8, 9, 10, 12, 16, 24, 40)


class Predict:
    """Next-embedding MSE with noise on the history, stop, durations, pronunciation kept fresh."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.device = open_device(config.device)
        self.corpus = Corpus(Path(config.cache), device=self.device)
        self.network = start_model(config, self.corpus).to(self.device)
        self.additions = attach(self.network.predictor, config.rank) if config.language else []
        self.rows = [i for i in self.corpus.part("train") if self._usable(i)]
        self.held_out = [i for i in self.corpus.part("validation") if self._usable(i)][:96]
        self.by_speaker: dict[str, list[int]] = {}
        for index in self.rows:
            self.by_speaker.setdefault(self.corpus.rows[index].speaker, []).append(index)
        self.table = {p: i + 1 for i, p in enumerate(self.network.config.phonemes)}
        self.deviation = torch.from_numpy(
            np.asarray(self.corpus.latents[:200_000], np.float32).std(0)
        ).to(self.device)

    def _usable(self, index: int) -> bool:
        return 12 <= self.corpus.rows[index].latent_frames <= 320

    def trained(self) -> list[nn.Parameter]:
        """All but the audio encoder and the mel decoder; for a language, what is its own."""
        net = self.network
        parts = [net.durations, net.predictor, net.voices]
        if self.config.language:
            own = (net.durations, net.text_encoder)
            return [*self.additions, *(p for part in own for p in part.parameters())]
        if not self.config.freeze_text:
            parts.append(net.text_encoder)
        return [p for part in parts for p in part.parameters()]

    def save(self, folder: Path) -> None:
        """Write the whole model."""
        save_model(self.network, folder)

    def epoch(self, seed: int, epoch: int) -> list[list[int]]:
        """Length-bucketed batches of rows within ``batch`` padded latent frames."""
        sizes = [r.latent_frames for r in self.corpus.rows]
        return buckets(sizes, self.rows, self.config.batch, seed, epoch)

    def loss(self, batch: list[int], progress: float, generator: torch.Generator) -> Loss:
        """The sum of the parts; history is noised, dropped and (late) partly the model's own."""
        data = self.corpus.text_audio(batch, self.network.config.speakers)
        plan, encoded, frames = self._plan(data, batch, generator)
        history = self.corrupt(data.latents, generator)
        if self.config.feedback and progress > 0.3:
            history = self._feed_back(plan, history, generator)
        out = self.network.predict(plan, history)
        log_durations = self.network.durations(encoded, plan.voice, plan.mask)
        parts = {
            "mse": prediction_loss(out.latents, data.latents, frames),
            "stop": stop_loss(out.stop, data.lengths, frames),
            "duration": duration_loss(log_durations, data.durations, plan.mask),
        }
        total = parts["mse"] + STOP_WEIGHT * parts["stop"]
        total = total + DURATION_WEIGHT * parts["duration"]
        if not self.config.freeze_text:
            parts["ctc"] = self._pronunciation(encoded, batch)
            total = total + CTC_WEIGHT * parts["ctc"]
        figures = {name: float(value.detach()) for name, value in parts.items()}
        return Loss(total, figures | spread(out.latents[frames]))

    def _plan(
        self, data: TextAudio, batch: list[int], generator: torch.Generator
    ) -> tuple[Plan, Tensor, Tensor]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_text):
            encoded = self.network.text_encoder(data.ids)
        voice = self._voice(data, batch, generator)
        plan = Plan(encoded, data.ids != PAD, voice, data.durations, data.lengths)
        times = torch.arange(data.latents.shape[1], device=self.device)
        return plan, encoded, times[None] < data.lengths[:, None]

    def _voice(self, data: TextAudio, batch: list[int], generator: torch.Generator) -> Tensor:
        """Named voices from the table, some (and all unnamed) from another clip of the speaker."""
        looked_up = self.network.voices.lookup(data.voices.clamp_min(0))
        chance = torch.rand(len(batch), generator=generator)
        heard = ((data.voices.cpu() < 0) | (chance < HEARD_SHARE)).nonzero()[:, 0]
        if not len(heard):
            return looked_up
        clips = [self._clip(batch[i], generator) for i in heard.tolist()]
        padded = self.corpus.padded("latents", clips)
        lengths = torch.tensor([length for _, length in clips])
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        voices = self.network.voices.hear(padded, mask.to(self.device)).to(looked_up)
        return looked_up.index_put((heard.to(self.device),), voices)

    def _clip(self, index: int, generator: torch.Generator) -> Span:
        others = self.by_speaker.get(self.corpus.rows[index].speaker) or [index]
        pick = others[int(torch.randint(len(others), (), generator=generator))]
        first, frames = self.corpus.rows[pick].latent_span
        length = int(torch.randint(*PROMPT_FRAMES, (), generator=generator))
        start = int(torch.randint(max(1, frames - length + 1), (), generator=generator))
        return first + start, min(length, frames - start)

    def corrupt(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Noise of a random strength per sentence, and whole frames dropped to zero."""
        batch, frames, _ = latents.shape
        strength = torch.rand(batch, 1, 1, generator=generator) * self.config.history_noise
        noise = normal(latents.shape, generator, self.device) * self.deviation
        kept = torch.rand(batch, frames, 1, generator=generator) >= self.config.history_drop
        return (latents + strength.to(self.device) * noise) * kept.to(self.device)

    @torch.no_grad()
    def _feed_back(self, plan: Plan, history: Tensor, generator: torch.Generator) -> Tensor:
        """Replace a random share of the history by what the model itself predicts for it."""
        own = self.network.predict(plan, history).latents
        chosen = torch.rand(*history.shape[:2], 1, generator=generator) < self.config.feedback
        return torch.where(chosen.to(self.device), own.to(history), history)

    def _pronunciation(self, encoded: Tensor, batch: list[int]) -> Tensor:
        logits = self.network.text_encoder.phoneme_logits(encoded)
        rows = [self.corpus.rows[i] for i in batch]
        ids = [torch.tensor([self.table[p] for p in row.phonemes]) for row in rows]
        return pronunciation_loss(logits, torch.tensor([r.bytes * HALVES for r in rows]), ids)

    def validate(self) -> dict[str, float]:
        """R squared per dimension (teacher-forced); how far free running and its length stray; how
        true, teacher-forced and free-running embeddings are spread.
        """
        data = self.corpus.text_audio(self.held_out, self.network.config.speakers)
        generator = torch.Generator().manual_seed(0)
        plan, encoded, frames = self._plan(data, self.held_out, generator)
        forced = self.network.predict(plan, data.latents).latents
        real = data.latents[frames]
        scatter = ((real - real.mean(0)) ** 2).mean(0)
        r2 = 1 - ((forced[frames] - real) ** 2).mean(0) / scatter.clamp_min(1e-4)
        figures = {f"r2/{i:02d}": float(r2[i]) for i in SHOWN_DIMENSIONS if i < len(r2)}
        free = free_run(self.network, plan, data.latents.shape[1])
        error = float(prediction_loss(free, data.latents, frames))
        planned = self.network.plan(data.ids, plan.voice)
        missed = (planned.lengths - data.lengths).abs() / data.lengths
        log_durations = self.network.durations(encoded, plan.voice, plan.mask)
        kinds = {"true": real, "forced": forced[frames], "free": free[frames]}
        for kind, latents in kinds.items():
            figures |= {f"{kind}_{name}": value for name, value in spread(latents).items()}
        return figures | {
            "mse": float(prediction_loss(forced, data.latents, frames)),
            "free_mse": error,
            "spread": float(scatter.mean()),
            "r2": float(1 - ((forced[frames] - real) ** 2).mean() / scatter.mean()),
            "free_r2": 1 - error / float(scatter.mean()),
            "length_error": float(missed.float().mean()),
            "duration": float(duration_loss(log_durations, data.durations, plan.mask)),
            "ctc": float(self._pronunciation(encoded, self.held_out)),
            "duration_l1": float(
                masked_mean((log_durations.expm1() - data.durations).abs(), plan.mask)
            ),
        }

    def media(self) -> Media:
        """A held-out sentence: the true mel, the teacher-forced one and the free-running one."""
        data = self.corpus.text_audio(self.held_out[:1], self.network.config.speakers)
        plan, _, _ = self._plan(data, self.held_out[:1], torch.Generator().manual_seed(0))
        forced = self.network.predict(plan, data.latents).latents
        free = free_run(self.network, plan, data.latents.shape[1])
        mels = {"true": data.latents, "forced": forced, "free": free}
        decode = self.network.mel_decoder
        return Media({f"mel/{name}": decode(z)[0].cpu().numpy() for name, z in mels.items()})
