"""The port: loading by reference, and errors that say what there is instead."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from voice_data import speech
from voice_data.audio import Audio
from voice_data.speech import GROUP, Loss, SpeechModelError, available_models, load_speech_model


class Hum:
    """The smallest model that fulfils the port."""

    sample_rate = 16_000

    def __init__(self, path: str | None) -> None:
        import torch

        self.path, self.network = path, torch.nn.Linear(1, 1)

    def collate(self, examples: Any) -> Any:
        return examples

    def loss(self, batch: Any) -> Loss:
        total = self.network.weight.square().sum()
        return Loss(total=total, parts={"square": float(total.detach())})

    def speak(self, text: str, *, voice: str | None = None, seed: int | None = None) -> Audio:
        return Audio(np.zeros(100 * len(text), np.float32), self.sample_rate)

    def stream(self, text: str, *, voice: str | None = None, seed: int | None = None) -> Any:
        yield self.speak(text, voice=voice, seed=seed)


def register(monkeypatch: pytest.MonkeyPatch, entries: Iterable[tuple[str, str]]) -> None:
    module = types.ModuleType("humming")
    module.load, module.broken = Hum, lambda path: object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "humming", module)
    found = [EntryPoint(name, value, GROUP) for name, value in entries]
    monkeypatch.setattr(speech, "entry_points", lambda group: found if group == GROUP else [])


@pytest.mark.parametrize(
    ("reference", "path"),
    [("hum", None), ("hum:", None), ("hum:runs/a", "runs/a"), (r"hum:C:\a", r"C:\a")],
)
def test_a_reference_is_a_name_and_perhaps_a_path(
    monkeypatch: pytest.MonkeyPatch, reference: str, path: str | None
) -> None:
    register(monkeypatch, [("hum", "humming:load")])
    model = load_speech_model(reference)
    assert isinstance(model, Hum)
    assert model.path == path
    assert model.speak("abc").duration == 300 / 16_000


def test_a_loss_has_a_total_to_differentiate() -> None:
    model = Hum(None)
    loss = model.loss([])
    loss.total.backward()
    assert model.network.weight.grad is not None
    assert loss.parts == {"square": loss.total.item()}


def test_available_models_are_sorted_and_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("z", "humming:load"), ("a", "humming:load"), ("z", "humming:load")])
    assert available_models() == ["a", "z"]
    assert isinstance(load_speech_model("z"), Hum)  # registered twice, but the same thing


def test_an_unknown_name_lists_those_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:load"), ("csm", "humming:load")])
    with pytest.raises(SpeechModelError, match=r"no speech model 'hmu' .*available: csm, hum$"):
        load_speech_model("hmu:path")


def test_an_unknown_name_without_any_model_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch, [])
    with pytest.raises(SpeechModelError, match="none is installed, try: pip install jepa-tts"):
        load_speech_model("")


@pytest.mark.parametrize("value", ["no_such_module_here:load", "humming:nothing"])
def test_a_package_that_fails_to_import_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    register(monkeypatch, [("hum", value)])
    with pytest.raises(SpeechModelError, match=rf"'hum' is registered as '{value}', which fails"):
        load_speech_model("hum")


def test_a_model_that_lacks_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:broken")])
    with pytest.raises(SpeechModelError, match="lacks sample_rate, network, collate, loss, speak"):
        load_speech_model("hum")


def test_one_name_for_two_models_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:load"), ("hum", "humming:broken")])
    with pytest.raises(SpeechModelError, match="registered by several packages"):
        load_speech_model("hum")
