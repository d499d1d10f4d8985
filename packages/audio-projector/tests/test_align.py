"""Tokens on positions, through what both say of their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tiny_models import TEXTS, Hum

from audio_projector.align import BEGIN, END, LONGEST_PLACE, AlignError, align, respoken

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def test_every_byte_gets_the_token_that_holds_it(llm: LanguageModel, hum: Hum) -> None:
    for text in TEXTS:
        spans = torch.tensor(llm.tokens(text).spans)
        found = align(spans, hum.spans(text), text)
        data = text.encode()
        for position in range(1, len(data) + 1):
            start, end = spans[found.token[position]].tolist()
            assert start <= position - 1 < end
            assert int(found.place[position]) == min(LONGEST_PLACE, position - 1 - start)
            assert int(found.byte[position]) == data[position - 1]


def test_begin_and_end_belong_to_the_first_and_last_token(hum: Hum) -> None:
    found = align(torch.tensor([[0, 3], [3, 5]]), hum.spans("a cat"), "a cat")
    assert [int(found.byte[0]), int(found.byte[-1])] == [BEGIN, END]
    assert [int(found.token[0]), int(found.token[-1])] == [0, 1]


def test_a_position_of_several_tokens_belongs_to_the_last() -> None:
    tokens = torch.tensor([[0, 2], [2, 4], [4, 6]])
    found = align(tokens, torch.tensor([[0, 4], [4, 6]]), "abcdef")
    assert found.token.tolist() == [1, 2]
    assert found.place.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("raw", "text", "pairs"),
    [
        ("3 cats", "three cats", {0: 0, 4: 0, 5: 1, 6: 2, 9: 5}),
        ("It's 3 %.", "It's three percent.", {0: 0, 4: 4, 5: 5, 18: 8}),
        ("same", "same", {0: 0, 3: 3}),
        ("a \u2014 b", "a - b", {0: 0, 4: 6}),
    ],
)
def test_what_is_spoken_comes_from_what_was_written(
    raw: str, text: str, pairs: dict[int, int]
) -> None:
    found = respoken(raw, text)
    assert len(found) == len(text.encode())
    assert {spoken: int(found[spoken]) for spoken in pairs} == pairs
    assert bool((found[1:] >= found[:-1]).all())


def test_a_number_is_spoken_with_the_state_of_its_digits(llm: LanguageModel, hum: Hum) -> None:
    raw, text = "3 cats", "three cats"
    tokens = torch.tensor([[0, 1], [1, 6]])
    found = align(tokens, hum.spans(text), text, respoken(raw, text))
    assert found.token[1:6].tolist() == [0] * 5
    assert found.token[7:].tolist() == [1] * 5


def test_no_tokens_are_refused(hum: Hum) -> None:
    with pytest.raises(AlignError, match="no tokens for 'hi'"):
        align(torch.empty(0, 2, dtype=torch.long), hum.spans("hi"), "hi")
