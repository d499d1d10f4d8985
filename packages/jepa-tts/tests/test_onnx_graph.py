"""Graphs that ONNX Runtime reads, without the package that usually writes them."""

from __future__ import annotations

import numpy as np
import pytest

from jepa_tts.onnx_graph import Graph, run


def test_every_kind_of_constant_and_attribute() -> None:
    graph = Graph()
    x = graph.input("x", "float32", (1, "N", 4))
    y = graph.node("Slice", x, [1], [2**31], [1])  # a list of int64
    y = graph.node("LayerNormalization", y, np.ones(4, np.float32), axis=-1, epsilon=0.5)
    y = graph.node("Clip", y, -1.0, 1.0)
    y = graph.node("Transpose", y, perm=[0, 2, 1])
    y = graph.node("Pad", y, [0, 0, 1, 0, 0, 1], mode="edge")
    left, right = graph.nodes("Split", 2, y, axis=1, num_outputs=2)
    graph.output(left, "left", "float32", (1, 2, "M"))
    graph.output(right, "right", "float32", (1, 2, "M"))
    values = np.random.default_rng(0).normal(size=(1, 7, 4)).astype(np.float32)
    kept = values[:, 1:]
    deviations = kept - kept.mean(-1, keepdims=True)
    normed = deviations / np.sqrt(kept.var(-1, keepdims=True) + 0.5)
    want = np.pad(normed.clip(-1, 1).transpose(0, 2, 1), ((0, 0), (0, 0), (1, 1)), "edge")
    made = np.concatenate(run(graph.session(), {"x": values}), axis=1)
    np.testing.assert_allclose(made, want, atol=1e-5)


def test_equal_constants_are_stored_once() -> None:
    graph = Graph()
    big = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    first, again = graph.constant(big), graph.constant(big.copy())
    assert first == again
    assert graph.constant(big.T) != first
    assert len(graph.serialized()) < 3 * big.nbytes


def test_lengths_beyond_seven_bits() -> None:
    graph = Graph()
    name = "x" * 300
    wide = graph.node("Neg", graph.input(name, "float32", (200_000,)))
    graph.output(wide, "y", "float32", (200_000,))
    (made,) = run(graph.session(), {name: np.ones(200_000, np.float32)})
    assert made.sum() == -200_000


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(KeyError, match="complex64"):
        Graph().constant(np.zeros(2, np.complex64))
