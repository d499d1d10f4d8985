"""States of texts: the right tokens, the right bytes, and what each text knows of the others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from tiny_models import TEXTS

from audio_projector.states import CHAT, capture, capture_all

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def test_the_spans_of_a_text_cover_its_bytes(llm: LanguageModel) -> None:
    for text, found in zip(TEXTS, capture(llm, TEXTS, (1,)), strict=True):
        edges = found.spans.tolist()
        assert edges[0][0] == 0
        assert edges[-1][1] == len(text.encode())
        assert all(a[0] <= b[0] <= a[1] for a, b in pairwise(edges))


def test_a_text_knows_what_came_before_it_and_nothing_after(llm: LanguageModel) -> None:
    alone = capture(llm, TEXTS[:1], (3,))[0].values
    first, second = capture(llm, TEXTS[:2], (3,))
    torch.testing.assert_close(first.values, alone, atol=1e-5, rtol=1e-4)
    fresh = capture(llm, TEXTS[1:2], (3,))[0].values
    assert second.values.shape[1:] == fresh.shape[1:]
    assert not torch.allclose(second.values[-1], fresh[-1], atol=1e-3)


def test_the_prefix_is_read_but_not_kept(llm: LanguageModel) -> None:
    found = capture(llm, TEXTS[:1], (2,))[0].values
    ids = llm.tokens(CHAT + TEXTS[0]).ids
    (whole,) = llm.states([ids], (2,))
    torch.testing.assert_close(found, whole[-len(found) :])


def test_documents_in_a_batch_are_what_they_are_alone(llm: LanguageModel) -> None:
    both = capture_all(llm, [TEXTS[:2], TEXTS[2:3]], (0, 3))
    for texts, found in zip((TEXTS[:2], TEXTS[2:3]), both, strict=True):
        for one, other in zip(found, capture(llm, texts, (0, 3)), strict=True):
            torch.testing.assert_close(one.values, other.values, atol=1e-5, rtol=1e-4)
            assert torch.equal(one.spans, other.spans)
