"""A language model's answer, token by token, with the hidden state of each.

Letters: L layers, H width.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from audio_projector.llm import LanguageModel

LOOP = 4
"""An answer that ends in as many equal runs of tokens is going round in circles and is ended."""
LONGEST_RUN = 24


class GenerationError(RuntimeError):
    """An answer that cannot be spoken; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingConfig:
    """How an answer is written: at most ``tokens``; ``temperature`` 0 takes the likeliest token,
    otherwise one of the ``top`` likeliest is drawn, ``seed`` deciding.

    Raises:
        GenerationError: if a number is out of its range.
    """

    tokens: int = 160
    temperature: float = 0.0
    top: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.top < 1:
            raise GenerationError(
                f"tokens and top must be at least 1, not {self.tokens} and {self.top}"
            )
        if not 0.0 <= self.temperature <= 5.0:
            raise GenerationError(f"temperature must be from 0 to 5, not {self.temperature}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A token with its state [L, H]; ``end`` counts the UTF-8 bytes of the answer up to it, ``at``
    is the second of :func:`time.perf_counter` in which it was chosen, before its state was known.
    """

    id: int
    end: int
    text: str
    state: Tensor
    at: float


def chat_ids(llm: LanguageModel, prompt: str, system: str = "") -> list[int]:
    """A question in the form that the model was trained to answer, as token ids.

    Raises:
        GenerationError: if the question is blank.
    """
    if not prompt.strip():
        raise GenerationError("the prompt is empty: ask something")
    turns = [{"role": "system", "content": system}] if system else []
    turns.append({"role": "user", "content": prompt})
    if llm.tokenizer.chat_template:
        text = llm.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    else:
        text = "\n".join(turn["content"] for turn in turns) + "\n"
    return list(llm.tokens(text).ids)


def write(
    llm: LanguageModel, prompt: Sequence[int], layers: Sequence[int], config: WritingConfig
) -> Iterator[Written]:
    """The answer to a prompt; ends with the model's own end, a circle, or ``config.tokens``.

    ``text`` is the whole answer so far. Closing the iterator frees the model's memory of it.

    Raises:
        GenerationError: if the prompt does not leave room in the model's context.
    """
    import torch

    longest = getattr(llm.network.config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and len(prompt) + config.tokens > longest:
        raise GenerationError(
            f"{len(prompt)} tokens of the prompt and {config.tokens} of the answer exceed the "
            f"model's {longest}: ask for less"
        )
    generator = torch.Generator().manual_seed(config.seed)
    ends = _ends(llm)
    ids: list[int] = []
    with torch.inference_mode(), llm.watched(layers, whole=True) as seen:
        out = llm.network(torch.tensor([list(prompt)]), use_cache=True)
        for _ in range(config.tokens):
            token = _pick(out.logits[0, -1], config, generator)
            if token in ends:
                return
            chosen = time.perf_counter()
            ids.append(token)
            cache = out.past_key_values
            out = llm.network(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
            text = llm.tokenizer.decode(ids, skip_special_tokens=True)
            whole = text.rstrip("\ufffd")  # half a character so far
            state = seen.take()[0, -1].clone()
            yield Written(id=token, end=len(whole.encode()), text=whole, state=state, at=chosen)
            if circles(ids):
                return


def circles(ids: Sequence[int]) -> bool:
    """Whether the last tokens are ``LOOP`` equal runs.

    >>> circles([5, 1, 2, 1, 2, 1, 2, 1, 2])
    True
    """
    for run in range(1, LONGEST_RUN + 1):
        if len(ids) < LOOP * run:
            return False
        tail = list(ids[-LOOP * run :])
        if all(tail[i] == tail[i + run] for i in range((LOOP - 1) * run)):
            return True
    return False


def _pick(logits: Tensor, config: WritingConfig, generator: Any) -> int:
    import torch

    if config.temperature == 0.0:
        return int(logits.argmax())
    values, ids = (logits / config.temperature).topk(min(config.top, len(logits)))
    return int(ids[torch.multinomial(values.softmax(0), 1, generator=generator)])


def _ends(llm: LanguageModel) -> set[int]:
    """The tokens that end an answer."""
    told = getattr(llm.network.generation_config, "eos_token_id", None)
    found = told if isinstance(told, list) else [told]
    return {int(each) for each in [*found, llm.tokenizer.eos_token_id] if each is not None}
