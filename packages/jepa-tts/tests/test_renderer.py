"""A sentence in blocks against the sentence as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from jepa_tts.catalogue import shipped
from jepa_tts.int8 import Precision, linear
from jepa_tts.noise import Noise
from jepa_tts.renderer import Block, Renderer, blocks
from jepa_tts.sound_graph import RunningSound, halo, sound_graph
from jepa_tts.weights import Weights, read_weights

LATENTS = np.random.default_rng(0).normal(size=(41, 72)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Of the shipped checkpoint."""
    return read_weights(shipped())


def running(weights: Weights, precision: Precision) -> RunningSound:
    """The sound graph in that precision."""
    product = linear(precision, many=True)
    networks = weights.tensors, weights.sounds
    sound = sound_graph(weights.model, weights.vocoder, *networks, product)
    return RunningSound(sound.graph.session(), sound.states)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_blocks_are_the_whole(weights: Weights, precision: Precision) -> None:
    sound = running(weights, precision)
    (whole,) = blocks(LATENTS, len(LATENTS), 1)
    want = Renderer(sound, weights.vocoder, Noise(1)).put(whole)
    assert len(want) == (4 * len(LATENTS) - 1) * weights.vocoder.hop_length
    least = halo(weights.model, weights.vocoder)
    for first, size in ((least, 1), (least, 7), (30, 10), (40, 3)):
        renderer = Renderer(sound, weights.vocoder, Noise(1))
        parts = [renderer.put(block) for block in blocks(LATENTS, first, size)]
        assert len(parts) == 1 + -(-(len(LATENTS) - first) // size)
        np.testing.assert_allclose(np.concatenate(parts), want, atol=1e-4)


def test_a_block_sounds_as_soon_as_it_can(weights: Weights) -> None:
    """All frames but those on which latents still to come have an influence, and two that overlap
    with them.
    """
    renderer = Renderer(running(weights, "float32"), weights.vocoder, Noise(1))
    least, hop = halo(weights.model, weights.vocoder), weights.vocoder.hop_length
    made = renderer.put(Block(LATENTS[: least + 12], last=False))
    assert 46 * hop <= len(made) < 50 * hop


def test_a_sentence_may_be_shorter_than_a_block(weights: Weights) -> None:
    sound = running(weights, "float32")
    for count in (1, 2, 5):
        (block,) = blocks(LATENTS[:count], 24, 12)
        made = Renderer(sound, weights.vocoder, Noise(1)).put(block)
        assert len(made) == (4 * count - 1) * weights.vocoder.hop_length


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (5, [5]), (6, [5, 1]), (7, [5, 2]), (8, [5, 2, 1])]
)
def test_the_last_block_is_marked(count: int, sizes: list[int]) -> None:
    made = list(blocks(LATENTS[:count], 5, 2))
    assert [len(block.latents) for block in made] == sizes
    assert [block.last for block in made] == [False] * (len(sizes) - 1) + [True]
    np.testing.assert_array_equal(np.concatenate([b.latents for b in made]), LATENTS[:count])
