"""The predictor: a frame at a time, all at once, alone and in a batch give the same."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.clock import Clock, clock
from jepa_tts.model import JepaModel
from jepa_tts.predictor import Prediction, Predictor

FRAMES = 11


class Sentence:
    """Random inputs of a predictor: two texts of different length."""

    def __init__(self, predictor: Predictor, width: int, latent: int) -> None:
        durations = torch.tensor([[1.0, 2.5, 0.0, 3.0, 4.5], [2.0, 6.0, 1.0, 0.0, 0.0]])
        self.predictor, self.mask = predictor, torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
        self.text = torch.randn(2, 5, width) * self.mask[..., None]
        self.voice = torch.randn(2, width)
        self.history = torch.randn(2, FRAMES, latent)
        self.clock = clock(durations, FRAMES)

    def forced(self) -> Prediction:
        """All frames at once."""
        return self.predictor(self.history, self.text, self.mask, self.voice, self.clock)

    def stepped(self, chunks: list[int]) -> Prediction:
        """The same frames, some at a time, through the cache."""
        state = self.predictor.begin(self.text, self.mask, FRAMES)
        first = self.predictor.start.expand(2, 1, -1)
        past = torch.cat((first, self.history[:, :-1]), dim=1)
        latents, stop, at = [], [], 0
        for count in chunks:
            rows = self.clock.rows(at, at + count)
            out = self.predictor.step(past[:, at : at + count], self.text, self.voice, rows, state)
            at += count
            assert state.frame == at
            latents.append(out.latents)
            stop.append(out.stop)
        return Prediction(torch.cat(latents, dim=1), torch.cat(stop, dim=1))


@pytest.fixture
def sentence(model: JepaModel) -> Sentence:
    return Sentence(model.predictor, model.config.width, model.config.latent)


@torch.inference_mode()
@pytest.mark.parametrize("chunks", [[1] * FRAMES, [4, 1, 6], [FRAMES]])
def test_cached_equals_uncached(sentence: Sentence, chunks: list[int]) -> None:
    for got, want in zip(sentence.stepped(chunks), sentence.forced(), strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_batch_equals_each_text_alone(sentence: Sentence) -> None:
    together = sentence.forced()
    for index, count in enumerate((5, 3)):
        row = slice(index, index + 1)
        times = sentence.clock
        alone = sentence.predictor(
            sentence.history[row],
            sentence.text[row, :count],
            sentence.mask[row, :count],
            sentence.voice[row],
            Clock(times.position[row], times.phase[row], times.prior[row, :, :count]),
        )
        for got, want in zip(together, alone, strict=True):
            torch.testing.assert_close(got[row], want, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_future_is_unknown(sentence: Sentence) -> None:
    before = sentence.forced().latents
    sentence.history[:, 6] += 1.0
    changed = (sentence.forced().latents - before).abs().amax((0, 2)) > 1e-6
    assert changed.tolist() == [False] * 7 + [True] * (FRAMES - 7)


@torch.inference_mode()
def test_begins_without_a_past(sentence: Sentence) -> None:
    before = sentence.forced().latents[:, 0]
    sentence.history.normal_()
    assert torch.equal(sentence.forced().latents[:, 0], before)


@torch.inference_mode()
def test_voice_and_text_matter(sentence: Sentence) -> None:
    before = sentence.forced().latents
    sentence.voice[0] += 1.0
    after = sentence.forced().latents
    assert not torch.allclose(before[0], after[0])
    assert torch.equal(before[1], after[1])
    sentence.text[1, 2] += 1.0
    assert not torch.allclose(after[1], sentence.forced().latents[1])


@torch.inference_mode()
def test_capacity_is_a_bound(sentence: Sentence) -> None:
    state = sentence.predictor.begin(sentence.text, sentence.mask, 1)
    past, rows = sentence.history[:, :2], sentence.clock.rows(0, 2)
    with pytest.raises(ValueError, match="the cache holds 1 frames, frame 2 does not fit"):
        sentence.predictor.step(past, sentence.text, sentence.voice, rows, state)
