"""Teaching and writing CSM's frames: the backbone, then the depth decoder, code by code.

Letters: B batch, L positions, P of them in a prompt, T frames of a turn, M frames, N text tokens,
 K codebooks, V codes, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tts_lora.families.weights import evaluating

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.speech import Trace

Choice = Callable[[int, "Tensor"], int]
"""The code for a codebook (its index first) from its logits [V]."""


class Frame(NamedTuple):
    """Codes [K] int64 and the logits [K, V] that they were chosen from."""

    codes: Tensor
    logits: Tensor


class Taught(NamedTuple):
    """The backbone's states [B, T, D] before each frame, its codes [B, T, K], the mask [B, T]."""

    states: Tensor
    codes: Tensor
    mask: Tensor


def embedded(network: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Text tokens and frames as the backbone reads them, [B, L, D]."""
    text, spoken = network.embed_text_tokens(batch["tokens"]), batch["spoken"]
    frames = network.backbone_model.embed_tokens(batch["codes"][spoken][None])[0]
    return text.index_put((spoken,), frames)


def depth_logits(network: Any, hidden: Tensor, codes: Tensor) -> Tensor:
    """Logits [M, K - 1, V] of the codes after the first, given ``codes`` [M, K] and the backbone's
    states ``hidden`` [M, D] that the first codes came from.
    """
    from torch.nn.functional import pad

    # position 0 is the backbone's state; after that, the code at position i asks for the next
    ids = pad(codes[:, :-1], (1, 0))
    # without a mask transformers takes its own positions for a batch of them where M equals K
    out = network.depth_decoder(
        input_ids=ids,
        backbone_last_hidden_state=hidden,
        attention_mask=ids.new_ones(ids.shape),
        use_cache=False,
    )
    return out.logits


def teach(network: Any, batch: Mapping[str, Tensor]) -> Taught:
    """All frames at once, each from the true ones before it."""
    import torch

    mask, frames = batch["mask"], batch["frames"]
    out = network.backbone_model(
        inputs_embeds=embedded(network, batch), attention_mask=mask, use_cache=False
    )
    times = torch.arange(int(frames.max()), device=mask.device)
    places = (batch["start"][:, None] + times).clamp_max(mask.shape[1] - 1)
    rows = torch.arange(len(mask), device=mask.device)[:, None]
    states = out.last_hidden_state[rows, places - 1]  # the state before a frame says it
    return Taught(states, batch["codes"][rows, places], times < frames[:, None])


def every_logit(network: Any, states: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Logits [B, T, K, V] of all codes of all frames; zero where there is no frame."""
    import torch

    first = network.lm_head(states)
    others = first.new_zeros(*mask.shape, codes.shape[-1] - 1, first.shape[-1])
    others = others.index_put((mask,), depth_logits(network, states[mask], codes[mask]))
    return torch.cat([first[:, :, None], others], 2)


def picked(frames: Tensor, share: float, random: bool) -> Tensor:
    """Which of ``frames`` [B] train the depth decoder, [B, T] bool, with the last of each clip."""
    import torch

    size = (len(frames), int(frames.max()))
    times = torch.arange(size[1], device=frames.device)
    chosen = torch.rand(size) < share if random else times.cpu() % max(1, round(1 / share)) == 0
    return chosen.to(frames.device) | (times == frames[:, None] - 1)


def fed(network: Any, batch: Mapping[str, Tensor], *, cached: bool) -> Trace:
    """What generation says where it is fed the batch's frames."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    from voice_data.speech import Trace

    frames, outputs, labels = batch["frames"], [], []
    with torch.no_grad():
        inputs = embedded(network, batch)
        for row, start in enumerate(batch["start"].tolist()):
            writer = FrameWriter(network, inputs[row : row + 1, :start], cached=cached)
            truth = batch["codes"][row, start : start + int(frames[row])].tolist()
            said = [writer.write(lambda book, _, codes=codes: codes[book]) for codes in truth]
            outputs.append(torch.stack([frame.logits for frame in said]))
            labels.append(torch.stack([frame.codes for frame in said]))
    mask = torch.arange(int(frames.max()), device=inputs.device) < frames[:, None]
    logits = pad_sequence(outputs, batch_first=True)
    return Trace(outputs=logits, labels=pad_sequence(labels, batch_first=True), mask=mask)


def written(
    network: Any, prompt: Mapping[str, Tensor], choose: Callable[[Tensor], int]
) -> Iterator[list[int]]:
    """The codes [K] of frame after frame, without end; ``prompt`` is a batch of one row."""
    import torch

    with evaluating(network), torch.no_grad():
        writer = FrameWriter(network, embedded(network, prompt))
    while True:
        with evaluating(network), torch.no_grad():
            frame = writer.write(lambda _, logits: choose(logits))
        yield frame.codes.tolist()


class FrameWriter:
    """One turn, written frame by frame: the only path of generation.

    Without its caches it reads everything again for each code, which gives the same.
    """

    def __init__(self, network: Any, prompt: Tensor, *, cached: bool = True) -> None:
        """``prompt`` [1, P, D] is what comes before the first frame."""
        self._network, self._cached, self._past = network, cached, None
        self._read, self._unread = prompt[:, :0], prompt

    def write(self, choose: Choice) -> Frame:
        """The next frame; ``choose`` takes its codes one by one."""
        import torch

        state = self._state()
        logits = [self._network.lm_head(state)[0]]
        codes = [choose(0, logits[0])]
        decoder, past = self._network.depth_decoder, None
        ids = torch.tensor([[0, codes[0]]], device=state.device)
        while len(codes) < self._network.config.num_codebooks:
            first = past is None
            out = decoder(
                input_ids=ids if first else ids[:, -1:],
                backbone_last_hidden_state=state if first else None,
                past_key_values=past,
                use_cache=self._cached,
                logits_to_keep=1,
            )
            past = out.past_key_values if self._cached else None
            logits.append(out.logits[0, -1])
            codes.append(choose(len(codes), logits[-1]))
            ids = torch.cat([ids, ids.new_tensor([[codes[-1]]])], 1)
        frame = ids.new_tensor(codes)
        self._unread = self._network.backbone_model.embed_tokens(frame[None, None])
        return Frame(codes=frame, logits=torch.stack(logits))

    def _state(self) -> Tensor:
        """The backbone's state [1, D] after everything so far."""
        import torch

        if not self._cached:
            self._read = self._unread = torch.cat([self._read, self._unread], 1)
        out = self._network.backbone_model(
            inputs_embeds=self._unread, past_key_values=self._past, use_cache=self._cached
        )
        self._past = out.past_key_values if self._cached else None
        return out.last_hidden_state[:, -1]
