"""The aligner: warping against brute force, and boundaries that are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from jepa_tts import aligner
from jepa_tts.aligner import MISMATCH, PENALTY, SKIP, align, warp
from jepa_tts.alphabet import to_bytes
from jepa_tts.config import STRIDE
from jepa_tts.model import JepaModel
from jepa_tts.tts import JepaTTS

TEXT = "The old man walked slowly to the harbour, and looked at the sea."
OTHER = "Nobody had ever asked her a question about music before today!"


def cheapest(spoken: np.ndarray, recorded: np.ndarray) -> tuple[float, list[int]]:
    """The best path of all that begin at 0, end at the last frame and move by 0 to SKIP."""
    best = (np.inf, [0])
    for moves in itertools.product(range(SKIP + 1), repeat=len(recorded) - 1):
        path = list(itertools.accumulate((0, *moves)))
        if path[-1] != len(spoken) - 1:
            continue
        gaps = spoken[path] - recorded
        cost = np.sqrt((gaps**2).mean(1)).sum() + PENALTY * sum(abs(m - 1) for m in moves)
        best = min(best, (float(cost), path))
    return best


@pytest.mark.parametrize(("length", "frames"), [(6, 6), (4, 7), (9, 5)])
def test_the_path_is_the_cheapest_of_all(length: int, frames: int) -> None:
    rng = np.random.default_rng(length)
    spoken, recorded = rng.standard_normal((length, 3)), rng.standard_normal((frames, 3))
    other = rng.standard_normal((length + 3, 3))  # a longer one beside it changes nothing
    found = warp([other, spoken], recorded)[1]
    assert found.frames.tolist() == cheapest(spoken, recorded)[1]
    distances = np.sqrt(((spoken[None] - recorded[:, None]) ** 2).mean(2))
    along = distances[np.arange(frames), found.frames].mean()
    assert found.mismatch == pytest.approx(along / distances.mean(), rel=1e-4)


def test_a_recording_too_short_to_reach_the_end_goes_as_far_as_it_can() -> None:
    spoken = np.arange(40.0)[:, None]
    assert warp([spoken], spoken[:5] * 3)[0].frames.tolist() == [0, 3, 6, 9, 12]


def test_equal_sounds_match_perfectly() -> None:
    sound = np.random.default_rng(0).standard_normal((30, 4))
    path = warp([sound], sound)[0]
    assert path.frames.tolist() == list(range(30))
    assert path.mismatch == pytest.approx(0.0, abs=1e-3)


def test_features_forget_level_and_colour() -> None:
    mel = np.random.default_rng(1).normal(-4.0, 1.0, (50, 80))
    coloured = mel + np.linspace(-1, 1, 80) + 0.7
    np.testing.assert_allclose(aligner._features(mel), aligner._features(coloured), atol=1e-6)


def made(model: JepaModel, text: str, voice: str, speed: float) -> tuple[torch.Tensor, ...]:
    """Byte ids, mel [F, M] and the durations of the model's own speech."""
    ids = torch.tensor(to_bytes(text))
    with torch.inference_mode():
        plan = model.plan(ids[None], model.voices.named(voice), speed)
        latents, lengths = model.generate(plan)
        mel = model.mel_decoder(latents[:, : int(lengths[0])])[0].T
    return ids, mel, plan.durations[0]


@pytest.fixture(scope="module")
def shipped() -> JepaModel:
    return JepaTTS.from_pretrained().model


def voices(model: JepaModel, *names: str) -> torch.Tensor:
    return torch.cat([model.voices.named(name) for name in names]).detach()


def test_boundaries_come_back_across_voices_and_tempi(shipped: JepaModel) -> None:
    ids, mel, true = made(shipped, TEXT, "joe", 0.8)
    silence = mel.min().expand(24, mel.shape[1])
    found = align(shipped, ids, torch.cat((silence, mel)), voices(shipped, "heart", "adam"))
    assert found.durations.shape == ids.shape
    assert float(found.durations.min()) >= 0
    assert float(found.durations.sum()) == pytest.approx(len(mel) / STRIDE + 6, abs=1e-3)
    error = (found.durations.cumsum(0) - true.cumsum(0) - 6)[:-1].abs()
    milliseconds = error / shipped.config.latent_rate * 1000
    assert float(milliseconds.median()) < 40  # of which some 30 are how joe's phonemes are cut
    assert float(milliseconds.quantile(0.9)) < 90
    assert found.mismatch < MISMATCH


def test_the_voice_that_comes_closest_counts(shipped: JepaModel) -> None:
    ids, mel, _ = made(shipped, TEXT, "joe", 1.0)
    both = align(shipped, ids, mel, voices(shipped, "heart", "joe"))
    alone = [align(shipped, ids, mel, voices(shipped, name)) for name in ("heart", "joe")]
    assert alone[1].mismatch < alone[0].mismatch
    assert both.mismatch == pytest.approx(alone[1].mismatch, abs=1e-3)
    torch.testing.assert_close(both.durations, alone[1].durations, atol=0.3, rtol=0)


def test_anothers_text_scores_clearly_worse(shipped: JepaModel) -> None:
    table = voices(shipped, "heart", "adam")
    _, mel, _ = made(shipped, TEXT, "joe", 1.0)
    right = align(shipped, torch.tensor(to_bytes(TEXT)), mel, table).mismatch
    wrong = align(shipped, torch.tensor(to_bytes(OTHER)), mel, table).mismatch
    assert right < MISMATCH - 0.05 < MISMATCH < wrong


def test_refuses(model: JepaModel) -> None:
    ids, table = torch.tensor(to_bytes("hey")), model.voices.table.weight.detach()
    with pytest.raises(ValueError, match="multiple of 4 mel frames, not 41"):
        align(model, ids, torch.zeros(41, 100), table)
    torch.nn.init.constant_(model.durations.out.bias, -99.0)
    with pytest.raises(ValueError, match="gives the text no duration"):
        align(model, ids, torch.zeros(40, 100), table)
