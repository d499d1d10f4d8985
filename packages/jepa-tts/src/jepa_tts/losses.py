"""The terms that the training stages add up.

Letters: B batch, T latent frames, Z latent dimensions, M mel bands, F mel frames.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from jepa_tts.audio_encoder import Gaussian
from jepa_tts.device import exact

SPECTRAL_SIZES = (64, 128, 256)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` [B, T, ...] over the frames where ``mask`` [B, T] is True."""
    mask = mask.view(*mask.shape, *[1] * (values.dim() - mask.dim())).to(values.dtype)
    return (values * mask).sum() / (mask.expand_as(values).sum().clamp_min(1.0))


def prediction_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of the next embedding, [B, T, Z]; the latents' own scale weights them."""
    return masked_mean((predicted - target) ** 2, mask)


def deviation_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Squared difference of each dimension's standard deviation over a sentence, [B, T, Z].

    A mean of what could come varies less than what does come, and sounds muffled: the "global
    variance" of Toda and Tokuda, "A speech parameter generation algorithm considering global
    variance for HMM-based speech synthesis" (2007). Sentences count by their frames.
    """
    wrong = ((_deviation(predicted, mask) - _deviation(target, mask)) ** 2).mean(1)
    frames = mask.sum(1).to(wrong.dtype)
    return (wrong * frames).sum() / frames.sum().clamp_min(1.0)


def _deviation(values: Tensor, mask: Tensor) -> Tensor:
    """[B, T, Z] -> [B, Z], over the frames where ``mask`` [B, T] is True."""
    weight = mask[..., None].to(values.dtype)
    count = weight.sum(1).clamp_min(1.0)
    mean = (values * weight).sum(1) / count
    variance = ((values - mean[:, None]) ** 2 * weight).sum(1) / count
    return (variance + 1e-6).sqrt()  # finite gradients where nothing varies


def kl_loss(gaussian: Gaussian, mask: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, I)) per dimension (Kingma and Welling, 2014, appendix B)."""
    mean, logvar = gaussian
    return masked_mean(-0.5 * (1 + logvar - mean**2 - logvar.exp()), mask)


def kl_weight(progress: float, maximum: float, warm_up: float = 0.2) -> float:
    """Linear annealing over the first ``warm_up`` share of training; ``progress`` in [0, 1]."""
    return maximum * min(1.0, progress / warm_up)


def reconstruction_loss(mel: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of log-mel frames, [B, M, F]."""
    return F.l1_loss(mel, target)


def spectral_loss(mel: Tensor, target: Tensor) -> Tensor:
    """Multi-resolution spectral distance of the mel bands' trajectories, [B, M, F].

    Each band's course over time is transformed at three resolutions (64, 128 and 256 frames);
    spectral convergence plus log-magnitude L1 (Yamamoto et al., "Parallel WaveGAN", 2020, equations
    5 and 6). A blurred trajectory lacks the fast modulations and pays for it.
    """
    trajectories = (mel.flatten(0, 1).float(), target.flatten(0, 1).float())
    with exact(mel.device):
        total = torch.zeros((), device=mel.device)
        for size in SPECTRAL_SIZES:
            got, want = (_magnitude(x, size) for x in trajectories)
            convergence = (want - got).norm() / want.norm().clamp_min(1e-5)
            total = total + convergence + F.l1_loss(got.log(), want.log())
        return total / len(SPECTRAL_SIZES)


def _magnitude(rows: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=rows.device)
    spectrum = torch.stft(
        rows, size, size // 4, window=window, center=True, pad_mode="constant", return_complex=True
    )
    return spectrum.abs().clamp_min(1e-2)


def stop_loss(logits: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the stop head, [B, T]: frames at or after the last of ``lengths`` [B] stop.

    Stopping frames weigh five times as much as the others; ``mask`` [B, T] selects the real ones.
    """
    times = torch.arange(logits.shape[1], device=logits.device)
    target = (times[None] >= lengths[:, None] - 1).to(logits.dtype)
    weight = torch.where(target > 0, 5.0, 1.0)
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return masked_mean(losses * weight, mask)


def duration_loss(predicted: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
    """Squared error of log(1 + latent frames), [B, N] against frames [B, N]."""
    return masked_mean((predicted - durations.log1p()) ** 2, mask)


def pronunciation_loss(logits: Tensor, lengths: Tensor, phonemes: list[Tensor]) -> Tensor:
    """CTC (Graves et al., 2006) per phoneme; logits [B, S, P], slots [B], one id tensor a row.

    Slots and ids lie on the CPU, which counts them, wherever the logits are.
    """
    if logits.device.type == "mps":  # torch has no CTC there
        logits = logits.cpu()
    counts = torch.tensor([len(p) for p in phonemes])
    with exact(logits.device):
        losses = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1),
            torch.cat(phonemes).to(logits.device),
            lengths,
            counts,
            reduction="none",
            zero_infinity=True,
        )
    return losses.sum() / max(1, int(counts.sum()))
