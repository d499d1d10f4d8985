"""A post-filter against smooth spectra, worked into the weights of a vocoder's head.

A head trained on distances gives spectral envelopes that are flatter than those of speech: it
sounds muffled. Their fine detail, the cepstrum above a quefrency, is made larger by a constant
factor, as in Koishida, Tokuda, Kobayashi and Imai, "CELP coding based on mel-cepstral analysis"
(ICASSP 1995).
An envelope's cepstrum is linear in it, and so is the envelope in the head's weights: the filter
costs nothing at synthesis.

Letters: K frequency bins, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jepa_tts.vocoder import SourceFilterHead, Vocoder

GAIN, ABOVE = 0.4, 10
MOST_GAIN = 2.0
LOUDER = 1.15
"""Nepers by which a gain of 1 would make speech louder (six voices, ten sentences each)."""


def sharpen(vocoder: Vocoder, gain: float = GAIN, above: int = ABOVE) -> None:
    """Enlarge the envelopes' cepstrum above a quefrency by ``1 + gain``, in place.

    The level is lowered by what this adds to that of speech. ``above`` is in samples of the
    vocoder's rate: beyond 10 at 24 kHz are ripples of less than 2,400 Hz.

    Raises:
        ValueError: if the vocoder has no envelopes (its head is not ``source-filter``), the gain is
            not in [0, 2], or the quefrency not in [0, K).
    """
    head = vocoder.head
    if not isinstance(head, SourceFilterHead):
        raise ValueError(
            f"a vocoder with the head {vocoder.config.head!r} has no envelopes to sharpen: "
            "only source-filter heads have"
        )
    bins = vocoder.config.n_fft // 2 + 1
    if not 0.0 <= gain <= MOST_GAIN:
        raise ValueError(f"gain must be in [0, {MOST_GAIN:g}], not {gain}")
    if not 0 <= above < bins:
        raise ValueError(f"above must be a quefrency in [0, {bins}), not {above}")
    with torch.no_grad():
        for values in (head.out.weight, head.out.bias):
            for part in values.split(bins):  # of the pulses, of the noise
                part.copy_(sharpened(part, gain, above))
        head.out.bias -= LOUDER * gain


def finished(
    vocoder: Vocoder,
    *,
    postfilter: float = 0.0,
    phase: float | None = None,
    contrast: float | None = None,
) -> Vocoder:
    """A trained vocoder as it ships: sharpened by the gain ``postfilter`` (in place), and with
    these settings of its configuration where they are given.

    Raises:
        ValueError: as :func:`sharpen`, and for a setting that is out of range.
    """
    if postfilter:
        sharpen(vocoder, postfilter)
    given = {"phase": phase, "contrast": contrast}
    return vocoder.reset(**{name: value for name, value in given.items() if value is not None})


def sharpened(envelopes: Tensor, gain: float, above: int) -> Tensor:
    """Log envelopes [K, ...] with the cepstrum beyond ``above`` enlarged by ``1 + gain``."""
    cepstrum = torch.fft.irfft(envelopes.double(), dim=0)
    place = torch.arange(len(cepstrum))
    quefrency = torch.minimum(place, len(cepstrum) - place)
    cepstrum[quefrency > above] *= 1.0 + gain
    return torch.fft.rfft(cepstrum, dim=0).real.to(envelopes)
