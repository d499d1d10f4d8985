"""The decoder of SpeechT5, taught a clip at once or speaking it step by step.

Letters: B batch, N characters, T steps, R frames per step, F = T * R frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What the network makes of a batch: ``before`` and ``after`` [B, F, M] the post-net, ``stop``
    [B, F] logits, ``attention`` [B, heads of all layers, T, N] on the text.
    """

    before: Tensor
    after: Tensor
    stop: Tensor
    attention: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step's ``frames`` [B, R * M], ``stop`` logits [B, R], and the frames that the next step
    goes on from, ``fed`` [B, R * M].
    """

    frames: Tensor
    stop: Tensor
    fed: Tensor


def grouped(frames: Tensor, reduction: int) -> Tensor:
    """[B, F, M] to [B, T, R * M]."""
    return frames.reshape(len(frames), -1, reduction * frames.shape[-1])


def last_frames(mask: Tensor) -> Tensor:
    """1.0 at each clip's last frame, of a mask [B, F]."""
    following = mask.roll(-1, dims=1)
    following[:, -1] = False
    return (mask & ~following).float()


def teach(network: Any, batch: Mapping[str, Tensor]) -> Frames:
    """The decoder sees each step's last true frame one step later: the only shift there is."""
    import torch
    from transformers.models.speecht5 import modeling_speecht5 as source

    config, head = network.config, network.speech_decoder_postnet
    shifted, _ = source.shift_spectrograms_right(batch["mel"], config.reduction_factor)
    out = network.speecht5(
        input_values=batch["ids"],
        attention_mask=batch["text_mask"].long(),
        decoder_input_values=shifted,
        speaker_embeddings=batch["speaker"],
        use_cache=False,
        output_attentions=True,
        return_dict=True,
    )
    hidden = out.last_hidden_state
    before = head.feat_out(hidden).view(len(hidden), -1, config.num_mel_bins)
    after = torch.zeros_like(before)
    for row, length in enumerate(batch["mask"].sum(1).tolist()):
        # The post-net looks ahead: padding must not be what it sees.
        after[row, :length] = head.postnet(before[row : row + 1, :length])[0]
    heads = config.guided_attention_loss_num_heads
    return Frames(
        before=before,
        after=after,
        stop=head.prob_out(hidden).view(len(hidden), -1),
        attention=torch.cat([layer[:, :heads] for layer in out.cross_attentions], 1),
    )


def steps(
    network: Any,
    batch: Mapping[str, Tensor],
    *,
    cached: bool = True,
    truth: Sequence[Tensor] | None = None,
) -> Iterator[Step]:
    """Speak on from its own frames without end, or from those of ``truth`` ([B, R * M] each)."""
    import torch

    speech, head, config = network.speecht5, network.speech_decoder_postnet, network.config
    text_mask = batch["text_mask"].long()
    text = speech.encoder(
        input_values=batch["ids"], attention_mask=text_mask, return_dict=True
    ).last_hidden_state
    history = text.new_zeros(len(text), 1, config.num_mel_bins)
    cache, step = None, 0
    while truth is None or step < len(truth):
        inner = speech.decoder.prenet(history, batch["speaker"])
        out = speech.decoder.wrapped_decoder(
            hidden_states=inner[:, -1:] if cached else inner,
            encoder_hidden_states=text,
            encoder_attention_mask=text_mask,
            past_key_values=cache,
            use_cache=cached,
            return_dict=True,
        )
        cache, hidden = out.past_key_values, out.last_hidden_state[:, -1]
        own = head.feat_out(hidden)
        fed = own if truth is None else truth[step]
        yield Step(frames=own, stop=head.prob_out(hidden), fed=fed)
        newest = fed.view(len(fed), config.reduction_factor, -1)[:, -1:]
        history, step = torch.cat([history, newest], 1), step + 1


@contextmanager
def without_prenet_dropout(network: Any) -> Iterator[None]:
    """The decoder's pre-net draws dropout also when it speaks; here it draws none.

    Its method is put aside: transformers takes the configured share as the one that is kept, so
    that a share of zero would drop everything.
    """
    prenet = network.speecht5.decoder.prenet
    prenet._consistent_dropout = lambda values, _: values
    try:
        yield
    finally:
        del prenet._consistent_dropout
