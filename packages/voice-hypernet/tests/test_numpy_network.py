"""The network without torch gives what the network with torch gives."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import CLIP, CONFIG, TEXT, toy_network

from voice_hypernet import trunk
from voice_hypernet.config import FUSIONS, HEADS, VoiceConfig
from voice_hypernet.numpy_network import NumpyNetwork


def both(config: VoiceConfig) -> tuple[NumpyNetwork, torch.nn.Module]:
    """The same weights in NumPy and in torch."""
    network = toy_network(config)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    return NumpyNetwork(config, network.hypernet.groups, arrays), network


def compare(config: VoiceConfig, text: np.ndarray | None, clip: np.ndarray | None) -> None:
    """Assert that all that comes out is equal."""
    light, heavy = both(config)
    found = light(text, clip)
    wanted = heavy(*(None if v is None else torch.from_numpy(v) for v in (text, clip)))
    assert set(found.adapters) == set(wanted.adapters)
    for kind, factors in wanted.adapters.items():
        np.testing.assert_allclose(found.adapters[kind].a, factors.a.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.adapters[kind].b, factors.b.numpy(), rtol=1e-5, atol=1e-5)
        assert np.abs(factors.b.numpy()).max() > 0.01
    for name, value in wanted.told.items():
        np.testing.assert_allclose(found.told[name], value.numpy(), rtol=1e-5, atol=1e-5)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_equals_torch_whatever_the_head_and_the_fusion(
    head: str, fusion: str, rng: np.random.Generator
) -> None:
    config = replace(CONFIG, fusion=fusion, hypernet=replace(CONFIG.hypernet, head=head))
    text = rng.normal(size=(5, TEXT)).astype(np.float32)
    clip = rng.normal(size=(5, CLIP)).astype(np.float32)
    compare(config, text, clip)
    compare(config, text, None)
    compare(config, None, clip)


def test_equals_torch_for_batches_of_several_rounds(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk, "_ROWS", 20)
    compare(CONFIG, rng.normal(size=(17, TEXT)).astype(np.float32), None)


def test_far_values_neither_overflow_nor_warn(rng: np.random.Generator) -> None:
    compare(CONFIG, 300 * rng.normal(size=(2, TEXT)).astype(np.float32), None)


def test_without_telling_the_base_gets_the_neutral_condition(rng: np.random.Generator) -> None:
    config = replace(CONFIG, tells=False)
    text = rng.normal(size=(2, TEXT)).astype(np.float32)
    compare(config, text, None)
    light, _ = both(config)
    np.testing.assert_array_equal(light(text, None).told["voice"][1], light.neutral["voice"])


def test_half_precision_weights_are_computed_with_in_single() -> None:
    network = toy_network()
    arrays = {
        name: value.half().numpy() if value.is_floating_point() else value.numpy()
        for name, value in network.state_dict().items()
    }
    found = NumpyNetwork(CONFIG, network.hypernet.groups, arrays)(np.ones((1, TEXT), "f"), None)
    assert {factors.a.dtype for factors in found.adapters.values()} == {np.dtype(np.float32)}
    assert found.told["kind"].tolist() == [3]


@pytest.mark.parametrize(
    ("text", "clip", "message"),
    [
        (None, None, "a description or a clip is needed"),
        (np.zeros((2, TEXT), "f"), np.zeros((3, CLIP), "f"), "needed for each voice"),
        (np.zeros((2, TEXT + 1), "f"), None, "the text has the shape [2, 13]"),
        (None, np.zeros((2, CLIP - 1), "f"), "the clip has the shape [2, 399]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    text: np.ndarray | None, clip: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        both(CONFIG)[0](text, clip)


@pytest.mark.parametrize("name", ["hypernet.into.weight", "hypernet.heads.0.a"])
def test_a_missing_tensor_is_named(name: str) -> None:
    network = toy_network()
    arrays = {n: v.numpy() for n, v in network.state_dict().items() if n != name}
    with pytest.raises(ValueError, match=re.escape(name.removeprefix("hypernet."))):
        NumpyNetwork(CONFIG, network.hypernet.groups, arrays)
