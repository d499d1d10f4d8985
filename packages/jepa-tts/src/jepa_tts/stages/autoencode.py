"""Stage two: audio encoder and mel decoder, started from principal components.

Letters: B batch, F mel frames, M mel bands, Z latent dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from jepa_tts.audio_encoder import PITCH_DIMENSIONS, Gaussian
from jepa_tts.checkpoint import save_model, start_model
from jepa_tts.collapse import spread
from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus
from jepa_tts.device import open_device
from jepa_tts.losses import kl_loss, kl_weight, reconstruction_loss, spectral_loss
from jepa_tts.sigreg import sigreg
from jepa_tts.stages.stage import Loss, Media

if TYPE_CHECKING:
    from torch import nn

    from jepa_tts.train_config import TrainConfig

CROP = 192
"""Mel frames per crop: two seconds."""
FLOOR = -11.5
"""Log-mel of silence, for what lies behind the end of a recording."""
PITCH_CENTRE, PITCH_SPREAD = 5.1, 0.35
"""Mean and deviation of log F0 over men and women, to scale the pitch dimensions."""
VARIANCE_FLOOR = 0.6
PICKED = 2_000
"""Rows from which the principal components are taken."""
PITCH_WEIGHT = 0.5


class Autoencode:
    """L1 and spectral losses, an annealed regulariser, and pitch in the first latent dimensions."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.device = open_device(config.device)
        self.corpus = Corpus(Path(config.cache), device=self.device)
        self.network = start_model(config, self.corpus).to(self.device)
        measured = [i for i in range(len(self.corpus.rows)) if self._measured(i)]
        train = set(self.corpus.part("train"))
        self.rows = [i for i in measured if i in train]
        self.held_out = [i for i in measured if i not in train][:48]
        first = self._first_silent()
        if first < self.network.config.latent:
            self._start_from_components(first)

    def _measured(self, index: int) -> bool:
        row = self.corpus.rows[index]
        return row.frames >= CROP // 2 and not np.isnan(self.corpus.pitch[row.start])

    def _first_silent(self) -> int:
        """The first dimension without a component of its own: of a new model, or of a grown one."""
        heard = self.network.audio_encoder.projection.weight.flatten(1).any(1)
        if heard[:PITCH_DIMENSIONS].any():
            return PITCH_DIMENSIONS  # a new model: pitch reads nothing in one that has started
        return PITCH_DIMENSIONS + int(heard.sum())

    @torch.no_grad()
    def _start_from_components(self, first: int) -> None:
        """Principal components of four stacked frames, or of what the dimensions before ``first``
        leave out of them and is linear in them; each scaled by its floored deviation.
        """
        if not self.rows:
            raise ValueError(
                f"{self.config.cache} has no training rows of a second or more with measured "
                "pitch: run `jepa-tts preprocess` with a larger pitch share"
            )
        rng = np.random.default_rng(self.config.seed)
        picks = rng.choice(self.rows, min(PICKED, len(self.rows)), replace=False)
        stacked = np.concatenate([self._stacked(i) for i in picks])
        encoder, decoder = self.network.audio_encoder, self.network.mel_decoder
        mean = stacked.mean(0)
        if first == PITCH_DIMENSIONS:
            for tensor in (*encoder.projection.parameters(), *decoder.projection.parameters()):
                tensor.zero_()  # pitch reads and adds nothing; the others follow
            missing, offset = np.eye(len(mean)), mean
        else:
            left = stacked - np.concatenate([self._given_back(i) for i in picks])
            missing = np.linalg.lstsq(stacked - mean, left - left.mean(0), rcond=None)[0]
            offset = left.mean(0) + decoder.projection.bias.cpu().numpy()
        values, vectors = np.linalg.eigh(np.cov(((stacked - mean) @ missing).T))
        keep = self.network.config.latent - first
        values, vectors = values[::-1][:keep], vectors[:, ::-1][:, :keep]
        scale = np.sqrt(values + VARIANCE_FLOOR)
        down, up = (missing @ vectors / scale).T, vectors * scale
        encoder.set_projection(_tensor(down), _tensor(-down @ mean))
        decoder.set_projection(_tensor(up), _tensor(offset))

    def _given_back(self, index: int) -> np.ndarray:
        """Four stacked frames as they are decoded now."""
        mel = self.corpus.mel_of(index).to(self.device)
        mean = self.network.audio_encoder(mel.T[None]).mean
        decoded = self.network.mel_decoder(mean)[0].T.cpu().numpy()
        return decoded.reshape(len(decoded) // STRIDE, -1)

    def _stacked(self, index: int) -> np.ndarray:
        mel = self.corpus.mel_of(index).numpy()
        return mel.reshape(len(mel) // STRIDE, -1)

    def trained(self) -> list[nn.Parameter]:
        """Audio encoder (its principal components stay) and mel decoder."""
        network = self.network
        network.audio_encoder.projection.requires_grad_(False)
        parts = (network.audio_encoder, network.mel_decoder)
        return [p for part in parts for p in part.parameters() if p.requires_grad]

    def save(self, folder: Path) -> None:
        """Write the whole model."""
        save_model(self.network, folder)

    def epoch(self, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
        """Random crops (row, first frame), ``batch`` mel frames a step."""
        rng = np.random.default_rng((seed, epoch))
        size = max(1, self.config.batch // CROP)
        order = rng.permutation(self.rows)
        crops = [
            (int(i), int(rng.integers(0, max(1, self.corpus.rows[i].frames - CROP + 1))))
            for i in order
        ]
        return [crops[k : k + size] for k in range(0, len(crops) - size + 1, size)]

    def _crops(self, crops: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Mels [B, M, F] and pitch [B, F], with silence behind the end of a row."""
        rows = [(self.corpus.rows[index], start) for index, start in crops]
        spans = [(row.start + start, min(CROP, row.frames - start)) for row, start in rows]
        mel = self.corpus.padded("mel", spans, length=CROP, fill=FLOOR)
        return mel.transpose(1, 2), self.corpus.padded("pitch", spans, length=CROP)

    def loss(
        self, batch: list[tuple[int, int]], progress: float, generator: torch.Generator
    ) -> Loss:
        """L1 + spectral + annealed KL or SIGReg + pitch; and how the embeddings are spread."""
        mel, pitch = self._crops(batch)
        gaussian = self.network.audio_encoder(mel)
        latents, regulariser = self._regularised(gaussian, generator)
        decoded = self.network.mel_decoder(latents)
        name = self.config.regulariser
        parts = {
            "l1": reconstruction_loss(decoded, mel),
            "spectral": spectral_loss(decoded, mel),
            name: regulariser,
            "pitch": pitch_loss(gaussian.mean, pitch),
        }
        weight = kl_weight(progress, getattr(self.config, name))
        total = parts["l1"] + self.config.spectral * parts["spectral"]
        total = total + weight * parts[name] + PITCH_WEIGHT * parts["pitch"]
        figures = {name: float(value.detach()) for name, value in parts.items()}
        return Loss(total, figures | spread(free(gaussian.mean)))

    def _regularised(self, gaussian: Gaussian, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What is decoded, and how far the embeddings are from a standard Gaussian.

        KL spreads every frame's posterior, which is sampled; SIGReg spreads the means over the
        batch and needs no posterior. Pitch has a target of its own and is left out of SIGReg.
        """
        if self.config.regulariser == "sigreg":
            return gaussian.mean, sigreg(free(gaussian.mean), generator)
        mask = torch.ones(gaussian.mean.shape[:2], dtype=torch.bool, device=self.device)
        return gaussian.sample(generator), kl_loss(gaussian, mask)

    def validate(self) -> dict[str, float]:
        """Reconstruction without sampling, pitch error in semitones and voicing mistakes."""
        mel, pitch = self._crops([(i, 0) for i in self.held_out])
        mean = self.network.audio_encoder(mel).mean
        decoded = self.network.mel_decoder(mean)
        heard = latent_pitch(mean)
        both = (heard > 0) & (pitch > 0)
        cents = (12 * (heard[both] / pitch[both]).log2()).abs()
        return {
            "l1": float(reconstruction_loss(decoded, mel)),
            "spectral": float(spectral_loss(decoded, mel)),
            "pitch_semitones": float(cents.median()) if len(cents) else 0.0,
            "voicing_errors": float(((heard > 0) != (pitch > 0)).float().mean()),
            "latent_deviation": float(mean.flatten(0, 1).std(0).mean()),
            **spread(free(mean)),
        }

    def media(self) -> Media:
        """One held-out crop and its reconstruction."""
        mel, _ = self._crops([(self.held_out[0], 0)])
        decoded = self.network.mel_decoder(self.network.audio_encoder(mel).mean)
        mels = {"true": mel, "decoded": decoded}
        return Media({f"mel/{name}": shown[0].cpu().numpy() for name, shown in mels.items()})


def free(latents: Tensor) -> Tensor:
    """The embeddings [B, T, Z] without the dimensions of the pitch: [B T, Z - 8]."""
    return latents[..., PITCH_DIMENSIONS:].flatten(0, 1)


def pitch_loss(mean: Tensor, pitch: Tensor) -> Tensor:
    """Squared error of scaled log F0 (voiced frames) and voicing (all); [B, T, Z] and Hz [B, F]."""
    dims = mean[..., :PITCH_DIMENSIONS].unflatten(-1, (STRIDE, 2)).flatten(1, 2)  # [B, F, 2]
    voiced = pitch > 0
    target = (pitch.clamp_min(1.0).log() - PITCH_CENTRE) / PITCH_SPREAD
    error = ((dims[..., 0] - target) ** 2 * voiced).sum() / voiced.sum().clamp_min(1)
    voicing = ((dims[..., 1] - (voiced * 2.0 - 1.0)) ** 2).mean()
    return error + voicing


def latent_pitch(mean: Tensor) -> Tensor:
    """F0 in Hz that the latents [B, T, Z] carry, [B, F]; 0 where unvoiced."""
    dims = mean[..., :PITCH_DIMENSIONS].unflatten(-1, (STRIDE, 2)).flatten(1, 2)
    return (dims[..., 0] * PITCH_SPREAD + PITCH_CENTRE).exp() * (dims[..., 1] > 0)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
