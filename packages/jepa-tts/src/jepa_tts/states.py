"""Speech from states that another network made, in place of the byte encoder's.

What predictor and duration head attend to is one vector per byte; where it comes from is all the
same to them. Letters: B batch, N bytes (with begin and end), D width, T latent frames, V voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from jepa_tts import engine
from jepa_tts.alphabet import PAD
from jepa_tts.config import LONGEST_BYTE, SILENT_BYTE
from jepa_tts.losses import masked_mean
from jepa_tts.model import Plan
from jepa_tts.script import sentences
from jepa_tts.text import collate_text
from voice_data.audio import Audio
from voice_data.speech import Loss, SpeechModelError

if TYPE_CHECKING:
    from jepa_tts.model import JepaModel
    from jepa_tts.tts import JepaTTS

STATE_WEIGHT, READ_WEIGHT, DURATION_WEIGHT, PHONEME_WEIGHT = 1.0, 0.5, 0.3, 0.5
"""Of a state's own distance, of what the predictor reads of it, of log durations, of phonemes."""


class States(NamedTuple):
    """``values`` [B, N, D], zero where ``mask`` [B, N] is false."""

    values: Tensor
    mask: Tensor


class FromStates:
    """The part of :class:`voice_data.speech.StatesModel` that asks for no voice."""

    tts: JepaTTS

    @property
    def states_width(self) -> int:
        """D, the width of what the predictor attends to."""
        return self.tts.config.width

    def pieces(self, text: str, language: str = "en") -> list[str]:
        """The sentences of a text as they are spoken."""
        return sentences(text, language)

    def spans(self, text: str) -> Tensor:
        """The bytes that each position stands for, [N, 2]; see :func:`spans`."""
        return spans(text)

    def text_states(self, texts: Sequence[str]) -> Tensor:
        """The byte encoder's output for some pieces, [B, N, D]."""
        return encode(self.tts.model, texts).values

    def distance(self, states: Tensor, texts: Sequence[str]) -> Loss:
        """How far states [B, N, D] are from the model's own; see :func:`distance`."""
        return distance(self.tts.model, states, texts)


def spans(text: str) -> Tensor:
    """The bytes [start, end) of a text that each position stands for, [N, 2].

    >>> spans("hi").tolist()
    [[0, 0], [0, 1], [1, 2], [2, 2]]
    """
    count = len(text.encode("utf-8"))
    starts = [0, *range(count), count]
    ends = [0, *range(1, count + 1), count]
    return torch.tensor([starts, ends]).T.contiguous()


@torch.no_grad()
def encode(model: JepaModel, texts: Sequence[str]) -> States:
    """The model's own states of some texts."""
    ids = collate_text(texts).to(model.predictor.start.device)
    return States(model.text_encoder(ids), ids != PAD)


def plan(model: JepaModel, states: States, voices: Tensor, speed: float = 1.0) -> Plan:
    """What to say when, as :meth:`jepa_tts.model.JepaModel.plan` of the text; voices [B, D].

    Raises:
        SpeechModelError: if the states are not as wide as the model.
    """
    values, mask = states
    _check(model, values)
    durations = model.durations(values, voices, mask).expm1().clamp(0.0, LONGEST_BYTE)
    durations = durations * (mask & (durations > SILENT_BYTE)) / speed
    return Plan(values, mask, voices, durations, durations.sum(1).round().long().clamp_min(1))


def speak(tts: JepaTTS, values: Tensor, voice: Tensor, *, seed: int) -> Audio:
    """The sound of one text's states [N, D] in a voice [1, D].

    Raises:
        SpeechModelError: if the states are not [N, D] of this model, or not finite.
    """
    model = tts.model
    if values.ndim != 2 or not len(values) or not bool(torch.isfinite(values).all()):
        raise SpeechModelError(
            f"states must be finite [N, {model.config.width}] with N > 0, not {list(values.shape)}"
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        rows = values[None].to(tts.device)
        mask = torch.ones(rows.shape[:2], dtype=torch.bool, device=tts.device)
        latents = engine.generate(model, plan(model, States(rows, mask), voice))
        mel = model.mel_decoder(latents)
        samples = tts.vocoder(mel, generator=generator).samples[0]
    return Audio(samples.clamp(-1.0, 1.0).cpu().numpy(), tts.sample_rate)


def distance(model: JepaModel, values: Tensor, texts: Sequence[str]) -> Loss:
    """How far states [B, N, D] are from the model's own of ``texts``, and what it makes of them.

    ``state`` is the mean square in units of the true states' variance; ``read`` the same of what
    the predictor takes in; ``duration`` the absolute error of log durations in named voices, drawn
    by torch's default generator; ``phoneme`` the divergence of what is pronounced, in nats a byte.

    Raises:
        SpeechModelError: if the states are not of these texts.
    """
    true = encode(model, texts)
    _check(model, values)
    if values.shape != true.values.shape:
        raise SpeechModelError(
            f"{len(texts)} texts of {true.values.shape[1]} bytes at most need states "
            f"{list(true.values.shape)}, not {list(values.shape)}"
        )
    mask = true.mask
    read = model.predictor.text_in
    table = model.voices.table.weight[: max(1, len(model.config.speakers))]
    voices = table[torch.randint(len(table), (len(values),))]  # a named one for each row
    parts = {
        "state": _relative(values, true.values, mask),
        "read": _relative(read(values), read(true.values), mask),
        "duration": _durations(model, values, true, voices),
    }
    total = STATE_WEIGHT * parts["state"] + READ_WEIGHT * parts["read"]
    total = total + DURATION_WEIGHT * parts["duration"]
    if model.config.phonemes:
        parts["phoneme"] = _phonemes(model, values, true)
        total = total + PHONEME_WEIGHT * parts["phoneme"]
    named = {name: float(value.detach()) for name, value in parts.items()}
    return Loss(total=total, parts=named, positions=int(mask.sum()))


def _check(model: JepaModel, values: Tensor) -> None:
    if values.shape[-1] != model.config.width:
        raise SpeechModelError(
            f"the states are {values.shape[-1]} wide and this model reads {model.config.width}: "
            "the projector was made for another model"
        )


def _relative(values: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    wanted = true[mask]
    variance = wanted.var(0).mean().clamp_min(1e-8)
    return (values[mask] - wanted).square().mean() / variance


def _durations(model: JepaModel, values: Tensor, true: States, voices: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = model.durations(true.values, voices, true.mask).clamp_min(0.0)
    said = model.durations(values, voices, true.mask)
    return masked_mean((said - wanted).abs()[..., None], true.mask)


def _phonemes(model: JepaModel, values: Tensor, true: States) -> Tensor:
    """Kullback-Leibler divergence of the pronunciations, per byte."""
    with torch.no_grad():
        wanted = F.log_softmax(model.text_encoder.phoneme_logits(true.values), -1)
    said = F.log_softmax(model.text_encoder.phoneme_logits(values), -1)
    slots = (wanted.exp() * (wanted - said)).sum(-1)  # [B, 2 N]
    return slots.view(*true.mask.shape, -1).sum(-1)[true.mask].mean()
