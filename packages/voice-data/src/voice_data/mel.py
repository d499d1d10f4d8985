"""Log-mel spectrograms, equal to those of the Vocos feature extractor.

Letters: B batch, S samples, M mel bands, T frames.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LOG_FLOOR = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """How a waveform becomes mel frames. The defaults are those of ``charactr/vocos-mel-24khz``.

    >>> MelConfig().frame_rate
    93.75
    """

    sample_rate: int = 24_000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 100

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"MelConfig.{name} must be a positive integer, not {value!r}")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"MelConfig.hop_length ({self.hop_length}) must not exceed n_fft ({self.n_fft})"
            )

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    def to_dict(self) -> dict[str, int]:
        """The settings as plain numbers, for a config file or a provenance record."""
        return asdict(self)


def log_mel(samples: torch.Tensor, config: MelConfig | None = None) -> torch.Tensor:
    """Natural log of the magnitude mel spectrogram, clamped at 1e-7.

    ``samples`` is [B, S], float32 in [-1, 1] at ``config.sample_rate``; the result is [B, M, T]
    with T = S // hop_length + 1: centred frames, reflect padding, HTK mels, no filter norm.

    Raises:
        ValueError: if ``samples`` is not 2-D, or too short to be reflected at its edges.
    """
    import torch

    config = config or MelConfig()
    if samples.dim() != 2:
        raise ValueError(f"log_mel wants samples of shape [B, S], not {list(samples.shape)}")
    if samples.shape[1] <= config.n_fft // 2:
        raise ValueError(
            f"log_mel wants more than {config.n_fft // 2} samples, not {samples.shape[1]}: "
            "pad the clip with silence or drop it"
        )
    window, filters = _constants(config, str(samples.device))
    spectrum = torch.stft(
        samples,
        config.n_fft,
        config.hop_length,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )  # [B, n_fft // 2 + 1, T]
    return (filters @ spectrum.abs()).clamp_min(LOG_FLOOR).log()


@lru_cache(maxsize=8)
def _constants(config: MelConfig, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    import torch
    from librosa.filters import mel

    filters = mel(
        sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, htk=True, norm=None
    )
    with torch.inference_mode(False):  # kept for training too, whoever asks first
        return (
            torch.hann_window(config.n_fft, device=device),
            torch.from_numpy(filters).to(device),
        )
