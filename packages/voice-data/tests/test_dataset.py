"""Batches: the budget holds, every clip comes once, orders repeat and resume exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voice_data.audio import Audio, write
from voice_data.dataset import (
    BatchConfig,
    BatchSampler,
    ClipDataset,
    DatasetError,
    Example,
    collate,
    pad,
)
from voice_data.manifest import Utterance, write_manifest

DURATIONS = np.random.default_rng(3).uniform(0.5, 12.0, 500).tolist()


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_holds_every_clip_once_within_the_budget(shuffle: bool) -> None:
    sampler = BatchSampler(DURATIONS, BatchConfig(seconds=40, max_clips=12, shuffle=shuffle))
    assert len(sampler) == len(list(sampler))
    for _ in range(2):
        batches = list(sampler)
        assert sorted(index for batch in batches for index in batch) == list(range(500))
        assert all(max(DURATIONS[i] for i in b) * len(b) <= 40 for b in batches)
        assert max(len(batch) for batch in batches) == 12


def test_little_of_a_batch_is_padding() -> None:
    batches = list(BatchSampler(DURATIONS, BatchConfig(seconds=60)))
    padded = sum(max(DURATIONS[i] for i in batch) * len(batch) for batch in batches)
    assert sum(DURATIONS) / padded > 0.9
    assert padded / len(batches) > 0.75 * 60  # and the budget is used


def test_orders_repeat_by_seed_and_change_by_epoch() -> None:
    first, second = (BatchSampler(DURATIONS, BatchConfig(seed=5)) for _ in range(2))
    epochs = [list(first), list(first)]
    assert [list(second), list(second)] == epochs
    assert epochs[0] != epochs[1]
    assert list(BatchSampler(DURATIONS, BatchConfig(seed=6))) != epochs[0]


@pytest.mark.parametrize("stop", [0, 7, 75, 130])
def test_a_resumed_sampler_goes_on_exactly(stop: int) -> None:
    config = BatchConfig(seconds=60, seed=1)
    whole = BatchSampler(DURATIONS, config)
    expected = [batch for _ in range(3) for batch in whole]
    sampler, taken = BatchSampler(DURATIONS, config), []
    state = sampler.state_dict()
    while len(taken) < stop:
        for batch in sampler:
            taken.append(batch)
            state = sampler.state_dict()
            if len(taken) == stop:
                break
    resumed = BatchSampler(DURATIONS, config)
    resumed.load_state_dict(json.loads(json.dumps(state)))
    while len(taken) < len(expected):
        taken.extend(resumed)
    assert taken == expected


def test_batches_in_flight_are_given_again() -> None:
    sampler = BatchSampler(DURATIONS)
    iterator = iter(sampler)
    taken = [next(iterator) for _ in range(6)]  # two trained on, four prefetched
    resumed = BatchSampler(DURATIONS)
    resumed.load_state_dict(sampler.state_dict(position=2))
    assert next(iter(resumed)) == taken[2]


@pytest.mark.parametrize(
    ("durations", "config", "message"),
    [
        ([], {}, "no clips to batch"),
        ([1.0, 0.0], {}, r"clip 1 has a duration of 0\.0 s"),
        ([1.0, float("nan")], {}, "clip 1 has a duration of nan"),
        ([1.0, 9.0], {"seconds": 5.0}, r"clip 1 lasts 9\.00 s and a batch 5\.00 s: raise"),
        ([1.0], {"seconds": 0.0}, r"BatchConfig\.seconds must be positive, not 0\.0"),
        ([1.0], {"max_clips": 0}, r"BatchConfig\.max_clips must be 1 or more, not 0"),
        ([1.0], {"buckets": 0}, r"BatchConfig\.buckets must be 1 or more"),
        ([1.0], {"seed": -1}, r"BatchConfig\.seed must be 0 or more"),
    ],
)
def test_what_cannot_be_batched(
    durations: list[float], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        BatchSampler(durations, BatchConfig(**config))


def test_a_state_of_other_clips_or_settings_is_refused() -> None:
    state = BatchSampler(DURATIONS).state_dict()
    for other in (BatchSampler(DURATIONS[:-1]), BatchSampler(DURATIONS, BatchConfig(seed=9))):
        with pytest.raises(DatasetError, match="other clips or other batch settings"):
            other.load_state_dict(state)
    with pytest.raises(DatasetError, match="has epoch, position and fingerprint"):
        BatchSampler(DURATIONS).load_state_dict({"epoch": 1})
    with pytest.raises(DatasetError, match="0 or more"):
        BatchSampler(DURATIONS).load_state_dict({**state, "epoch": -1})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    utterances = []
    for index, seconds in enumerate((0.1, 0.3, 0.2)):
        samples = np.full(round(16_000 * seconds), 0.1 * (index + 1), np.float32)
        write(tmp_path / f"{index}.wav", Audio(samples, 16_000))
        split = "validation" if index == 2 else "train"
        utterances.append(
            Utterance(
                id=f"c{index}", audio=f"{index}.wav", text="Hm.", duration=seconds, split=split
            )
        )
    write_manifest(tmp_path / "manifest.jsonl", utterances)
    return tmp_path / "manifest.jsonl"


def test_clips_go_through_a_data_loader(manifest: Path) -> None:
    from torch.utils.data import DataLoader

    dataset = ClipDataset(manifest, sample_rate=16_000)
    sampler = BatchSampler(dataset.durations, BatchConfig(seconds=0.6, shuffle=False))
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate)  # type: ignore[arg-type]
    first, second = list(loader)
    assert [each.id for each in first.utterances] == ["c0", "c2"]
    assert first.samples.values.shape == (2, 3_200)
    assert first.samples.lengths.tolist() == [1_600, 3_200]
    assert first.samples.mask.sum(dim=1).tolist() == [1_600, 3_200]
    assert first.samples.values[0, 1_600:].abs().max() == 0
    assert first.samples.values[~first.samples.mask].abs().sum() == 0
    assert second.sample_rate == 16_000
    assert second.samples.mask.all()


def test_a_split_is_chosen(manifest: Path) -> None:
    assert len(ClipDataset(manifest, sample_rate=16_000, split="train")) == 2
    assert ClipDataset(manifest, sample_rate=16_000, split="validation").durations == [0.2]
    with pytest.raises(DatasetError, match=r"no clips of split 'test'; it has 'train', 'valid"):
        ClipDataset(manifest, sample_rate=16_000, split="test")


def test_another_rate_is_refused(manifest: Path) -> None:
    with pytest.raises(DatasetError, match=r"'c1' has 16000 Hz and 24000 Hz are wanted: run"):
        ClipDataset(manifest, sample_rate=24_000)[1]


def test_a_clip_without_duration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [Utterance(id="a", audio="a.wav", text="Hm.")])
    with pytest.raises(DatasetError, match=r"'a' has no duration: run `voice-data prepare`"):
        ClipDataset(path, sample_rate=16_000)


def test_pad_keeps_rows_and_marks_the_rest() -> None:
    import torch

    rows = [torch.randn(3, 4), torch.randn(5, 4)]
    padded = pad(rows, value=-1.0)
    assert padded.values.shape == (2, 5, 4)
    assert all(torch.equal(padded.values[i][padded.mask[i]], rows[i]) for i in range(2))
    assert (padded.values[~padded.mask] == -1.0).all()


def test_pad_refuses_rows_that_do_not_fit() -> None:
    import torch

    with pytest.raises(DatasetError, match="nothing to pad"):
        pad([])
    with pytest.raises(DatasetError, match=r"row 1 is \[5, 3\]"):
        pad([torch.zeros(3, 4), torch.zeros(5, 3)])
    with pytest.raises(DatasetError, match=r"row 1 is \[3\] torch.int64"):
        pad([torch.zeros(3), torch.zeros(3, dtype=torch.int64)])


def test_rates_are_not_mixed() -> None:
    def example(rate: int) -> Example:
        return Example(
            utterance=Utterance(id=str(rate), audio="a.wav", text="Hm."),
            audio=Audio(np.zeros(10, np.float32), rate),
        )

    with pytest.raises(DatasetError, match=r"clips of one rate, not \[8000, 16000\]"):
        collate([example(8_000), example(16_000)])
    with pytest.raises(DatasetError, match="not no clips"):
        collate([])
