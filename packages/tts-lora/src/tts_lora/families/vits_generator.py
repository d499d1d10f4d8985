"""The generator of VITS, taught without its adversary, or speaking.

Kim et al., "Conditional Variational Autoencoder with Adversarial Learning for End-to-End
Text-to-Speech" (2021), equations 2 to 5; the adversary's and the feature loss are left out: what
they polish is in the base already. Letters: B batch, N tokens, F frames, C latent channels, H
samples of a frame, G numbers of a speaker vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tts_lora.families.alignment_search import monotonic_path

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 100
"""Frames of a token, more than a second: a predictor that asks for more has lost the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latents:
    """``heard`` [B, C, F] of the clip with ``log_deviation``, the same ``flowed`` to the prior's
    space, the prior's ``mean`` and ``log_prior`` [B, C, F] along the ``path`` [B, F, N], and what
    the text encoder knows, ``hidden`` [B, D, N].
    """

    heard: Tensor
    log_deviation: Tensor
    flowed: Tensor
    mean: Tensor
    log_prior: Tensor
    path: Tensor
    hidden: Tensor


def spectrogram(samples: Tensor, bins: int, hop: int) -> Tensor:
    """Magnitudes [B, bins, F] of [B, F * H] samples, as VITS has them: no frame at the ends."""
    import torch

    size = 2 * (bins - 1)
    padding = (size - hop) // 2
    padded = torch.nn.functional.pad(samples[:, None], (padding, padding), mode="reflect")[:, 0]
    window = torch.hann_window(size, device=samples.device)
    found = torch.stft(padded, size, hop, window=window, center=False, return_complex=True)
    return (found.real.square() + found.imag.square() + 1e-6).sqrt()


def speaker_of(network: Any, batch: Mapping[str, Tensor]) -> Tensor | None:
    """The speaker vectors [B, G, 1], none in a network of one speaker."""
    if "speaker" not in batch:
        return None
    return network.embed_speaker(batch["speaker"])[..., None]


def teach(network: Any, batch: Mapping[str, Tensor], heard: Tensor, *, noise: float) -> Latents:
    """Hear the clip's spectrogram ``heard`` [B, bins, F], and align the text with it.

    ``noise`` scales the draw from the posterior: 1 to train, 0 for its mean.
    """
    import torch

    voice, mask = speaker_of(network, batch), batch["mask"][:, None].float()  # [B, 1, F]
    text_mask = batch["text_mask"]
    text = network.text_encoder(
        input_ids=batch["ids"],
        padding_mask=text_mask[..., None].float(),
        attention_mask=text_mask.long(),
    )
    listener = network.posterior_encoder
    inner = listener.wavenet(listener.conv_pre(heard) * mask, mask, voice)
    mean, log_deviation = (listener.conv_proj(inner) * mask).chunk(2, 1)
    latents = mean
    if noise:
        latents = mean + torch.randn_like(mean) * log_deviation.exp() * noise
    latents = latents * mask
    flowed = network.flow(latents, mask, voice)
    with torch.no_grad():
        scores = log_likelihood(flowed, text.prior_means, text.prior_log_variances)
        path = monotonic_path(scores, batch["mask"].sum(1), text_mask.sum(1))
    spread = path.to(flowed.dtype)
    return Latents(
        heard=latents,
        log_deviation=log_deviation,
        flowed=flowed,
        mean=(spread @ text.prior_means).transpose(1, 2),
        log_prior=(spread @ text.prior_log_variances).transpose(1, 2),
        path=path,
        hidden=text.last_hidden_state.transpose(1, 2),
    )


def log_likelihood(flowed: Tensor, means: Tensor, logs: Tensor) -> Tensor:
    """Of each frame under each token's Gaussian [B, F, N]; ``flowed`` [B, C, F], the others
    [B, N, C], ``logs`` the logarithm of the deviation.
    """
    precision = (-2 * logs).exp().transpose(1, 2)  # [B, C, N]
    frames, means = flowed.transpose(1, 2), means.transpose(1, 2)  # [B, F, C], [B, C, N]
    constant = (-0.5 * math.log(2 * math.pi) - logs.transpose(1, 2)).sum(1)
    offset = constant - 0.5 * (means.square() * precision).sum(1)
    return frames @ (means * precision) - 0.5 * frames.square() @ precision + offset[:, None]


def divergence(latents: Latents, mask: Tensor) -> Tensor:
    """Of the posterior from the prior by one draw, per real frame (equation 4); mask [B, F]."""
    gap = (latents.flowed - latents.mean).square() * (-2 * latents.log_prior).exp()
    values = latents.log_prior - latents.log_deviation - 0.5 + 0.5 * gap
    return (values * mask[:, None]).sum() / mask.sum()


def duration_loss(network: Any, batch: Mapping[str, Tensor], latents: Latents) -> Tensor:
    """Of the frames that the path gives each token, per token. Nothing flows into the text."""
    mask = batch["text_mask"][:, None].float()
    durations = latents.path.sum(1, keepdim=True).to(mask.dtype)  # [B, 1, N]
    predictor, voice = network.duration_predictor, speaker_of(network, batch)
    if network.config.use_stochastic_duration_prediction:
        return predictor(latents.hidden, mask, voice, durations=durations).sum() / mask.sum()
    logs = (durations + 1e-6).log() * mask
    return (predictor(latents.hidden, mask, voice) - logs).square().sum() / mask.sum()


def infer(network: Any, row: Mapping[str, Tensor], *, durations: Tensor | None = None) -> Any:
    """The library's own output for one sentence: ``waveform`` [1, S], ``spectrogram`` [1, C, F].

    ``durations`` [N] take the place of the predicted ones; the noise is then left out.
    """
    speaker = row["speaker"][None] if "speaker" in row else None
    with _told(network, durations):
        # A tensor indexes the table of voices as a number does.
        return network(row["ids"][None], speaker_id=speaker, return_dict=True)


@contextmanager
def _told(network: Any, durations: Tensor | None) -> Iterator[None]:
    """Durations as given and no noise, or those predicted within bounds."""
    import torch

    def hook(_module: Any, _inputs: Any, logs: Tensor) -> Tensor:
        # They are rounded up: half a frame less is safe from the last bit of the exponential.
        if durations is None:
            return logs.clamp(max=math.log(LONGEST - 0.5))
        return torch.log(durations.to(logs.dtype) - 0.5)[None, None]

    noise = network.noise_scale
    handle = network.duration_predictor.register_forward_hook(hook)
    network.noise_scale = noise if durations is None else 0.0
    try:
        yield
    finally:
        network.noise_scale = noise
        handle.remove()
