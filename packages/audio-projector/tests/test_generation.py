"""Answers token by token: those of transformers, with the states that a second look gives."""

from __future__ import annotations

import gc
import time
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import torch

from audio_projector import generation
from audio_projector.generation import GenerationError, WritingConfig, chat_ids, circles, write

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel


def test_greedy_answers_are_those_of_transformers(llm: LanguageModel) -> None:
    ids = chat_ids(llm, "Where is the fox?")
    found = [each.id for each in write(llm, ids, (2,), WritingConfig(tokens=12))]
    with torch.inference_mode():
        out = llm.network.generate(
            torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=2,
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        )  # fmt: skip
    wanted = out[0, len(ids) :].tolist()
    wanted = wanted[: wanted.index(2)] if 2 in wanted else wanted
    assert found == wanted[: len(found)]
    assert len(found) == len(wanted) or circles(found)


def test_the_state_of_each_token_is_what_reading_it_again_gives(llm: LanguageModel) -> None:
    ids = chat_ids(llm, "Where is the fox?")
    written = list(write(llm, ids, (0, 3), WritingConfig(tokens=6)))
    whole = [*ids, *(each.id for each in written)]
    (states,) = llm.states([whole], (0, 3))
    found = torch.stack([each.state for each in written])
    torch.testing.assert_close(found, states[len(ids) :], atol=1e-4, rtol=1e-3)


def test_the_text_grows_and_its_bytes_are_counted(llm: LanguageModel) -> None:
    ids = chat_ids(llm, "Say it.")
    written = list(write(llm, ids, (2,), WritingConfig(tokens=10, temperature=1.0, seed=5)))
    for one, two in pairwise(written):
        assert two.text.startswith(one.text)
        assert two.end >= one.end
    assert written[-1].end == len(written[-1].text.encode())


def test_a_token_is_dated_when_it_is_chosen(llm: LanguageModel) -> None:
    begun = time.perf_counter()
    written = write(llm, chat_ids(llm, "Say it."), (2,), WritingConfig(tokens=3))
    dates = []
    for each in written:
        dates.append((each.at, time.perf_counter()))
    assert begun < dates[0][0] < dates[0][1] <= dates[1][0] < dates[1][1]


def test_a_drawn_answer_repeats_with_its_seed(llm: LanguageModel) -> None:
    ids = chat_ids(llm, "Say it.")

    def draw(seed: int) -> list[int]:
        config = WritingConfig(tokens=12, temperature=2.0, seed=seed)
        return [each.id for each in write(llm, ids, (2,), config)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_an_endless_answer_is_bounded(llm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(20, 200))
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    assert len(list(write(llm, [5, 6], (1,), WritingConfig(tokens=30)))) == 30


def test_an_answer_that_goes_in_circles_is_ended(
    llm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([7, 8, 9] * 50)
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    assert len(list(write(llm, [5, 6], (1,), WritingConfig(tokens=100)))) == 12


def test_circles_need_equal_runs() -> None:
    assert circles([3, 3, 3, 3])
    assert not circles([3, 3, 3])
    assert not circles([1, 2, 1, 2, 1, 2, 1])


def test_the_models_own_end_ends_the_answer(
    llm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([30, 31, 2, 32])
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    assert [each.id for each in write(llm, [5], (1,), WritingConfig())] == [30, 31]


def test_closing_frees_the_memory_of_the_answer(
    llm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[weakref.ref[Any]] = []
    real = llm.network.forward

    def forward(*args: Any, **options: Any) -> Any:
        out = real(*args, **options)
        seen.append(weakref.ref(out.past_key_values))
        return out

    monkeypatch.setattr(llm.network, "forward", forward)
    before = [len(m._forward_hooks) for m in llm.network.modules()]
    writer = write(llm, [5, 6], (1,), WritingConfig(tokens=20, temperature=1.0))
    next(writer)
    next(writer)
    assert seen[-1]() is not None
    writer.close()  # type: ignore[attr-defined]
    gc.collect()
    assert seen[-1]() is None
    assert [len(m._forward_hooks) for m in llm.network.modules()] == before


def test_questions_that_cannot_be_asked_are_refused(llm: LanguageModel) -> None:
    with pytest.raises(GenerationError, match="the prompt is empty"):
        chat_ids(llm, "  ")
    with pytest.raises(GenerationError, match=r"300 tokens of the prompt and 160 .* 256"):
        next(write(llm, [5] * 300, (1,), WritingConfig()))


@pytest.mark.parametrize("change", [{"tokens": 0}, {"top": 0}, {"temperature": -1.0}])
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(GenerationError, match="must be"):
        WritingConfig(**change)
