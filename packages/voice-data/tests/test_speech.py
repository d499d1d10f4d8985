"""The port: loading by reference, and errors that say what there is instead."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError
from importlib.metadata import EntryPoint
from typing import Any, get_args

import numpy as np
import pytest

from voice_data import speech
from voice_data.audio import Audio
from voice_data.dataset import Example, pad
from voice_data.manifest import Utterance
from voice_data.speech import (
    GROUP,
    Condition,
    Encoded,
    Loss,
    Path,
    SpeechModel,
    SpeechModelError,
    Trace,
    available_models,
    load_speech_model,
)  # fmt: skip

MEMBERS = sorted(name for name in vars(SpeechModel) if not name.startswith("_"))


class Hum:
    """The smallest model that fulfils the port: one number per clip, its loudness."""

    sample_rate = 16_000
    weights_sha256 = "00" * 32
    targets: Mapping[str, tuple[str, ...]] = {"default": ("",)}
    context = None

    def __init__(self, path: str | None) -> None:
        import torch

        self.path, self.network = path, torch.nn.Linear(1, 1)

    def encode(self, example: Example) -> Encoded:
        import torch

        if example.audio.rate != self.sample_rate:
            raise SpeechModelError(f"clip {example.utterance.id!r} has {example.audio.rate} Hz")
        return {"levels": torch.from_numpy(np.abs(example.audio.samples))[:, None]}

    def length(self, encoded: Encoded) -> int:
        return len(encoded["levels"])

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        import torch

        return {"level": torch.stack([each["levels"].mean() for each in encoded]).mean()}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> Any:
        conditions = conditions or [self.condition([each]) for each in encoded]
        rows = [e["levels"] - c["level"] for e, c in zip(encoded, conditions, strict=True)]
        return pad(rows)

    def loss(self, batch: Any) -> Loss:
        trace = self.trace(batch)
        total = (trace.outputs - trace.labels)[trace.mask].square().mean()
        return Loss(total=total, parts={"square": float(total.detach())})

    def trace(self, batch: Any, path: Path = "loss") -> Trace:
        import torch

        past = torch.nn.functional.pad(batch.values[:, :-1], (0, 0, 1, 0))
        if path == "loss":
            outputs = self.network(past)
        else:
            outputs = torch.stack([self.network(past[:, i]) for i in range(past.shape[1])], 1)
        return Trace(outputs=outputs, labels=batch.values, mask=batch.mask)

    def speak(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Audio:
        return Audio(np.zeros(100 * len(text), np.float32), self.sample_rate)

    def stream(
        self, text: str, *, voice: str | Condition | None = None, seed: int | None = None
    ) -> Iterator[Audio]:
        yield self.speak(text, voice=voice, seed=seed)


def clip(seconds: float, rate: int = 16_000) -> Example:
    """A rising sound."""
    samples = np.linspace(0, 0.5, int(seconds * rate), dtype=np.float32)
    return Example(
        utterance=Utterance(id="a", audio="a.wav", text="A."), audio=Audio(samples, rate)
    )


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


def test_the_port_trains_from_clip_to_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:load")])
    model = load_speech_model("hum")
    encoded = [model.encode(clip(0.01)), model.encode(clip(0.02))]
    assert [model.length(each) for each in encoded] == [160, 320]
    batch = model.collate(encoded, [model.condition(encoded)] * 2)
    loss = model.loss(batch)
    loss.total.backward()
    assert model.network.weight.grad is not None
    assert loss.parts == {"square": loss.total.item()}
    with pytest.raises(SpeechModelError, match="clip 'a' has 8000 Hz"):
        model.encode(clip(0.01, rate=8_000))


def test_a_trace_is_the_loss_and_generation_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:load")])
    model = load_speech_model("hum")
    batch = model.collate([model.encode(clip(0.01)), model.encode(clip(0.02))])
    paths: tuple[Path, ...] = get_args(Path)
    assert paths == ("loss", "cached", "uncached")
    loss, *others = (model.trace(batch, path) for path in paths)
    assert loss.mask.sum(1).tolist() == [160, 320]
    for other in others:
        np.testing.assert_allclose(other.outputs.detach(), loss.outputs.detach(), atol=1e-6)
        np.testing.assert_array_equal(other.labels, loss.labels)


def test_results_are_named_frozen_and_without_dictionaries() -> None:
    import torch

    loss = Loss(total=torch.zeros(()), parts={})
    trace = Trace(outputs=torch.zeros(1, 2), labels=torch.zeros(1, 2), mask=torch.ones(1, 2))
    for result, name in ((loss, "total"), (trace, "mask")):
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, None)
        assert not hasattr(result, "__dict__")
    with pytest.raises(TypeError, match="positional"):
        Loss(torch.zeros(()), {})  # type: ignore[misc]


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
    every = "sample_rate, network, weights_sha256, targets, context, encode, length, condition, "
    with pytest.raises(SpeechModelError, match=f"lacks {every}collate, loss, trace, speak, stream"):
        load_speech_model("hum")


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_of_the_protocol_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    class Partial(Hum):
        def __getattribute__(self, name: str) -> Any:
            if name == member:
                raise AttributeError(name)
            return super().__getattribute__(name)

    register(monkeypatch, [("hum", "humming:partial")])
    sys.modules["humming"].partial = Partial  # type: ignore[attr-defined]
    with pytest.raises(SpeechModelError, match=f"'hum' .*lacks {member}: it was made for another"):
        load_speech_model("hum")


def test_one_name_for_two_models_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, [("hum", "humming:load"), ("hum", "humming:broken")])
    with pytest.raises(SpeechModelError, match="registered by several packages"):
        load_speech_model("hum")
