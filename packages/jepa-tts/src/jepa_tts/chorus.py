"""Several texts at once, each in its own voice: one padded free run instead of one per text.

Letters: B texts, T latent frames, F mel frames, M mel bands, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from jepa_tts.config import STRIDE
from jepa_tts.text import collate_text
from voice_data.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from jepa_tts.tts import JepaTTS


def speak_together(
    tts: JepaTTS, scripts: Sequence[Sequence[str]], voices: Tensor, *, seed: int
) -> list[Audio]:
    """Each script (its sentences, at least one) in the voice of its row of ``voices`` [B, D].

    Every sound is the one that :meth:`jepa_tts.tts.JepaTTS.speak` makes of the script alone, to
    rounding. Row i of every batch that the network sees belongs to script i, so that an adapter per
    row can be chosen: whoever is through repeats a sentence, which is thrown away.
    """
    generators = [torch.Generator().manual_seed(seed) for _ in scripts]
    made: list[list[np.ndarray]] = [[] for _ in scripts]
    for turn in range(max(map(len, scripts))):
        lines = [each[turn] if turn < len(each) else min(each, key=len) for each in scripts]
        for row, mel in enumerate(mels(tts, lines, voices)):
            if turn < len(scripts[row]):
                made[row].append(_sound(tts, mel, generators[row]))
    return [Audio(np.concatenate(parts), tts.sample_rate) for parts in made]


@torch.inference_mode()
def mels(tts: JepaTTS, sentences: Sequence[str], voices: Tensor) -> list[Tensor]:
    """The log-mel [M, F] of each sentence, spoken in its row of ``voices`` [B, D]."""
    plan = tts.model.plan(collate_text(sentences).to(tts.device), voices)
    latents, lengths = tts.model.generate(plan)
    decoded = tts.model.mel_decoder(latents, lengths)
    return [mel[:, : n * STRIDE] for mel, n in zip(decoded, lengths.tolist(), strict=True)]


@torch.inference_mode()
def _sound(tts: JepaTTS, mel: Tensor, generator: torch.Generator) -> np.ndarray:
    samples = tts.vocoder(mel[None], generator=generator).samples[0]
    return samples.clamp(-1.0, 1.0).cpu().numpy()
