"""The turns of a conversation as CSM reads them, and batches of them.

Letters: B batch, L positions, N text tokens, T frames of a turn with its end, K codebooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.speech import Condition


class CsmTurns:
    """``<bos>[role]text<eos>``, the frames, and a frame whose codes are all ``end``."""

    def __init__(self, tokenizer: Any, end: int) -> None:
        self._tokenizer, self._end = tokenizer, end

    def prompt(self, text: str, role: int) -> Tensor:
        """``<bos>[role]text<eos>`` as token ids [N]."""
        import torch

        ids = self._tokenizer(f"[{role}]{text}", add_special_tokens=False)["input_ids"]
        ends = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        return torch.tensor([ends[0], *ids, ends[1]])

    def turn(self, encoded: Mapping[str, Tensor]) -> list[Tensor]:
        """A turn's text [N], and its frames [T, K] with the end."""
        import torch

        codes = encoded["codes"]
        end = codes.new_full((1, codes.shape[1]), self._end)
        return [encoded["text"], torch.cat([codes, end])]

    def voice(self, voice: str | Condition | None, role: int = 0) -> tuple[list[Tensor], int]:
        """The turn before a text, if any, and the role of both.

        Raises:
            SpeechModelError: if ``voice`` is a name: CSM's voices are numbers.
        """
        if voice is None:
            return [], role
        if not isinstance(voice, str):
            return self.turn(voice), int(voice["role"])
        if not voice.isdecimal():
            raise SpeechModelError(
                f"CSM's voices are roles, numbers such as '0', and not {voice!r}: pass one, or the "
                "condition of some clips (SpeechModel.condition)"
            )
        return [], int(voice)


def padded(rows: Sequence[Sequence[Tensor]], width: int) -> dict[str, Tensor]:
    """The batch of :meth:`tts_lora.families.csm.Csm.collate` for K = ``width``.

    A row is made of pieces, texts [N] and frames [T, K]; its last piece is what it is to say.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    tokens, codes, spoken = [], [], []
    for row in rows:
        is_text = [piece.dim() == 1 for piece in row]
        pairs = list(zip(row, is_text, strict=True))
        tokens.append(torch.cat([p if text else p.new_zeros(len(p)) for p, text in pairs]))
        codes.append(torch.cat([p.new_zeros(len(p), width) if text else p for p, text in pairs]))
        spoken.append(torch.cat([torch.full((len(p),), not text) for p, text in pairs]))
    lengths, frames = (torch.tensor(n) for n in ([*map(len, tokens)], [len(r[-1]) for r in rows]))
    return {
        "tokens": pad_sequence(tokens, batch_first=True),
        "codes": pad_sequence(codes, batch_first=True),
        "spoken": pad_sequence(spoken, batch_first=True),
        "mask": torch.arange(int(lengths.max())) < lengths[:, None],
        "start": lengths - frames,
        "frames": frames,
    }
