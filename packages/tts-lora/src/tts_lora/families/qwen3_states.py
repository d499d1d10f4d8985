"""Qwen3-TTS told what to say as states: what stands where its text tokens would.

``embedded`` states take the place of the token embeddings, before the text projection;
``projected`` ones that of what the talker adds to a frame. Either way one state is read per frame,
in step with the speech. Letters: B batch, N text tokens, H width of the text embeddings, D of the
talker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from tts_lora.families.family import loss_of
from tts_lora.families.qwen3_talker import CLOSING, ROLE
from tts_lora.families.weights import evaluating, seeded
from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.audio import Audio
    from voice_data.speech import Condition, Loss

StatesAt = Literal["projected", "embedded"]


def states_at(name: str) -> StatesAt:
    """Where states replace text, as a reference says behind a ``#``: ``qwen3-tts:ID#embedded``.

    Raises:
        SpeechModelError: if there is no such place.
    """
    for known in get_args(StatesAt):
        if name == known:
            return known
    raise SpeechModelError(
        f"Qwen3-TTS takes states {' or '.join(get_args(StatesAt))}, not {name!r}: "
        "end the reference with #projected or #embedded"
    )


class FromStates:
    """The part of :class:`voice_data.speech.StatesModel` that a family adds to the rest."""

    _network: Any
    _tokenizer: Any
    sample_rate: Any
    _parts: Any
    _prompt: Any
    _ids: Any
    _decoded: Any
    _spoken: Any
    loss: Any
    states_at: StatesAt

    @property
    def states_width(self) -> int:
        """H of ``embedded`` states, D of ``projected`` ones."""
        config = self._network.config.talker_config
        return config.text_hidden_size if self.states_at == "embedded" else config.hidden_size

    def pieces(self, text: str, language: str = "en") -> list[str]:  # noqa: ARG002 - the port's
        """The sentences of a text as they are spoken; the model reads any language's numbers."""
        return self._parts(text)

    def spans(self, text: str) -> Tensor:
        """The UTF-8 bytes [start, end) that each token stands for, [N, 2]."""
        import torch

        prompt = self._prompt(text)
        found = self._tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]
        start = prompt.index(text)
        before = [0]
        for character in text:
            before.append(before[-1] + len(character.encode("utf-8")))
        inside = [(a - start, b - start) for a, b in found[ROLE:-CLOSING]]
        return torch.tensor([[before[a], before[b]] for a, b in inside]).view(-1, 2)

    def text_states(self, texts: Sequence[str]) -> Tensor:
        """The model's own states of some pieces, [B, N, H or D], zero beyond the end of each."""
        import torch

        talker = self._network.talker
        with evaluating(self._network), torch.no_grad():
            ids = [
                torch.tensor(self._ids(text)[ROLE:-CLOSING], device=talker.device) for text in texts
            ]
            rows = [talker.get_text_embeddings()(each) for each in ids]
            if self.states_at == "projected":
                rows = [talker.text_projection(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def distance(self, states: Tensor, texts: Sequence[str]) -> Loss:
        """How far states [B, N, H or D] are from the model's own of ``texts``.

        ``state`` is the mean square in units of the own states' variance; ``read`` the same behind
        the text projection, for ``embedded`` states.

        Raises:
            SpeechModelError: if the states are not of these texts.
        """
        import torch

        own = self.text_states(texts)
        if states.shape != own.shape:
            raise SpeechModelError(
                f"{len(texts)} texts of {own.shape[1]} tokens at most need states "
                f"{list(own.shape)}, not {list(states.shape)}"
            )
        counts = [len(self._ids(text)) - ROLE - CLOSING for text in texts]
        mask = torch.arange(own.shape[1]) < torch.tensor(counts)[:, None]
        said, wanted = states[mask], own[mask]
        parts = {"state": _relative(said, wanted)}
        if self.states_at == "embedded":
            read = self._network.talker.text_projection
            parts["read"] = _relative(read(said), read(wanted))
        return loss_of(parts, positions=int(mask.sum()))

    def loss_of_states(self, batch: Mapping[str, Tensor], states: Tensor) -> Loss:
        """The loss of a batch whose texts are given as states [B, N, H or D].

        Raises:
            SpeechModelError: if there are fewer states than tokens, or they are of another width.
        """
        longest = int(batch["text_mask"].sum(1).max()) - ROLE - CLOSING
        if states.ndim != 3 or states.shape[:2] != (len(batch["ids"]), longest):
            wanted = [len(batch["ids"]), longest, self.states_width]
            raise SpeechModelError(f"the batch needs states {wanted}, not {list(states.shape)}")
        return self.loss({**batch, "states": self._projected(states)})

    def speak_states(
        self, states: Tensor, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        """The sound of one piece, given as states [N, H or D].

        Raises:
            SpeechModelError: if the states do not fit, the voice is unknown, or nothing is said.
        """
        import torch

        from voice_data.audio import Audio

        if states.ndim != 2 or not len(states) or not bool(torch.isfinite(states).all()):
            raise SpeechModelError(
                f"states must be finite [N, {self.states_width}] with N > 0, not "
                f"{list(states.shape)}"
            )
        with seeded(seed), evaluating(self._network), torch.no_grad():
            told = {"ids": torch.tensor(self._ids("")), "states": self._projected(states)}
            samples = self._decoded(self._spoken(told, voice, f"{len(states)} states"))
        return Audio(samples.float().cpu().numpy(), self.sample_rate)

    def _projected(self, states: Tensor) -> Tensor:
        if states.shape[-1] != self.states_width:
            raise SpeechModelError(
                f"the states are {states.shape[-1]} wide and this model reads {self.states_width} "
                f"({self.states_at}): the projector was made for another model or place"
            )
        projection = self._network.talker.text_projection
        states = states.to(self._network.talker.device)
        return projection(states) if self.states_at == "embedded" else states


def _relative(values: Tensor, true: Tensor) -> Tensor:
    variance = true.var(0).mean().clamp_min(1e-8)
    return (values - true).square().mean() / variance
