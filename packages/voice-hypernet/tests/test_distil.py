from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from voice_hypernet import distil as module
from voice_hypernet.distil import (
    DistilConfig,
    Student,
    distil,
    encoded_by_length,
    pair_loss,
    pairs,
    step_losses,
    teach_loss,
)
from voice_hypernet.grams import read
from voice_hypernet.lesson import Lessons, label_loss, prepared, targets
from voice_hypernet.text_encoder import TextConfig, TextEncoder
from voice_hypernet.understanding import ATTRIBUTES, CLASSES, COUNT, place
from voice_hypernet.wording import Worded

SHAPE = TextConfig(embedding=12, width=16, layers=1, heads=2, condition=24)
LABELS = [{"gender": "male"}, {"gender": "female"}, {}, {"rate": "fast"}]


def lessons(count: int = 12) -> Lessons:
    """Descriptions and everyday text, with a teacher that knows only English."""
    texts = [
        ("a man", "a lady", "낮은 소리", "quickly")[i % 4] + " x" * (i // 4) for i in range(count)
    ]
    vectors = np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32)
    vectors[2::4] = np.nan
    labels = [LABELS[i % 4] if i < count // 2 else None for i in range(count)]
    return Lessons(texts=texts, vectors={"toy": vectors}, labels=labels)


def config(**changes: float) -> DistilConfig:
    values = {"steps": 6, "batch": 8, "warmup": 2, "save_every": 3}
    return DistilConfig.from_dict({**values, "measured": 200, "probe_steps": 20, **changes})


def test_label_loss_is_cross_entropy_summed_over_attributes() -> None:
    torch.manual_seed(0)
    scores, labels = torch.randn(2, COUNT), [{"pitch": "low", "gender": "male"}, {}]
    wanted = sum(
        F.cross_entropy(
            scores[:, place(name)],
            torch.tensor([CLASSES[name].index(each.get(name, "")) for each in labels]),
        )
        for name in ATTRIBUTES
    )
    torch.testing.assert_close(label_loss(scores, targets(labels)), wanted)


def test_a_contradiction_keeps_its_first_value() -> None:
    (row,) = targets([{"pitch": "contradictory:low"}])[:, place("pitch")]
    said = dict(zip(CLASSES["pitch"], row.tolist(), strict=True))
    assert said["contradictory"] == pytest.approx(0.7)
    assert said["low"] == pytest.approx(0.3)
    assert row.sum() == pytest.approx(1.0)


def test_teach_loss_leaves_out_what_a_teacher_does_not_know() -> None:
    seen = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    wanted = torch.tensor([[3.0, 0.0], [float("nan")] * 2])
    assert float(teach_loss(seen, wanted).detach()) == pytest.approx(0.0)
    teach_loss(seen, torch.full((2, 2), float("nan"))).backward()
    assert seen.grad is not None
    assert float(seen.grad.abs().sum()) == 0.0


def test_pair_loss_wants_the_same_voice_and_forgives_equal_ones() -> None:
    near = torch.eye(3)
    labels = [{"rate": "fast"}, {"rate": "slow"}, {"pitch": "low"}] * 2
    assert float(pair_loss(near, near, labels)) < 0.01
    assert float(pair_loss(near, near.roll(1, 0), labels)) > 5.0
    alike = [{"rate": "fast"}] * 6
    assert float(pair_loss(near, near.roll(1, 0), alike)) == pytest.approx(0.0)
    other = [{"rate": "fast"}] * 3 + [{}] * 3
    assert float(pair_loss(near, near, other)) == 0.0


def test_pairs_say_the_same_in_two_languages() -> None:
    both = pairs(random.Random(0), 50)
    assert [each.language for each in both] == ["en"] * 50 + ["ko"] * 50
    same = [a.labels == b.labels for a, b in zip(both[:50], both[50:], strict=True)]
    assert 0.4 < np.mean(same) < 1.0


def test_length_groups_change_nothing() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(SHAPE).eval()
    texts = [" ".join(["deep"] * n) for n in (9, 1, 4, 2, 7, 3, 30, 5, 6)]
    rows = encoded_by_length(encoder, [read(t).grams for t in texts], 0.0, random.Random(0))
    torch.testing.assert_close(rows, encoder.encode(texts), atol=1e-5, rtol=1e-5)


def test_teachers_are_centred_in_each_language_and_a_probe_labels_the_rest() -> None:
    taught = prepared(lessons(), seed=0, probe_steps=20)
    rows = taught.vectors["toy"]
    assert rows[2::4].isnan().all()
    known = rows[~rows.isnan().any(1)]
    torch.testing.assert_close(known.norm(dim=1), torch.ones(len(known)))
    assert taught.everyday == list(range(6, 12))
    assert taught.soft[0, place("gender")].tolist() == [0.0, 1.0, 0.0, 0.0]
    sums = torch.stack([taught.soft[:, place(name)].sum(1) for name in ATTRIBUTES])
    torch.testing.assert_close(sums, torch.ones_like(sums))
    assert taught.soft[6:, place("gender")].max() < 1.0


def test_every_loss_falls_on_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    fixed = pairs(random.Random(1), 6)
    monkeypatch.setattr(module, "pairs", lambda rng, count: fixed)
    taught, student = prepared(lessons(), 0, 20), Student(TextEncoder(SHAPE), {"toy": 6})
    optimizer, settings = torch.optim.Adam(student.parameters(), 0.01), config(batch=12, hidden=0.0)
    first = step_losses(student, taught, settings, 0)
    for _ in range(40):
        losses = step_losses(student, taught, settings, 0)
        optimizer.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        optimizer.step()
    for name, before, after in zip(losses._fields, first, losses, strict=True):
        assert float(after.detach()) < 0.6 * float(before.detach()), name


def test_an_interrupted_run_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    whole = distil(lessons(), tmp_path / "a", config(), SHAPE, lambda step, _: heard.append(step))
    assert heard == [3, 6]
    real = module.step_losses

    def stops(student: Student, taught: object, settings: DistilConfig, step: int) -> object:
        if step == 4:
            raise KeyboardInterrupt
        return real(student, taught, settings, step)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "step_losses", stops)
    with pytest.raises(KeyboardInterrupt):
        distil(lessons(), tmp_path / "b", config(), SHAPE)
    monkeypatch.setattr(module, "step_losses", real)
    again = distil(lessons(), tmp_path / "b", config(), SHAPE)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=0.0, rtol=0.0)
    with pytest.raises(ValueError, match="made with another configuration"):
        distil(lessons(), tmp_path / "b", config(batch=4), SHAPE)


def test_what_comes_out_is_standardized(tmp_path: Path) -> None:
    encoder = distil(lessons(), tmp_path, config(), SHAPE)
    texts = [each.text for each in pairs(random.Random(5), 300)]
    with torch.no_grad():
        rows = encoder.encode(texts)
    assert rows.mean(0).abs().mean() < 0.15
    assert (rows.std(0) - 1.0).abs().mean() < 0.15


def test_config_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unknown key 'rate' in DistilConfig; valid:"):
        DistilConfig.from_dict({"rate": 1})
    with pytest.raises(ValueError, match=r"DistilConfig.steps must be a positive integer, not 0"):
        DistilConfig(steps=0)
    with pytest.raises(ValueError, match=r"DistilConfig.teach must not be negative"):
        DistilConfig(teach=-1.0)
    with pytest.raises(ValueError, match=r"DistilConfig.hidden must be in \[0, 1\), not 1.0"):
        DistilConfig(hidden=1.0)


def test_lessons_must_be_of_equal_length() -> None:
    with pytest.raises(ValueError, match="e5 has 1 rows for 2 texts"):
        Lessons(texts=["a", "b"], vectors={"e5": np.zeros((1, 3))}, labels=[None, None])


def test_worded_descriptions_are_what_is_trained_on() -> None:
    assert all(
        isinstance(each, Worded) and read(each.text) for each in pairs(random.Random(9), 100)
    )


def test_a_start_is_trained_further_in_its_own_shape(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = TextEncoder(SHAPE)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    same = distil(lessons(), tmp_path / "a", config(learning_rate=0.0), start=start)
    for name in ("grams.weight", "out.weight", "layers.0.linear1.weight"):
        torch.testing.assert_close(same.state_dict()[name], before[name])
    further = distil(lessons(), tmp_path / "b", config(steps=3), start=start)
    assert further.config == SHAPE
    assert not torch.equal(further.state_dict()["out.weight"], before["out.weight"])
