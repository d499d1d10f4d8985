"""Speech as the second half of a text: a causal language model that goes on with audio tokens.

Letters: B batch, P prompt positions, U audio tokens with the stop, N = P + U, V vocabulary,
D width, Q codes per frame, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tts_lora.families.causal_lm import Forced, cross_entropy, files_sha256, generate
from tts_lora.families.clip import sentences
from tts_lora.families.codec_layout import from_bytes
from tts_lora.families.sampling import GREEDY, SamplingConfig
from tts_lora.families.weights import evaluating, seeded, weights_sha256
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tts_lora.families.codec_layout import Layout
    from voice_data.audio import Audio
    from voice_data.dataset import Example

IGNORED = -100
_PAUSE, _PER_CHARACTER = 2.0, 0.35
"""Seconds that a text may last, and more for each character: what goes on has lost its text."""
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecBatch:
    """Prompts padded at the left to P = ``prompt``, audio tokens at the right: step t of all rows
    is column P + t. ``ids``, ``mask`` and ``labels`` are [B, N] int64; a label is the id of its own
    column (the loss compares it with the output one column earlier), -100 where it does not count.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    prompt: int

    def to(self, device: str | torch.device) -> CodecBatch:
        """The same batch elsewhere."""
        ids, mask, labels = (x.to(device) for x in (self.ids, self.mask, self.labels))
        return CodecBatch(ids=ids, mask=mask, labels=labels, prompt=self.prompt)


class CodecLm:
    """A :class:`voice_data.speech.SpeechModel` around a causal language model of transformers."""

    def __init__(
        self, network: Any, layout: Layout, sampling: SamplingConfig, *, folder: File | None = None
    ) -> None:
        """``folder`` holds the weights that ``network`` was loaded from, if it was."""
        from transformers import GenerationConfig

        # Settings of the checkpoint would fill in for those that a call leaves at their defaults.
        network.generation_config = GenerationConfig(eos_token_id=list(layout.stops))
        self._network, self.layout, self.sampling = network, layout, sampling
        self._folder = folder

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self.layout.sample_rate

    @property
    def network(self) -> Any:
        """The module whose linear layers adapters target."""
        return self._network

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the weight files, the same whatever type they are loaded as."""
        return weights_sha256(self._network) if self._folder is None else files_sha256(self._folder)

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``attention``, ``linear`` (and feed-forward layers), ``all`` (and the output head)."""
        linear = _ATTENTION + _FEED_FORWARD
        return {"attention": _ATTENTION, "linear": linear, "all": (*linear, "lm_head")}

    @property
    def context(self) -> int:
        """Positions of prompt and audio together."""
        return int(self._network.config.max_position_embeddings)

    def encode(self, example: Example) -> Encoded:
        """``text`` (UTF-8 bytes, uint8), ``codes`` [Q, T] int32 and the tensors of a condition.

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long or without text.
        """
        self.layout.to(self._network.device)
        encoded = self.layout.encode(example)
        if (length := self.length(encoded)) > self.context:
            raise SpeechModelError(
                f"clip {example.utterance.id!r} takes {length} positions and the model has "
                f"{self.context}: segment it"
            )
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Positions of the prompt, the audio tokens and the stop."""
        return len(self._prompt(encoded, encoded)) + encoded["codes"].numel() + 1

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """One voice for clips of one speaker, as the family tells it to the model."""
        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        return self.layout.condition([{k: e[k] for k in self.layout.keys} for e in encoded])

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> CodecBatch:
        """A batch; see :class:`CodecBatch`.

        Raises:
            SpeechModelError: if there are no clips.
        """
        import torch

        from voice_data.dataset import pad

        if not encoded:
            raise SpeechModelError("there is nothing to collate: a batch needs a clip")
        told = encoded if conditions is None else conditions
        prompts = [self._prompt(e, voice) for e, voice in zip(encoded, told, strict=True)]
        stop = torch.tensor(self.layout.stops[:1])
        units = pad([torch.cat([self.layout.tokens(e["codes"]), stop]) for e in encoded])
        left = self._padded(prompts)
        units_mask = units.mask.long()
        ignored = torch.full_like(left.ids, IGNORED)
        return CodecBatch(
            ids=torch.cat([left.ids, units.values], 1),
            mask=torch.cat([left.mask, units_mask], 1),
            labels=torch.cat([ignored, units.values.masked_fill(~units.mask, IGNORED)], 1),
            prompt=left.prompt,
        )

    def loss(self, batch: CodecBatch) -> Loss:
        """Cross-entropy of the audio tokens and the stop, the mean over all of them."""
        hidden, labels = self._states(batch)
        counted = labels != IGNORED
        head = self._network.get_output_embeddings()
        total = cross_entropy(head, hidden[counted], labels[counted])
        positions = int(counted.sum())
        return Loss(total=total, parts={"codes": float(total.detach())}, positions=positions)

    def trace(self, batch: CodecBatch, path: Path = "loss") -> Trace:
        """``outputs`` [B, U, V] logits, ``labels`` [B, U] tokens, ``mask`` [B, U]."""
        import torch

        batch = batch.to(self._network.device)
        if path != "loss":
            return self._forced(batch, cached=path == "cached")
        with torch.no_grad(), evaluating(self._network):
            hidden, labels = self._states(batch)
            outputs = self._network.get_output_embeddings()(hidden).float()
        return Trace(outputs=outputs, labels=labels, mask=labels != IGNORED)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The whole text; ``voice`` is a name or a condition."""
        import numpy as np

        from voice_data.audio import Audio

        pieces = list(self.stream(text, voice=voice, seed=seed))
        return Audio(np.concatenate([piece.samples for piece in pieces]), self.sample_rate)

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        """The same sound sentence by sentence; one that the model leaves silent has no samples.

        Raises:
            SpeechModelError: if the voice is unknown, or the text holds a control token.
            TextError: if there is nothing to speak.
        """
        from voice_data.audio import Audio

        told = self.layout.named(voice) if voice is None or isinstance(voice, str) else voice
        parts = sentences(text, lambda part: len(self.layout.prompt(part, told)), self.context // 2)
        self.layout.to(self._network.device)
        for index, part in enumerate(parts):
            with seeded(None if seed is None else seed + index):
                (codes,) = self.generate([part], [told], self.sampling)
            yield Audio(self.layout.sound(codes, told).numpy(), self.sample_rate)

    def generate_units(self, text: str, condition: Condition) -> Tensor:
        """The likeliest ``codes`` [Q, T] int32 of a text."""
        return self.generate([text], [condition])[0]

    def generate(
        self,
        texts: Sequence[str],
        conditions: Sequence[Condition],
        sampling: SamplingConfig = GREEDY,
    ) -> list[Tensor]:
        """``codes`` [Q, T] int32 for each text, all in one batch.

        A text may take two seconds and 0.35 s for each character, as far as the context reaches.
        """
        prompts = [
            self.layout.prompt(text, told) for text, told in zip(texts, conditions, strict=True)
        ]
        left = self._padded(prompts).to(self._network.device)
        seconds = _PAUSE + _PER_CHARACTER * max(map(len, texts))
        limit = min(math.ceil(seconds * self.layout.tokens_per_second), self.context - left.prompt)
        found = self._go_on(left, max(1, limit), sampling=sampling)
        return [self.layout.codes(_until(row, self.layout.stops)) for row in found.tolist()]

    def save_pretrained(
        self, folder: str | File, *, state_dict: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write a folder that the family's ``load`` reads: language model, tokenizer, codec.

        ``state_dict`` are other weights under the names of the base, such as merged ones.
        """
        folder = File(folder)
        self._network.save_pretrained(folder, state_dict=state_dict and dict(state_dict))
        self.layout.save(folder)

    def _prompt(self, encoded: Encoded, condition: Condition) -> list[int]:
        return self.layout.prompt(from_bytes(encoded["text"]), condition)

    def _padded(self, prompts: Sequence[Sequence[int]]) -> CodecBatch:
        """Prompts alone, padded at the left."""
        import torch

        most, fill = max(map(len, prompts)), self.layout.stops[0]
        ids = torch.tensor([[fill] * (most - len(p)) + list(p) for p in prompts])
        mask = torch.tensor([[0] * (most - len(p)) + [1] * len(p) for p in prompts])
        return CodecBatch(ids=ids, mask=mask, labels=torch.full_like(ids, IGNORED), prompt=most)

    def _states(self, batch: CodecBatch) -> tuple[Tensor, Tensor]:
        """Hidden states [B, U, D] where audio tokens are said, and their labels [B, U]."""
        batch = batch.to(self._network.device)
        out = self._network.get_decoder()(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=(batch.mask.cumsum(1) - 1).clamp_min(0),
            use_cache=False,
        )
        hidden = out.last_hidden_state[:, batch.prompt - 1 : -1]
        return hidden, batch.labels[:, batch.prompt :]

    def _go_on(self, left: CodecBatch, limit: int, **options: Any) -> Tensor:
        stops = self.layout.stops
        return generate(self._network, left.ids, left.mask, stops=stops, limit=limit, **options)

    def _forced(self, batch: CodecBatch, *, cached: bool) -> Trace:
        """The generation of :meth:`speak`, made to say the batch's true tokens."""
        import torch

        prompt, units = batch.prompt, batch.ids[:, batch.prompt :]
        left = CodecBatch(
            ids=batch.ids[:, :prompt],
            mask=batch.mask[:, :prompt],
            labels=batch.labels[:, :prompt],
            prompt=prompt,
        )
        forced = Forced(units)
        fed = self._go_on(left, units.shape[1], processors=[forced], cached=cached)
        mask = batch.mask[:, prompt:].bool()
        return Trace(outputs=torch.stack(forced.outputs, 1), labels=fed, mask=mask)


def _until(tokens: Sequence[int], stops: Sequence[int]) -> list[int]:
    """What stands before the first stop."""
    ends = [index for index, token in enumerate(tokens) if token in stops]
    return list(tokens[: min(ends, default=len(tokens))])
