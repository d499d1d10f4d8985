"""Preprocessing: mels, pitch, the bytes' frames and the latents."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from jepa_tts.checkpoint import load_model
from jepa_tts.config import STRIDE
from jepa_tts.corpus import Corpus
from jepa_tts.preprocess import align, best_path, byte_frames, preprocess

LABELS = [[1], [1, 2], [2, 2, 1], [3, 1, 2], [1, 1, 1, 1]]


def log_probabilities(slots: int, seed: int) -> np.ndarray:
    logits = torch.randn(slots, 4, generator=torch.Generator().manual_seed(seed)) * 2
    return logits.log_softmax(-1).numpy()


def score_of(scores: np.ndarray, ids: list[int], slots: tuple[int, ...]) -> float:
    chosen = np.zeros(len(scores), int)
    chosen[list(slots)] = ids
    return float(scores[np.arange(len(scores)), chosen].sum())


@pytest.mark.parametrize("ids", LABELS)
@pytest.mark.parametrize("slots", [4, 7])
def test_best_path_equals_trying_them_all(ids: list[int], slots: int) -> None:
    for seed in range(5):
        scores = log_probabilities(slots, seed)
        every = combinations(range(slots), len(ids))
        want = max(every, key=lambda places: score_of(scores, ids, places))
        got = tuple(int(s) for s in best_path(scores, np.array(ids)))
        assert score_of(scores, ids, got) == pytest.approx(score_of(scores, ids, want), abs=1e-5)


def test_best_path_is_one_of_those_that_ctc_sums() -> None:
    for seed in range(5):
        ids, scores = [1, 3, 2], log_probabilities(9, seed)
        best = score_of(scores, ids, tuple(best_path(scores, np.array(ids))))
        total = -F.ctc_loss(
            torch.from_numpy(scores)[:, None],
            torch.tensor([ids]),
            torch.tensor([9]),
            torch.tensor([3]),
            reduction="sum",
        )
        assert best < float(total)


def test_best_path_of_nothing_and_of_too_much() -> None:
    assert best_path(log_probabilities(3, 0), np.array([], int)).tolist() == []
    with pytest.raises(ValueError, match="4 phonemes do not fit into 3 slots"):
        best_path(log_probabilities(3, 0), np.array([1, 2, 3, 1]))


def test_byte_frames_conserve_time() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        owner = np.sort(rng.integers(0, 8, 12))
        seconds = [float(s) for s in rng.random(14)]
        frames = byte_frames(owner, seconds, 8, 0.04)
        assert frames.sum() == pytest.approx(sum(seconds) / 0.04, rel=1e-5)
        want = np.bincount(owner, seconds[1:-1], 8) / 0.04
        want[0] += seconds[0] / 0.04
        want[-1] += seconds[-1] / 0.04
        np.testing.assert_allclose(frames, want, rtol=1e-5)


def test_aligned_durations_fill_each_utterance(training_cache: Path) -> None:
    corpus = Corpus(training_cache)
    for index, row in enumerate(corpus.rows):
        durations = corpus.durations_of(index)
        assert float(durations.min()) >= 0.0
        assert float(durations.sum()) == pytest.approx(row.latent_frames, rel=2e-3)


def test_mels_equal_vocos(training_cache: Path) -> None:
    import soundfile
    from vocos.feature_extractors import MelSpectrogramFeatures

    corpus, extract = Corpus(training_cache), MelSpectrogramFeatures(padding="center")
    for index in (0, 5):
        samples, _ = soundfile.read(corpus.rows[index].audio, dtype="float32")
        want = extract(torch.from_numpy(samples)[None])[0].T
        mel = corpus.mel_of(index)
        assert len(mel) == len(want) // STRIDE * STRIDE
        torch.testing.assert_close(mel, want[: len(mel)], atol=8e-3, rtol=0)  # half precision


def test_pitch_is_that_of_the_sines(training_cache: Path) -> None:
    corpus = Corpus(training_cache)
    for index, expected in ((0, 220.0), (1, 110.0)):
        row = corpus.rows[index]
        pitch = corpus.pitch[row.start : row.start + row.frames].astype(np.float32)
        voiced = pitch[pitch > 0]
        assert len(voiced) > row.frames // 3
        assert np.median(voiced) == pytest.approx(expected, rel=0.01)


def test_pitch_is_measured_on_a_share(manifest: Path, tmp_path: Path) -> None:
    assert preprocess(manifest, tmp_path, pitch_share=0.5, limit=3) == 3
    corpus = Corpus(tmp_path)
    measured = [not np.isnan(corpus.pitch[row.start]) for row in corpus.rows]
    assert measured == [True, False, True]
    assert not list(tmp_path.glob("*.part"))


def test_latents_equal_the_encoder_one_at_a_time(training_cache: Path, start: Path) -> None:
    corpus, model = Corpus(training_cache), load_model(start)
    with torch.inference_mode():
        for index in range(len(corpus.rows)):
            want = model.audio_encoder(corpus.mel_of(index).T[None]).mean[0]
            got = corpus.latents_of(index)
            torch.testing.assert_close(got, want, atol=1e-2, rtol=1e-3)  # half precision


def test_another_rate_is_refused(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(16_000, np.float32), 16_000)
    row = {"id": "a", "audio": "a.wav", "text": "a"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    message = r"a\.wav has 16000 Hz, the model wants 24000: run `voice-data prepare` first"
    with pytest.raises(ValueError, match=message):
        preprocess(tmp_path / "manifest.jsonl", tmp_path / "cache")
    assert not (tmp_path / "cache" / "rows.jsonl").exists()


def test_alignment_wants_the_seconds_of_every_phoneme(
    training_cache: Path, start: Path, tmp_path: Path
) -> None:
    row = json.loads((training_cache / "rows.jsonl").read_text("utf-8").splitlines()[0])
    row["seconds"] = row["seconds"][:2]
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(ValueError, match="0 has 11 phonemes, 2 seconds: the manifest must give"):
        align(load_model(start), Corpus(tmp_path))


def test_alignment_wants_known_phonemes(training_cache: Path, start: Path, tmp_path: Path) -> None:
    row = json.loads((training_cache / "rows.jsonl").read_text("utf-8").splitlines()[0])
    row["phonemes"] = "ʒ" + row["phonemes"][1:]
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(ValueError, match="0 has the phoneme 'ʒ', which the model does not know"):
        align(load_model(start), Corpus(tmp_path))
