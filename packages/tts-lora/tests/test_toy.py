"""The model that other tests trust: its paths agree, and a planted shift shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy import CODES, ToySpeech, codes_of, encoded_clip, tone, write_corpus

from voice_data.audio import read
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import load_speech_model


def test_a_tone_comes_back_as_its_code() -> None:
    assert [codes_of(tone(code)) for code in range(CODES)] == [[code] for code in range(CODES)]


@pytest.mark.parametrize("shift", [0, 1])
def test_loss_and_generation_agree_unless_a_shift_is_planted(shift: int) -> None:
    model = ToySpeech(shift=shift)
    batch = model.collate([encoded_clip([3, 1, 4, 1, 5]), encoded_clip([9, 2], "Two, and more.")])
    traces = [model.trace(batch, path) for path in ("loss", "cached", "uncached")]
    for trace in traces[1:]:
        assert torch.equal(trace.mask, traces[0].mask)
        torch.testing.assert_close(
            trace.outputs[trace.mask], traces[0].outputs[trace.mask], atol=1e-5, rtol=0
        )
        assert torch.equal(trace.labels, traces[0].labels) is (shift == 0)
    loss = model.loss(batch)
    expected = torch.nn.functional.cross_entropy(
        traces[0].outputs[traces[0].mask], traces[0].labels[traces[0].mask]
    )
    assert float(loss.total.detach()) == pytest.approx(float(expected.detach()))


def test_a_corpus_is_encoded_and_spoken(tmp_path: Path, toy_base: str) -> None:
    folder = write_corpus(tmp_path / "ann", 2)
    model = load_speech_model(toy_base)
    audio = read(folder / "wavs" / "ann0.wav")
    utterance = Utterance(id="a", audio="wavs/ann0.wav", text="Hello.")
    encoded = model.encode(Example(utterance=utterance, audio=audio))
    assert model.length(encoded) == 2 + 6 + 1 + len(encoded["codes"]) + 1
    voice = model.condition([encoded])
    first = model.speak("Hello.", voice=voice, seed=1)
    pieces = list(model.stream("Hello.", voice=voice, seed=1))
    assert first.rate == model.sample_rate
    assert first.samples.tolist() == [x for piece in pieces for x in piece.samples.tolist()]
