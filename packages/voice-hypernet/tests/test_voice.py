"""A voice: its weight changes, its ranks, and how a base wears it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from humming import HumModel

from voice_hypernet.functional import adapted
from voice_hypernet.hypernet import Factors as TorchFactors
from voice_hypernet.targets import Group, TargetError, find_groups
from voice_hypernet.trunk import Factors
from voice_hypernet.voice import Origin, Voice, VoiceError


def voice_for(model: HumModel, rank: int = 3, seed: int = 0) -> Voice:
    """A voice with random numbers for the humming base."""
    rng = np.random.default_rng(seed)
    groups = find_groups(model.network, model.targets["default"])
    adapters = {}
    for group in groups:
        layers = len(group.names)
        a = rng.normal(size=(layers, rank, group.inputs)).astype(np.float32)
        b = rng.normal(size=(layers, group.outputs, rank)).astype(np.float32)
        adapters[group.kind] = Factors(a, b)
    origin = Origin(base="hum", base_sha256=model.weights_sha256, sample_rate=model.sample_rate)
    told = {"voice": rng.normal(size=4).astype(np.float32)}
    return Voice(groups=groups, adapters=adapters, condition=told, alpha=2.0 * rank, origin=origin)


def changes(voice: Voice) -> dict[str, np.ndarray]:
    return dict(voice.deltas())


def test_a_worn_voice_sounds_as_an_adapter_does_and_leaves_no_trace() -> None:
    model = HumModel()
    voice = voice_for(model)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    factors = {
        kind: TorchFactors(torch.from_numpy(f.a)[None], torch.from_numpy(f.b)[None])
        for kind, f in voice.adapters.items()
    }
    with adapted(model.network, voice.groups, factors, voice.scale):
        wanted = model.speak("abc", voice=voice.told())
    plain = model.speak("abc", voice=voice.told())
    with voice.worn(model) as told:
        found = model.speak("abc", voice=told)
    np.testing.assert_allclose(found.samples, wanted.samples, atol=1e-4)
    assert not np.allclose(found.samples, plain.samples, atol=1e-2)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_worn_voice_is_taken_off_when_speaking_fails() -> None:
    model = HumModel()
    before = model.network.into.weight.clone()
    with pytest.raises(RuntimeError, match="stop"), voice_for(model).worn(model):
        raise RuntimeError("stop")
    assert torch.equal(model.network.into.weight, before)


def test_a_merged_voice_stays() -> None:
    model = HumModel()
    voice, before = voice_for(model), model.network.out.weight.clone()
    voice.merge(model.network)
    moved = (model.network.out.weight - before).detach().numpy()
    np.testing.assert_allclose(moved, changes(voice)["out"], atol=1e-5)


def test_transposed_layers_get_a_transposed_change() -> None:
    group = Group(kind="c", names=("c",), inputs=2, outputs=3, transposed=True)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1, 1, 2)).astype("f"), rng.normal(size=(1, 3, 1)).astype("f")
    origin = Origin(base="x", base_sha256="0" * 64, sample_rate=1)
    voice = Voice(
        groups=(group,), adapters={"c": Factors(a, b)}, condition={}, alpha=1.0, origin=origin
    )
    np.testing.assert_allclose(changes(voice)["c"], (b[0] @ a[0]).T, rtol=1e-6)


def test_a_lower_rank_is_the_nearest_one() -> None:
    voice = voice_for(HumModel(), rank=4)
    small = voice.resized(2)
    assert (small.rank, small.scale) == (2, voice.scale)
    for name, change in changes(voice).items():
        left, values, right = np.linalg.svd(change)
        nearest = (left[:, :2] * values[:2]) @ right[:2]
        np.testing.assert_allclose(changes(small)[name], nearest, atol=1e-4)


def test_a_higher_rank_is_the_same_voice_and_says_so() -> None:
    voice = voice_for(HumModel(), rank=3)
    large = voice.resized(32)
    assert (large.rank, large.alpha, large.scale) == (32, 64.0, 2.0)
    assert large.warnings == ("rank 32 is above the 3 that was made: the rest is zeros",)
    for name, change in changes(voice).items():
        np.testing.assert_allclose(changes(large)[name], change, atol=1e-5)


def test_a_rank_above_a_narrow_layer_is_exact() -> None:
    group = Group(kind="n", names=("n",), inputs=5, outputs=1)
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(1, 6, 5)).astype("f"), rng.normal(size=(1, 1, 6)).astype("f")
    origin = Origin(base="x", base_sha256="0" * 64, sample_rate=1)
    voice = Voice(
        groups=(group,), adapters={"n": Factors(a, b)}, condition={}, alpha=6.0, origin=origin
    )
    small = voice.resized(3)
    assert small.adapters["n"].a.shape == (1, 3, 5)
    np.testing.assert_allclose(changes(small)["n"], changes(voice)["n"], atol=1e-5)


def test_alpha_scales_the_change() -> None:
    voice = voice_for(HumModel(), rank=3)
    doubled = voice.resized(alpha=12.0)
    assert doubled.rank == 3
    for name, change in changes(voice).items():
        np.testing.assert_allclose(changes(doubled)[name], 2 * change, rtol=1e-6)


@pytest.mark.parametrize(
    ("rank", "alpha", "message"),
    [
        (0, None, "rank must be from 1 to 1024, not 0"),
        (2_000, None, "not 2000"),
        (None, 0.0, "alpha must be a positive number, not 0.0"),
        (None, float("nan"), "alpha must be a positive number"),
    ],
)
def test_impossible_sizes_are_refused(rank: int | None, alpha: float | None, message: str) -> None:
    with pytest.raises(VoiceError, match=message):
        voice_for(HumModel()).resized(rank, alpha)


def test_another_base_is_refused_by_hash_and_by_rate() -> None:
    model = HumModel()
    voice = voice_for(model)
    with pytest.raises(VoiceError, match="made for 'hum' with weights"):
        voice.require(HumModel(seed=1))
    wrong = replace(voice, origin=replace(voice.origin, sample_rate=24_000))
    with pytest.raises(VoiceError, match="speaks 24000 Hz and the model 16000 Hz"):
        wrong.require(model)


def test_layers_that_do_not_fit_are_named_before_anything_changes() -> None:
    model = HumModel()
    voice = voice_for(model)
    before = model.network.into.weight.clone()
    group = next(each for each in voice.groups if each.kind == "out")
    missing = replace(group, names=("outside",))
    others = tuple(each for each in voice.groups if each is not group)
    with pytest.raises(TargetError, match="no layer 'outside'"):
        replace(voice, groups=(*others, missing)).merge(model.network)
    narrow = {**voice.adapters, "out": Factors(voice.adapters["out"].a[..., :-1],
                                               voice.adapters["out"].b)}  # fmt: skip
    with pytest.raises(TargetError, match=r"'out' is \[6, 16\] and the voice changes \[6, 15\]"):
        replace(voice, adapters=narrow).merge(model.network)
    assert torch.equal(model.network.into.weight, before)
