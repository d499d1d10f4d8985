"""Three models in a row: what is spoken, when, and with which states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tiny_models import TEXTS, Hum, make_llm_folder

from audio_projector import generation
from audio_projector.bridge import Bridge
from audio_projector.chunks import ChunkConfig
from audio_projector.examples import collate, piece
from audio_projector.generation import GenerationError, WritingConfig
from audio_projector.states import capture
from voice_data.artefact import ArtefactError
from voice_data.speech import SpeechModelError
from voice_data.text import TextError

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel

ANSWER = "The kettle is on. She will lead the way home, and they follow. I read it."


@pytest.fixture
def written(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The language model answers with ``ANSWER``, whatever it is asked."""
    ids = [*bridge.llm.tokens(ANSWER).ids, 2]
    numbers = iter(ids)
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    return ids[:-1]


def by_hand(bridge: Bridge, texts: list[str], number: int) -> np.ndarray:
    """A text's sound without the bridge: capture, project, speak."""
    states = capture(bridge.llm, texts, bridge.projector.config.layers)[number]
    with torch.inference_mode():
        batch = collate([piece(states, texts[number], bridge.model)])
        made = bridge.projector(batch)[0]
    return bridge.model.speak_states(made, seed=0).samples


def test_a_text_is_read_through_its_hidden_states(bridge: Bridge) -> None:
    audio = bridge.speak(TEXTS[0])
    np.testing.assert_allclose(audio.samples, by_hand(bridge, [TEXTS[0]], 0), atol=1e-6)
    assert audio.rate == Hum.sample_rate
    own = bridge.model.speak(TEXTS[0]).samples
    assert not np.allclose(audio.samples, own[: len(audio.samples)], atol=1e-4)


def test_sentences_come_one_by_one_and_know_each_other(bridge: Bridge) -> None:
    texts = [TEXTS[0], TEXTS[3]]
    parts = list(bridge.read(" ".join(texts)))
    assert [part.text for part in parts] == texts
    np.testing.assert_allclose(parts[1].audio.samples, by_hand(bridge, texts, 1), atol=1e-5)


def test_numbers_are_spoken_in_words(bridge: Bridge) -> None:
    (part,) = bridge.read("It has 3 legs.")
    assert part.text == "It has 3 legs."
    words = "It has three legs."
    assert len(part.audio.samples) == 160 * (len(words) + 2)


def test_a_long_text_is_read_in_groups(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    real = capture

    def counted(llm: LanguageModel, texts: list[str], *rest: Any, **options: Any) -> Any:
        sizes.append(len(texts))
        return real(llm, texts, *rest, **options)

    monkeypatch.setattr("audio_projector.bridge.capture", counted)
    assert len(list(bridge.read(" ".join(TEXTS)))) == 6
    assert sizes == [4, 2]


def test_an_answer_is_heard_while_it_is_written(bridge: Bridge, written: list[int]) -> None:
    chunks = ChunkConfig(first_words=3)
    parts = list(bridge.answer("What now?", chunks=chunks))
    assert " ".join(part.text for part in parts) == ANSWER
    assert parts[0].text == "The kettle is"
    assert parts[1].text == "on."
    ends = [part.tokens for part in parts]
    assert ends == sorted(ends)
    assert ends[0] < ends[1] < len(written)
    assert bridge.clock.first_audio > bridge.clock.first_token > 0
    assert 0 < bridge.clock.share < 1
    assert bridge.clock.tokens == len(written)


def test_an_answer_is_spoken_with_the_states_of_its_own_tokens(
    bridge: Bridge, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = bridge.projector.forward

    def forward(batch: Any, text: Any = None) -> Any:
        seen.append(batch)
        return real(batch, text)

    monkeypatch.setattr(bridge.projector, "forward", forward)
    ids = generation.chat_ids(bridge.llm, "What now?")
    list(bridge.answer("What now?", chunks=ChunkConfig(first_words=0)))
    (states,) = bridge.llm.states([[*ids, *written]], bridge.projector.config.layers)
    first = len(bridge.llm.tokens("The kettle is on.").ids)
    torch.testing.assert_close(
        seen[0].values[0], states[len(ids) : len(ids) + first], atol=1e-4, rtol=1e-3
    )
    between = 2  # the spaces between three parts belong to none where they are tokens of their own
    assert len(written) - between <= sum(b.values.shape[1] for b in seen) <= len(written)


def test_an_interruption_stops_the_language_model(
    bridge: Bridge, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = [len(m._forward_hooks) for m in bridge.llm.network.modules()]
    answer = bridge.answer("What now?", chunks=ChunkConfig(first_words=2))
    part = next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert part.tokens < len(written)
    assert bridge.clock.tokens == part.tokens
    assert [len(m._forward_hooks) for m in bridge.llm.network.modules()] == hooks


def test_an_answer_without_a_word_is_refused(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([*bridge.llm.tokens("...").ids, 2])
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    with pytest.raises(GenerationError, match="holds no word"):
        list(bridge.answer("What now?"))
    monkeypatch.setattr(generation, "_pick", lambda *_: 2)
    with pytest.raises(GenerationError, match="holds no word"):
        list(bridge.answer("What now?"))


def test_an_endless_answer_is_bounded(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = bridge.llm.tokens(" and the old fox ran over the frozen field").ids
    numbers = iter(ids * 99)
    monkeypatch.setattr(generation, "_pick", lambda *_: next(numbers))
    list(bridge.answer("Go on.", writing=WritingConfig(tokens=25)))
    assert bridge.clock.tokens == 25


def test_voices_are_passed_on(bridge: Bridge) -> None:
    low, high = (bridge.speak(TEXTS[0], voice=voice).samples for voice in ("low", "high"))
    assert not np.allclose(low, high)
    with pytest.raises(SpeechModelError, match="unknown voice 'flat'"):
        bridge.speak(TEXTS[0], voice="flat")


def test_nothing_to_say_is_refused_at_once(bridge: Bridge) -> None:
    with pytest.raises(TextError):
        bridge.read(" ... ")


def test_models_that_do_not_belong_are_refused(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_llm_folder(tmp_path, seed=1)
    with pytest.raises(ArtefactError, match="has other weights"):
        Bridge.from_pretrained(run_folder, llm=str(other))
    monkeypatch.setattr(Hum, "weights_sha256", "cd" * 32)
    with pytest.raises(ArtefactError, match="speaks through 'hum' with weights abab"):
        Bridge.from_pretrained(run_folder)


def test_a_gate_is_given_the_text(bridge: Bridge) -> None:
    from dataclasses import replace

    from audio_projector.projector import Projector

    gated = Projector(replace(bridge.projector.config, fusion="gated")).eval()
    with torch.no_grad():
        gated.gate.bias.fill_(-50.0)  # shut: the text alone
    shut = Bridge(bridge.llm, gated, bridge.model, bridge.binding)
    np.testing.assert_allclose(
        shut.speak(TEXTS[0]).samples, bridge.model.speak(TEXTS[0]).samples, atol=1e-6
    )
