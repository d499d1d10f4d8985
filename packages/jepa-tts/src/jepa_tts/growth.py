"""A larger model that begins where a smaller one ended.

Channels of the mel decoder are copied, and what reads them shares its weight out among the copies
(Chen, Goodfellow and Shlens, "Net2Net", 2016); everything else that is new adds nothing at first.
So the larger model speaks as the smaller one does until it is trained.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import torch
from torch import Tensor

from jepa_tts.config import JepaConfig
from jepa_tts.model import JepaModel

GROWING = ("feed_forward", "latent", "decoder_channels", "decoder_blocks")
"""The sizes that may grow."""
KEPT = ("mel", "phonemes", "speakers", "dropout")
"""What stays as it is in the smaller model."""
UNLIKENESS = 0.5
"""Deviation of what tells the copies of a channel apart, in deviations of the weights shared."""


def grow(model: JepaModel, size: JepaConfig) -> JepaModel:
    """A model of the larger ``size`` that says what ``model`` says, in the same voices.

    The channels of the mel decoder grow by whole multiples. New weights are drawn from torch's
    random numbers.

    Raises:
        ValueError: for a size that cannot grow, or would shrink.
    """
    own = {name: getattr(model.config, name) for name in KEPT}
    config = replace(size, **own)
    _refuse_other_shapes(model.config, config)
    larger = JepaModel(config).to(next(model.parameters()).device)
    new = larger.state_dict()
    copies = config.decoder_channels // model.config.decoder_channels
    for name, old in model.state_dict().items():
        if name.startswith("mel_decoder."):
            old = _copied(name, old, copies)
        halves = 2 if name.startswith("audio_encoder.out.") else 1  # means, log variances
        pairs = zip(old.chunk(halves), new[name].chunk(halves), strict=True)
        silent = ".up." not in name and name != "audio_encoder.out.bias"
        new[name] = torch.cat([_enlarged(a, b, silent=silent) for a, b in pairs])
    for block in range(model.config.decoder_blocks, config.decoder_blocks):
        for part in ("weight", "bias"):
            new[f"mel_decoder.blocks.{block}.second.{part}"].zero_()
    larger.load_state_dict(new)
    return larger.train(model.training)


def _enlarged(old: Tensor, new: Tensor, *, silent: bool) -> Tensor:
    """``old`` in the first corner of a tensor of the shape of ``new``; the rest is zero or new."""
    grown = torch.zeros_like(new) if silent else new.clone()
    grown[tuple(slice(size) for size in old.shape)] = old
    return grown


def _copied(name: str, old: Tensor, copies: int) -> Tensor:
    """A tensor of the mel decoder with ``copies`` of every channel."""
    part = name.split(".")[1]
    if part == "projection":
        return old
    if old.dim() == 1:
        return old if part == "refine" else old.repeat(copies)
    reads, writes = (0, 1) if part.startswith("up_") else (1, 0)
    if part != "refine":
        old = torch.cat([old] * copies, writes)
    return old if part == "into" else _shared(old, reads, copies)


def _shared(weight: Tensor, reads: int, copies: int) -> Tensor:
    """A weight for ``copies`` of what it reads along the axis ``reads``, each read by its share.

    The shares differ, so that gradients tell the copies apart; the differences add up to nothing.
    """
    noise = torch.randn(copies, *weight.shape, device=weight.device)
    noise = (noise - noise.mean(0)) * (UNLIKENESS * weight.std() / copies)
    return torch.cat([weight / copies + part for part in noise], reads)


def _refuse_other_shapes(old: JepaConfig, new: JepaConfig) -> None:
    before, after = asdict(old), asdict(new)
    for name, value in after.items():
        if value != before[name] and name not in GROWING:
            raise ValueError(
                f"{name} cannot grow from {before[name]} to {value}; only {', '.join(GROWING)} can"
            )
        if name in GROWING and value < before[name]:
            raise ValueError(f"{name} would shrink from {before[name]} to {value}")
    if new.decoder_channels % old.decoder_channels:
        raise ValueError(
            f"decoder_channels grows by whole multiples, not from {old.decoder_channels} to "
            f"{new.decoder_channels}"
        )
