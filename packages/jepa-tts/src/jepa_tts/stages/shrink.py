"""A vocoder with fewer blocks, taught by a larger one: mels to the envelopes and F0 that it gives.

What a vocoder has learnt, and a post-filter, is in the envelopes of its head. They can be imitated
frame by frame, without a waveform (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural
network", 2015). The pupil begins with blocks of its teacher.

Letters: B batch, F mel frames, K frequency bins.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from jepa_tts.checkpoint import load_vocoder, save_model
from jepa_tts.corpus import Corpus
from jepa_tts.device import normal, open_device
from jepa_tts.stages.stage import Loss, Media
from jepa_tts.stages.vocode import BLUR, random_crops
from jepa_tts.vocoder import SourceFilterHead, Vocoder
from jepa_tts.vocoder_config import PITCH_SPREAD

if TYPE_CHECKING:
    from jepa_tts.train_config import TrainConfig

CROP = 96
"""Mel frames per crop: a second."""
HELD_OUT, SHOWN_FRAMES = 32, 280
PITCH_WEIGHT, VOICING_WEIGHT = 4.0, 0.1
SURE = 3.0
"""Difference of voicing logits beyond which it does not matter."""
DECIBEL = 8.685889638
"""In a neper."""


class Given(NamedTuple):
    """What a head gives: log ``envelopes`` [B, F, 2 K]; ``pitch`` [B, F, 2], scaled log F0 and
    voicing logit.
    """

    envelopes: Tensor
    pitch: Tensor


class Shrink:
    """A pupil with ``layers`` of the blocks of the vocoder in ``config.vocoder``."""

    def __init__(self, config: TrainConfig) -> None:
        if not config.vocoder:
            raise ValueError("TrainConfig.vocoder must be the folder of the vocoder to shrink")
        self.config = config
        self.device = open_device(config.device)
        torch.manual_seed(config.seed)
        self.teacher = load_vocoder(Path(config.vocoder)).eval().to(self.device)
        self.network = pupil(self.teacher, config.layers).to(self.device)
        self.corpus = Corpus(Path(config.cache), device=self.device)
        self.rows = self._rows("train")
        self.held_out = self._rows("validation")[:HELD_OUT]

    def _rows(self, split: str) -> list[int]:
        return [i for i in self.corpus.part(split) if self.corpus.rows[i].frames > CROP]

    def trained(self) -> list[nn.Parameter]:
        """The pupil."""
        return list(self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write the pupil."""
        save_model(self.network, folder, "vocoder")

    def epoch(self, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
        """Random crops (row, first frame), ``batch`` mel frames a step."""
        return random_crops(self.corpus, self.rows, CROP, self.config.batch, (seed, epoch))

    def _mels(self, crops: list[tuple[int, int]], frames: int = CROP) -> Tensor:
        spans = [(self.corpus.rows[index].start + start, frames) for index, start in crops]
        return self.corpus.padded("mel", spans).transpose(1, 2).contiguous()

    def loss(
        self,
        batch: list[tuple[int, int]],
        progress: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Loss:
        """Mean and root mean square error of the envelopes, of F0 and of voicing."""
        mel = self._mels(batch)
        blur = torch.rand(len(mel), 1, 1, generator=generator).to(self.device) * BLUR
        mel = mel + blur * normal(mel.shape, generator, self.device)
        with torch.no_grad():
            want = given(self.teacher, mel)
        got = given(self.network, mel)
        wrong = got.envelopes - want.envelopes
        voiced = (want.pitch[..., 1] > 0).to(mel)
        parts = {
            "envelopes": wrong.abs().mean(),
            "peaks": wrong.square().mean().sqrt() / 2,
            "pitch": ((got.pitch - want.pitch)[..., 0].abs() * voiced).mean() * PITCH_WEIGHT,
            "voicing": (got.pitch - want.pitch)[..., 1].clamp(-SURE, SURE).abs().mean()
            * VOICING_WEIGHT,
        }
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: float(value.detach()) for name, value in parts.items()})

    def validate(self) -> dict[str, float]:
        """Mean difference of the envelopes in dB, of F0 in semitones where both are voiced, and the
        share of frames whose voicing differs.
        """
        sums: dict[str, list[Tensor]] = {}
        for index in self.held_out:
            mel = self._mels([(index, 0)], min(SHOWN_FRAMES, self.corpus.rows[index].frames))
            want, got = given(self.teacher, mel), given(self.network, mel)
            voiced = [each.pitch[..., 1] > 0 for each in (want, got)]
            tones = (
                (got.pitch - want.pitch)[..., 0].abs() * PITCH_SPREAD * 12 / torch.tensor(2.0).log()
            )
            figures = {
                "envelopes_db": (got.envelopes - want.envelopes).abs().mean() * DECIBEL,
                "pitch_semitones": tones[voiced[0] & voiced[1]].mean(),
                "voicing_differs": (voiced[0] != voiced[1]).float().mean(),
            }
            for name, value in figures.items():
                sums.setdefault(name, []).append(value)
        return {name: float(torch.stack(values).nanmean()) for name, values in sums.items()}

    def media(self) -> Media:
        """Held-out mels made to sound by both."""
        sounds = {}
        for k, index in enumerate(self.held_out[:3]):
            mel = self._mels([(index, 0)], self.corpus.rows[index].frames)
            for name, vocoder in (("teacher", self.teacher), ("pupil", self.network)):
                samples = vocoder(mel, None, torch.Generator().manual_seed(0)).samples
                sounds[f"{name}/{k}"] = samples.clamp(-1, 1)[0].cpu().numpy()
        return Media({}, sounds)


def pupil(teacher: Vocoder, layers: int) -> Vocoder:
    """A vocoder with some of the blocks, evenly spread, and all else of another one.

    Raises:
        ValueError: if it has not that many blocks, or no envelopes to imitate.
    """
    shape = teacher.config
    if not isinstance(teacher.head, SourceFilterHead):
        raise ValueError(
            f"a vocoder with the head {shape.head!r} cannot be imitated by its envelopes: "
            "only source-filter heads can"
        )
    if not 1 <= layers <= shape.layers:
        raise ValueError(f"TrainConfig.layers must be in 1 .. {shape.layers}, not {layers}")
    kept = torch.linspace(0, shape.layers - 1, layers).round().int().tolist()
    made, state = Vocoder(replace(shape, layers=layers)), teacher.state_dict()
    for name in made.state_dict():
        before, block, after = name.partition("convnext.")
        number, dot, rest = after.partition(".")
        source = f"{before}{block}{kept[int(number)]}{dot}{rest}" if block else name
        made.state_dict()[name].copy_(state[source])
    return made


def given(vocoder: Vocoder, mel: Tensor) -> Given:
    """What the head makes the waveform of, for log-mels [B, M, F]."""
    x, head = vocoder.backbone(mel), vocoder.head
    if not isinstance(head, SourceFilterHead):
        raise TypeError(f"no envelopes: the head is a {type(head).__name__}")
    return Given(head.envelopes(x), head.pitch(x).float())
