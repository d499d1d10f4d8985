"""What FastSpeech 2 is told of a clip beside its text: mels, durations, pitch and energy.

Features as ESPnet takes them: 22.05 kHz, 1024-sample Hann windows every 256 samples, 80 Slaney mels
from 80 to 7600 Hz of the magnitude in log10. Letters: S samples, F frames, M mel bands, N tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SAMPLE_RATE, WINDOW, HOP = 22_050, 1024, 256
LOWEST, HIGHEST, FLOOR = 80.0, 7600.0, 1e-10
SILENT = 2.0
"""Frames whose loudest band is so many powers of ten below the clip's (40 dB) are no speech."""
DOUBT = 0.3
"""Frames whose period repeats no better than this (0: exactly, 1: not at all) are voiceless."""
_PITCH = (60.0, 500.0)  # Hz
_STATISTICS = {"mel": "feats_stats.npz", "pitch": "pitch_stats.npz", "energy": "energy_stats.npz"}


@dataclass(frozen=True, slots=True)
class Scale:
    """``mean`` and ``deviation`` of a feature over the corpus that a base model was trained on."""

    mean: Tensor
    deviation: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosody:
    """Makes a clip's features in the units of a base model, as its ``scales`` say.

    Without the scale of mels they stay as they are, which is right where the vocoder normalizes;
    without those of pitch and energy, each clip's own mean is 0 and deviation 1.
    """

    mels: int = 80
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def mel(self, samples: np.ndarray) -> Tensor:
        """[F, M] with F = S // 256 + 1."""
        import torch
        from librosa.filters import mel

        filters = mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=self.mels, fmin=LOWEST, fmax=HIGHEST)
        values = (_magnitude(samples) @ torch.from_numpy(filters).T).clamp_min(FLOOR).log10()
        scale = self.scales.get("mel")
        return values if scale is None else (values - scale.mean) / scale.deviation

    def pitch(self, samples: np.ndarray, durations: Tensor) -> Tensor:
        """[N, 1]: the mean log F0 of each token's voiced frames; a token without any gets the
        clip's mean.
        """
        level = _magnitude(samples).square().sum(1).sqrt()
        hertz, doubt = _fundamental(samples)
        voiced = (level > level.max() * 10**-SILENT) & (doubt < DOUBT)
        logs = hertz.log()
        return self._averaged("pitch", logs, voiced, durations)

    def energy(self, samples: np.ndarray, durations: Tensor) -> Tensor:
        """[N, 1]: the mean over each token's frames of the root of the summed power."""
        import torch

        level = _magnitude(samples).square().sum(1).clamp_min(FLOOR).sqrt()
        return self._averaged("energy", level, torch.ones_like(level, dtype=torch.bool), durations)

    def _averaged(self, name: str, values: Tensor, counted: Tensor, durations: Tensor) -> Tensor:
        import torch

        scale = self.scales.get(name)
        chosen = values[counted]
        mean = chosen.mean() if len(chosen) else values.new_zeros(())
        means = []
        for part, real in zip(
            values.split(durations.tolist()), counted.split(durations.tolist()), strict=True
        ):
            means.append(part[real].mean() if bool(real.any()) else mean)
        tokens = torch.stack(means)
        if scale is not None:
            return ((tokens - scale.mean) / scale.deviation)[:, None].float()
        spread = chosen.std(unbiased=False).clamp_min(1e-5) if len(chosen) else 1.0
        return ((tokens - mean) / spread)[:, None]


def even_durations(mel: Tensor, tokens: int) -> Tensor:
    """An alignment without a model [N]: silence at both ends goes to the first and the last token,
    the frames between are dealt out evenly, one at least to each.

    Real durations (of a forced aligner) are much better: give them in ``extra["durations"]``.

    Raises:
        SpeechModelError: if there are fewer frames than tokens.
    """
    import torch

    if len(mel) < tokens:
        raise SpeechModelError(f"{len(mel)} frames are too few for {tokens} tokens: drop the clip")
    loud = mel.amax(1)
    speech = (loud > loud.max() - SILENT).nonzero()[:, 0]
    begin, end = int(speech[0]), int(speech[-1]) + 1
    if end - begin < tokens:
        begin, end = 0, len(mel)
    edges = begin + torch.arange(tokens + 1) * (end - begin) // tokens
    edges[0], edges[-1] = 0, len(mel)
    return edges.diff()


def read_scales(folder: Path) -> dict[str, Scale]:
    """The statistics that ESPnet writes beside a model (``feats_stats.npz`` and so on), if any.

    Raises:
        SpeechModelError: if a file is not such statistics.
    """
    import numpy as np
    import torch

    scales: dict[str, Scale] = {}
    for name, file in _STATISTICS.items():
        if not (folder / file).is_file():
            continue
        try:
            with np.load(folder / file, allow_pickle=False) as values:
                mean = values["sum"] / values["count"]
                variance = np.maximum(values["sum_square"] / values["count"] - mean**2, 1e-20)
        except (KeyError, ValueError, OSError) as error:
            raise SpeechModelError(
                f"{folder / file} holds no count, sum and sum_square: {error}"
            ) from error
        mean, deviation = (torch.from_numpy(np.asarray(v)).float() for v in (mean, variance**0.5))
        scales[name] = Scale(mean, deviation)
    return scales


def _magnitude(samples: np.ndarray) -> Tensor:
    """[F, WINDOW // 2 + 1]."""
    import torch

    spectrum = torch.stft(
        torch.from_numpy(samples), WINDOW, HOP, window=torch.hann_window(WINDOW),
        center=True, pad_mode="reflect", return_complex=True,
    )  # fmt: skip
    return spectrum.abs().T


def _fundamental(samples: np.ndarray) -> tuple[Tensor, Tensor]:
    """F0 [F] in Hz and the doubt about it [F], by the difference function of YIN (de Cheveigne and
    Kawahara, 2002). Much faster to start than librosa's, which is compiled on first use.
    """
    import torch

    low, high = (round(SAMPLE_RATE / hertz) for hertz in reversed(_PITCH))
    padded = torch.nn.functional.pad(
        torch.from_numpy(samples)[None], (WINDOW // 2, WINDOW // 2), mode="reflect"
    )[0]
    frames = padded.unfold(0, WINDOW, HOP).double()  # [F, WINDOW]
    kept = WINDOW - high  # samples that every lag compares
    spectrum = torch.fft.rfft(frames, 2 * WINDOW)
    first = torch.fft.rfft(frames[:, :kept], 2 * WINDOW)
    product = torch.fft.irfft(first.conj() * spectrum, 2 * WINDOW)[:, : high + 1]
    power = torch.nn.functional.pad(frames.square().cumsum(1), (1, 0))
    energy = power[:, kept : kept + high + 1] - power[:, : high + 1]  # of each shifted window
    difference = (energy[:, :1] + energy - 2 * product).clamp_min(0)[:, 1:]  # lags 1 ... high
    lags = torch.arange(1, high + 1, dtype=torch.float64)
    normal = difference * lags / difference.cumsum(1).clamp_min(1e-12)
    usable = normal[:, low - 1 :]
    # The first lag that is nearly the best: the best one may be a multiple of the period.
    good = usable <= usable.amin(1, keepdim=True) + 0.05
    place = good.int().argmax(1)
    while True:  # and from there down to the floor of its valley
        after = (place + 1).clamp_max(usable.shape[1] - 1)
        lower = usable.gather(1, after[:, None]) < usable.gather(1, place[:, None])
        if not bool(lower.any()):
            break
        place = torch.where(lower[:, 0], after, place)
    hertz = SAMPLE_RATE / (place + low).double()
    return hertz.float(), usable.gather(1, place[:, None])[:, 0].float()
