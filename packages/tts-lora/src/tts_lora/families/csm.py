"""Sesame CSM: text in, frames of Mimi codes out, codebook by codebook; real context as the voice.

The backbone says the first code of a frame, the depth decoder the others. The codec is held beside
the network: no adapter reaches it. Letters: B batch, L positions, T frames of a turn with its end,
K codebooks, V codes, N text tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import check_clip
from tts_lora.families.csm_frames import depth_logits, every_logit, fed, picked, teach, written
from tts_lora.families.csm_turns import CsmTurns, padded
from tts_lora.families.family import Family, loss_of
from tts_lora.families.sampling import SamplingConfig, draw
from tts_lora.families.weights import evaluating
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.audio import Audio
    from voice_data.dataset import Example

HUB = "sesame/csm-1b"
DEPTH_SHARE = 1 / 16
"""Of the frames that train the depth decoder, beside each clip's last: Sesame trained with this
share and saw no loss, and K - 1 more logits for every frame are most of the memory of a step."""
SAMPLING = SamplingConfig(temperature=0.9, top_k=50)
"""What Sesame speaks with."""
SECONDS_PER_TOKEN, SECONDS_AT_LEAST = 1.0, 4.0  # speech that goes on for longer lost its text
REFERENCE_SECONDS, PIECE_SECONDS = 10.0, 1.0
_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")

_log = logging.getLogger(__name__)


class Csm(Family):
    """A :class:`voice_data.speech.SpeechModel` around ``CsmForConditionalGeneration``."""

    def __init__(self, model: Any, tokenizer: Any, *, depth_share: float = DEPTH_SHARE) -> None:
        """Take the codec out of ``model``; ``depth_share`` of the frames train the depth decoder.

        Raises:
            ValueError: if ``depth_share`` is not above 0 and at most 1.
        """
        if not 0 < depth_share <= 1:
            raise ValueError(f"depth_share must be above 0 and at most 1, not {depth_share!r}")
        self.codec = model.codec_model.requires_grad_(False).eval()
        del model.codec_model
        super().__init__(model)
        self.sampling, self._tokenizer, self._depth_share = SAMPLING, tokenizer, depth_share
        self._turns = CsmTurns(tokenizer, model.config.codebook_eos_token_id)

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self.codec.config.sampling_rate

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """Of both transformers: ``attention``, ``all`` with the feed-forward layers, ``mlp``."""
        return {"attention": _ATTENTION, "all": _ATTENTION + _MLP, "mlp": _MLP}

    @property
    def context(self) -> int:
        """Positions L of the backbone: text tokens and frames, those of the condition included."""
        return self._network.config.max_position_embeddings

    def encode(self, example: Example) -> Encoded:
        """``text`` [N] and ``codes`` [T - 1, K] int64, ``role`` [1].

        The role is ``utterance.speaker`` where that is a number, as in the data that CSM knows,
        else 0: then all clips share one voice, and a condition tells speakers apart.

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long or without text.
        """
        import torch

        check_clip(example, self.sample_rate)
        speaker = example.utterance.speaker
        role = int(speaker) if speaker.isdecimal() else 0
        samples = torch.from_numpy(example.audio.samples)[None, None].to(self.codec.device)
        with torch.no_grad():
            codes = self.codec.encode(samples).audio_codes[0].T.contiguous().cpu()
        text = self._turns.prompt(self._normal(example.utterance.text), role)
        encoded = {"text": text, "codes": codes, "role": torch.tensor([role])}
        if self.length(encoded) > self.context:
            raise SpeechModelError(
                f"clip {example.utterance.id!r} has {self.length(encoded)} positions (text tokens "
                f"and frames) and CSM takes {self.context}: segment it"
            )
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Positions of the turn; a condition's own come on top."""
        return len(encoded["text"]) + len(encoded["codes"]) + 1

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The longest clip of at most ten seconds, or else the shortest, as the turn before."""
        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        most, sizes = REFERENCE_SECONDS * self._frame_rate, [len(each["codes"]) for each in encoded]
        best = max((size for size in sizes if size <= most), default=min(sizes))
        return dict(encoded[sizes.index(best)])

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``tokens``, ``spoken``, ``mask`` [B, L], ``codes`` [B, L, K], ``start``, ``frames`` [B].

        ``spoken`` is true where a frame stands, ``start`` is where the turn's frames start and
        ``frames`` their number T. Without conditions a clip is told its role only: its own sound as
        context would be a text to copy.

        Raises:
            SpeechModelError: if a clip with its condition exceeds the context, or there is none.
        """
        if not encoded:
            raise SpeechModelError("there is nothing to collate: a batch needs a clip")
        told = [
            [] if conditions is None else self._turns.turn(each) for each in conditions or encoded
        ]
        rows = [before + self._turns.turn(each) for before, each in zip(told, encoded, strict=True)]
        batch = padded(rows, self._network.config.num_codebooks)
        if batch["mask"].shape[1] > self.context:
            raise SpeechModelError(
                f"a clip has {batch['mask'].shape[1]} positions with its condition and CSM takes "
                f"{self.context}: choose a shorter condition or segment the clip"
            )
        return batch

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """Cross-entropy of the first codes of all frames, and of the other codes of a share.

        The frames of that share are drawn anew each time; in evaluation mode they are every 16th.
        The last, which ends the speech, is always among them.
        """
        return loss_of(self.terms(batch), positions=int(batch["frames"].sum()))

    def terms(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The scalars that :meth:`loss` adds up, ``backbone`` and ``depth``."""
        from torch.nn.functional import cross_entropy

        batch = self._here(batch)
        states, codes, mask = teach(self._network, batch)
        first = self._network.lm_head(states)[mask].float()
        chosen = mask & picked(batch["frames"], self._depth_share, self._network.training)
        others = depth_logits(self._network, states[chosen], codes[chosen]).float()
        return {
            "backbone": cross_entropy(first, codes[mask][:, 0]),
            "depth": cross_entropy(others.flatten(0, 1), codes[chosen][:, 1:].flatten()),
        }

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Logits [B, T, K, V] and codes [B, T, K], of all frames and codebooks. No dropout."""
        batch = self._here(batch)
        with evaluating(self._network):
            if path != "loss":
                return fed(self._network, batch, cached=path == "cached")
            states, codes, mask = teach(self._network, batch)
            logits = every_logit(self._network, states, codes, mask)
        return Trace(outputs=logits, labels=codes, mask=mask)

    def generate_units(
        self, text: str, condition: Condition | None = None, *, role: int = 0
    ) -> Tensor:
        """The likeliest codes [T - 1, K] of ``text``, without the frame that ends them."""
        import torch

        frames = self._frames(text, self._turns.voice(condition, role), draw)
        width = self._network.config.num_codebooks
        return torch.tensor(list(frames), dtype=torch.int64).reshape(-1, width)

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound second by second; ``voice`` is a role ("0") or a condition.

        Raises:
            TextError: if there is nothing to speak.
            SpeechModelError: if the voice is unknown or leaves no room for the text.
        """
        import numpy as np
        import torch

        from voice_data.audio import Audio

        generator = torch.Generator()
        generator.seed() if seed is None else generator.manual_seed(seed)
        choose = partial(draw, config=self.sampling, generator=generator)
        turn, most = self._turns.voice(voice), round(PIECE_SECONDS * self._frame_rate)
        for part in self._parts(text):
            said: list[list[int]] = []
            sent = 0
            for frame in self._frames(part, turn, choose):
                said.append(frame)
                if len(said) % most == 0:
                    yield self._sounding(said, sent)
                    sent = len(said)
            if len(said) > sent:
                yield self._sounding(said, sent)
            if not said:
                _log.warning("nothing was said for %r: the model ended at once", part)
                yield Audio(np.zeros(self.sample_rate, np.float32), self.sample_rate)

    def save_pretrained(self, folder: str | File) -> None:
        """Write network, codec and tokenizer as :func:`load` reads them."""
        self._network.codec_model = self.codec
        try:
            self._network.save_pretrained(folder)
        finally:
            del self._network.codec_model
        self._tokenizer.save_pretrained(folder)

    @property
    def _frame_rate(self) -> float:
        return self.codec.config.frame_rate

    @property
    def _most_units(self) -> int:
        # half of the context is left to the condition
        room = self.context / 2 - SECONDS_AT_LEAST * self._frame_rate
        return max(8, int(room / (1 + SECONDS_PER_TOKEN * self._frame_rate)))

    def _units(self, text: str) -> int:
        return len(self._turns.prompt(text, 0))

    def _frames(
        self, text: str, voice: tuple[list[Tensor], int], draw_from: Callable[[Tensor], int]
    ) -> Iterator[list[int]]:
        """Frame after frame until the model ends, or the text cannot take longer."""
        before, role = voice
        pieces = [*before, self._turns.prompt(text, role)]
        length = sum(map(len, pieces))
        if length >= self.context:
            raise SpeechModelError(
                f"the text {text[:40]!r} has {length} positions with its condition and CSM takes "
                f"{self.context}, speech included: shorten either"
            )
        seconds = SECONDS_AT_LEAST + SECONDS_PER_TOKEN * len(pieces[-1])
        most = min(self.context - length, round(seconds * self._frame_rate))
        end = self._network.config.codebook_eos_token_id
        prompt = self._here(padded([pieces], self._network.config.num_codebooks))
        known = self.codec.config.codebook_size  # the codes beyond it have no sound
        frames = written(self._network, prompt, lambda logits: draw_from(logits[:known]))
        for codes in islice(frames, most):
            if all(code == end for code in codes[:-1]):  # as transformers ends it
                return
            yield codes
        _log.warning("%r did not end by itself in %d frames", text, most)

    def _sounding(self, said: Sequence[Sequence[int]], sent: int) -> Audio:
        """The sound of the frames from ``sent`` on; the codec is causal, so it needs those before
        and none after.
        """
        import torch

        from voice_data.audio import Audio

        codes = torch.tensor(said, device=self.codec.device).T[None]
        with torch.no_grad():
            samples = self.codec.decode(codes).audio_values[0, 0]
        hop = round(self.sample_rate / self._frame_rate)
        return Audio(samples[sent * hop : len(said) * hop].float().cpu().numpy(), self.sample_rate)

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        import torch

        return torch.from_numpy(self.speak(text, voice=voice).samples)


def load(path: str | None = None) -> Csm:
    """The entry point ``csm``: a hub id or a folder, as transformers reads CSM; in float32.

    Raises:
        SpeechModelError: if it cannot be loaded; the reason is named.
    """
    import torch
    from transformers import AutoTokenizer, CsmForConditionalGeneration

    source = path or HUB
    try:
        model = CsmForConditionalGeneration.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise SpeechModelError(f"{source} is no CSM checkpoint: {error}") from error
    return Csm(model, tokenizer)
