"""Training a vocoder on true mels, slightly blurred so that it bears predicted ones.

Letters: B batch, F mel frames, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.checkpoint import save_model
from jepa_tts.corpus import Corpus
from jepa_tts.device import exact, normal, open_device
from jepa_tts.stages.stage import Loss, Media
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import PITCH_CENTRE, PITCH_SPREAD, VocoderConfig

if TYPE_CHECKING:
    from jepa_tts.train import TrainConfig

CROP = 64
"""Mel frames per crop: 0.68 s."""
HOP = 256
STFT_SIZES = (256, 512, 1024, 2048)
READERS = 4
BLUR = 0.15
"""Most noise on log-mels, in nepers."""
PITCH_WEIGHT = 0.3
MEL_WEIGHT = 1.0


class Clips(NamedTuple):
    """``mel`` [B, M, F], ``pitch`` [B, F] in Hz and ``samples`` [B, S]."""

    mel: Tensor
    pitch: Tensor
    samples: Tensor


class Vocode:
    """Multi-resolution STFT and mel losses, pitch, and on request the vocos discriminators."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.device = open_device(config.device)
        torch.manual_seed(config.seed)
        self.corpus = Corpus(Path(config.cache), device=self.device)
        self.network = _Trained(config).to(self.device)
        corpus = self.corpus
        measured = {
            i
            for i, r in enumerate(corpus.rows)
            if r.frames > CROP + 2 and not np.isnan(corpus.pitch[r.start])
        }
        self.readers = ThreadPoolExecutor(READERS)
        self.rows = [i for i in corpus.part("train") if i in measured]
        self.held_out = [i for i in corpus.part("validation") if i in measured][:32]

    def trained(self) -> list[nn.Parameter]:
        """The vocoder and, when adversarial, the discriminators: one optimiser serves both."""
        return list(self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write the vocoder."""
        save_model(self.network.vocoder, folder, "vocoder")

    def epoch(self, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
        """Random crops (row, first frame), ``batch`` mel frames a step."""
        return random_crops(self.corpus, self.rows, CROP, self.config.batch, (seed, epoch))

    def _crops(self, crops: list[tuple[int, int]], frames: int = CROP) -> Clips:
        rows = [(self.corpus.rows[index], start) for index, start in crops]
        spans = [(row.start + start, frames) for row, start in rows]
        # several at once: reading a file waits more than it works
        samples = self.readers.map(lambda item: _samples(item[0].audio, item[1], frames), rows)
        return Clips(
            self.corpus.padded("mel", spans).transpose(1, 2).contiguous(),
            self.corpus.padded("pitch", spans),
            torch.from_numpy(np.stack(list(samples))).to(self.device),
        )

    def loss(
        self,
        batch: list[tuple[int, int]],
        progress: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Loss:
        """STFT magnitudes, mel and pitch; mels are slightly blurred."""
        mel, pitch, real = self._crops(batch)
        blur = torch.rand(len(mel), 1, 1, generator=generator).to(self.device) * BLUR
        noisy = mel + blur * normal(mel.shape, generator, self.device)
        made, heard = self.network.vocoder(noisy, pitch, generator)
        with exact(self.device):
            parts = {"stft": stft_loss(made, real), "mel": mel_loss(made, real)}
        total = parts["stft"] + MEL_WEIGHT * parts["mel"]
        if heard is not None:
            parts["pitch"] = pitch_loss(heard, pitch)
            total = total + PITCH_WEIGHT * parts["pitch"]
        if self.network.judges is not None:
            from jepa_tts.stages.adversary import adversarial_loss

            judged = adversarial_loss(self.network.judges, real, made)
            total = total + judged.total
            parts |= {name: torch.tensor(value) for name, value in judged.parts.items()}
        return Loss(total, {name: float(value.detach()) for name, value in parts.items()})

    def validate(self) -> dict[str, float]:
        """The same distances on held-out clips, with the vocoder's own pitch."""
        sums: dict[str, list[float]] = {}
        for index in self.held_out:
            frames = min(280, self.corpus.rows[index].frames - 1)
            mel, pitch, real = self._crops([(index, 0)], frames)
            made, heard = self.network.vocoder(mel, None, torch.Generator().manual_seed(0))
            sums.setdefault("stft", []).append(float(stft_loss(made, real)))
            sums.setdefault("mel", []).append(float(mel_loss(made, real)))
            if heard is not None:
                guess = (heard[..., 0] * PITCH_SPREAD + PITCH_CENTRE).exp()
                both = (pitch > 0) & (heard[..., 1] > 0)
                wrong = ((heard[..., 1] > 0) != (pitch > 0)).float().mean()
                cents = (12 * (guess[both] / pitch[both]).log2()).abs()
                sums.setdefault("pitch_semitones", []).append(float(cents.median()))
                sums.setdefault("voicing_errors", []).append(float(wrong))
        return {name: float(np.nanmean(values)) for name, values in sums.items()}

    def media(self) -> Media:
        """Held-out clips as they are and vocoded."""
        sounds = {}
        for k, index in enumerate(self.held_out[:3]):
            mel, _, real = self._crops([(index, 0)], self.corpus.rows[index].frames - 1)
            made = self.network.vocoder(mel, None, torch.Generator().manual_seed(0)).samples
            pair = {f"real/{k}": real, f"vocoded/{k}": made.clamp(-1, 1)}
            sounds |= {name: samples[0].cpu().numpy() for name, samples in pair.items()}
        return Media({}, sounds)


def random_crops(
    corpus: Corpus, rows: Sequence[int], frames: int, budget: int, seed: tuple[int, int]
) -> list[list[tuple[int, int]]]:
    """One crop (row, first frame) of ``frames`` of each of the ``rows``, which are longer, in
    batches of ``budget`` mel frames; what is left over is dropped.
    """
    rng = np.random.default_rng(seed)
    size = max(1, budget // frames)
    crops = [
        (int(i), int(rng.integers(0, corpus.rows[i].frames - frames)))
        for i in rng.permutation(rows)
    ]
    return [crops[k : k + size] for k in range(0, len(crops) - size + 1, size)]


def _samples(path: str, start: int, frames: int) -> np.ndarray:
    import soundfile

    length = (frames - 1) * HOP
    return soundfile.read(path, length, start * HOP, dtype="float32", fill_value=0.0)[0]


class _Trained(nn.Module):
    """The vocoder and its judges, saved together for an exact resume."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        from jepa_tts.checkpoint import load_vocoder

        self.vocoder = (
            load_vocoder(Path(config.vocoder)) if config.vocoder else Vocoder(VocoderConfig())
        )
        self.judges: nn.Module | None = None
        if config.adversarial:
            from jepa_tts.stages.adversary import Judges

            self.judges = Judges()


def stft_loss(made: Tensor, real: Tensor) -> Tensor:
    """Spectral convergence plus log-magnitude L1 at four resolutions (Yamamoto et al., 2020)."""
    total = made.new_zeros(())
    for size in STFT_SIZES:
        got, want = _magnitude(made, size), _magnitude(real, size)
        total = total + (want - got).norm() / want.norm().clamp_min(1e-5)
        total = total + F.l1_loss(got.log(), want.log())
    return total / len(STFT_SIZES)


def _magnitude(samples: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=samples.device)
    spectrum = torch.stft(samples, size, size // 4, window=window, return_complex=True)
    return (spectrum.real**2 + spectrum.imag**2).clamp_min(1e-7).sqrt()


def mel_loss(made: Tensor, real: Tensor) -> Tensor:
    """L1 between log-mels, [B, S] each."""
    from voice_data.mel import log_mel

    return F.l1_loss(log_mel(made).clamp_min(-9.0), log_mel(real).clamp_min(-9.0))


def pitch_loss(heard: Tensor, pitch: Tensor) -> Tensor:
    """L1 of scaled log F0 where voiced plus cross-entropy of voicing; [B, F, 2] and Hz [B, F]."""
    voiced = (pitch > 0).to(heard)
    target = (pitch.clamp_min(1.0).log() - PITCH_CENTRE) / PITCH_SPREAD
    error = ((heard[..., 0] - target).abs() * voiced).sum() / voiced.sum().clamp_min(1.0)
    return error + F.binary_cross_entropy_with_logits(heard[..., 1], voiced)
