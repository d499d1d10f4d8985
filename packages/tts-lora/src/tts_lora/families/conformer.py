"""FastSpeech 2's network, taught with a clip's own prosody, or speaking with the one it predicts.

Letters: B batch, N tokens, F frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 100
"""Frames of a token, more than a second: a predictor that asks for more has lost the text."""

_TOLD = ("durations", "pitch", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One clip's ``before`` and ``after`` [F, M] the post-net; of each token ``durations`` (the log
    of frames + 1), ``pitch`` and ``energy`` [N].
    """

    before: Tensor
    after: Tensor
    durations: Tensor
    pitch: Tensor
    energy: Tensor


def rows(batch: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Each clip of a batch without padding."""
    texts, lengths = batch["text_mask"].sum(1).tolist(), batch["mask"].sum(1).tolist()
    for index, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        row = {name: batch[name][index, :text] for name in ("ids", *_TOLD)}
        row["mel"] = batch["mel"][index, :length]
        if "speaker" in batch:
            row["speaker"] = batch["speaker"][index]
        yield row


def teach(network: Any, row: Mapping[str, Tensor]) -> Spoken:
    """Decode the clip's own durations, pitch and energy, and predict them beside.

    Unlike the library's, the gradient of the pitch reaches the encoder: frozen predictors learn
    nothing, so what adapters learn of it they learn there.
    """
    from transformers.models.fastspeech2_conformer import modeling_fastspeech2_conformer as source

    mask = row["ids"].new_ones(1, 1, len(row["ids"]))
    hidden = network.encoder(row["ids"][None], mask, return_dict=True).last_hidden_state
    if "speaker" in row:
        hidden = _voiced(network, hidden, row["speaker"])
    pitch, energy = network.pitch_predictor(hidden), network.energy_predictor(hidden)
    with _training(network.duration_predictor):
        durations = network.duration_predictor(hidden)
    told = hidden + network.energy_embed(row["energy"][None])
    told = told + network.pitch_embed(row["pitch"][None])
    frames = source.length_regulator(told, row["durations"][None])
    out = network.decoder(frames, None, return_dict=True).last_hidden_state
    before, after = network.speech_decoder_postnet(out)
    return Spoken(
        before=before[0],
        after=after[0],
        durations=durations[0],
        pitch=pitch[0, :, 0],
        energy=energy[0, :, 0],
    )


def infer(network: Any, row: Mapping[str, Tensor]) -> Tensor:
    """The mel [F, M] of the library's own inference; what ``row`` holds of durations, pitch and
    energy takes the place of what would be predicted.
    """
    with ExitStack() as stack:
        for name in _TOLD:
            predictor = getattr(network, f"{name.removesuffix('s')}_predictor")
            value = row[name][None] if name in row else None
            stack.enter_context(_replaced(predictor, value))
        speaker = row["speaker"][None] if "speaker" in row else None
        out = network(row["ids"][None], speaker_embedding=speaker, return_dict=True)
    return out.spectrogram[0]


def _voiced(network: Any, hidden: Tensor, speaker: Tensor) -> Tensor:
    import torch

    vector = torch.nn.functional.normalize(speaker[None])[:, None].expand(-1, hidden.shape[1], -1)
    return network.projection(torch.cat([hidden, vector], -1))


@contextmanager
def _training(module: Any) -> Iterator[None]:
    """A module alone in training mode, not what is inside: durations come out as logarithms."""
    mode, module.training = module.training, True
    try:
        yield
    finally:
        module.training = mode


@contextmanager
def _replaced(predictor: Any, value: Tensor | None) -> Iterator[None]:
    """What a predictor puts out is ``value``; without one, durations are bounded."""

    def hook(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        if value is not None:
            return value
        return output if output.is_floating_point() else output.clamp(max=LONGEST)

    handle = predictor.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
