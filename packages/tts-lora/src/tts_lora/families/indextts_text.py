"""Text as IndexTTS reads it: upper case, in SentencePiece tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_config import IndexTTSConfig

# letters that are words, or parts of words, by themselves
_CJK = re.compile(
    "([\u1100-\u11ff\u2e80-\ua4cf\ua840-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff65-\uffdc"
    "\U00020000-\U0002ffff])"
)


class Tokens:
    """Letters of Chinese, Japanese and Korean stand apart, as when the tokens were learnt."""

    def __init__(self, processor: Any, gpt: IndexTTSConfig) -> None:
        """``processor`` is the ``sentencepiece.SentencePieceProcessor``."""
        self.processor, self._gpt = processor, gpt

    def __call__(self, text: str) -> Tensor:
        """Start, the tokens, stop: [N] int64.

        Raises:
            SpeechModelError: if they are more than the network takes.
        """
        import torch

        pieces = (piece.strip() for piece in _CJK.split(text.upper()))
        ids = self.processor.encode(" ".join(piece for piece in pieces if piece))
        if len(ids) > self._gpt.max_text_tokens:
            raise SpeechModelError(
                f"{text[:40]!r} has {len(ids)} text tokens and IndexTTS takes "
                f"{self._gpt.max_text_tokens}: segment or shorten it"
            )
        return torch.tensor([self._gpt.start_text_token, *ids, self._gpt.stop_text_token])
