"""A sentence in blocks against the sentence as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from jepa_tts.catalogue import shipped
from jepa_tts.int8 import Precision, linear
from jepa_tts.noise import Noise
from jepa_tts.renderer import Block, Features, Renderer, blocks, gathered
from jepa_tts.sound_graph import RunningSound, halo, sound_graph
from jepa_tts.waveform import Waveform
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


def rendered(weights: Weights, sound: RunningSound, parts: Iterable[Block]) -> list[np.ndarray]:
    """The samples of every block."""
    renderer, wave = Renderer(sound), Waveform(weights.vocoder, Noise(1))
    made = (renderer.put(part) for part in parts)
    return [wave.put(each.pitch, each.envelopes, last=each.last) for each in made]


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_blocks_are_the_whole(weights: Weights, precision: Precision) -> None:
    sound = running(weights, precision)
    (want,) = rendered(weights, sound, blocks(LATENTS, len(LATENTS), 1))
    assert len(want) == (4 * len(LATENTS) - 1) * weights.vocoder.hop_length
    least = halo(weights.model, weights.vocoder) + 1
    for first, size in ((least, 1), (least, 7), (30, 10), (40, 3)):
        parts = rendered(weights, sound, blocks(LATENTS, first, size))
        assert len(parts) == 1 + -(-(len(LATENTS) - first) // size)
        np.testing.assert_allclose(np.concatenate(parts), want, atol=1e-4)


def test_a_block_sounds_as_soon_as_it_can(weights: Weights) -> None:
    """All frames but those on which latents still to come have an influence."""
    least = halo(weights.model, weights.vocoder)
    made = Renderer(running(weights, "float32")).put(Block(LATENTS[: least + 12], last=False))
    assert len(made.pitch) == len(made.envelopes)
    assert 48 <= len(made.pitch) < 52


def test_a_sentence_may_be_shorter_than_a_block(weights: Weights) -> None:
    sound = running(weights, "float32")
    for count in (1, 2, 5):
        (made,) = rendered(weights, sound, blocks(LATENTS[:count], 24, 12))
        assert len(made) == (4 * count - 1) * weights.vocoder.hop_length


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (5, [5]), (6, [5, 1]), (7, [5, 2]), (8, [5, 2, 1])]
)
def test_the_last_block_is_marked(count: int, sizes: list[int]) -> None:
    made = list(blocks(LATENTS[:count], 5, 2))
    assert [len(block.latents) for block in made] == sizes
    assert [block.last for block in made] == [False] * (len(sizes) - 1) + [True]
    np.testing.assert_array_equal(np.concatenate([b.latents for b in made]), LATENTS[:count])


def test_features_are_gathered_within_their_sentence() -> None:
    sizes = [(3, False), (4, False), (5, False), (2, True), (1, True), (9, False), (1, True)]
    numbers = iter(range(100))
    parts = [
        Features(
            np.array([[next(numbers)] * 2 for _ in range(size)], np.float32),
            np.full((size, 4), index, np.float32),
            last,
        )
        for index, (size, last) in enumerate(sizes)
    ]
    made = list(gathered(parts, 6))
    assert [(len(each.pitch), each.last) for each in made] == [
        (7, False), (7, True), (1, True), (9, False), (1, True),
    ]  # fmt: skip
    for kind in ("pitch", "envelopes"):
        joined = np.concatenate([getattr(each, kind) for each in made])
        np.testing.assert_array_equal(joined, np.concatenate([getattr(p, kind) for p in parts]))
