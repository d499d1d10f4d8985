"""The tool counts what a phoneme head reads, not what is written."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from read_homographs import is_right, phonemes, share

from audio_projector.pronunciation import Homograph

ITEM = Homograph(text="They read it.", word="read", right="rade", wrong="ride")


def _states(text: str) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(list(text.encode())), 128).float()


def _model() -> SimpleNamespace:
    """Its phonemes are its letters."""
    encoder = SimpleNamespace(phoneme_logits=lambda states: states)
    return SimpleNamespace(
        pieces=lambda text: [text],
        text_states=lambda texts: torch.stack([_states(text) for text in texts]),
        tts=SimpleNamespace(model=SimpleNamespace(text_encoder=encoder)),
    )


def test_the_nearer_respelling_counts_and_a_tie_does_not() -> None:
    model = _model()
    for said, right in (("They rade it.", True), ("They ride it.", False), ("Nothing", False)):
        assert is_right(ITEM, model, lambda *_, said=said: _states(said)) is right


def test_repeated_and_silent_slots_are_no_phonemes() -> None:
    assert phonemes(_model(), _states("aab\0b")) == [97, 98, 98]


def test_the_share_is_of_all_homographs() -> None:
    other = Homograph(text="A lead pipe.", word="lead", right="lade", wrong="lide")
    spelled = {ITEM.text: "They rade it.", other.text: "A lide pipe."}
    assert share([ITEM, other], _model(), lambda raw, _: _states(spelled[raw])) == 0.5
