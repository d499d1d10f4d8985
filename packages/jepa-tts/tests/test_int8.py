"""Products in eight bits against products in float32."""

from __future__ import annotations

import numpy as np
import pytest

from jepa_tts.int8 import Linear, few_rows, linear, many_rows, plain, quantized
from jepa_tts.onnx_graph import Graph, run

RNG = np.random.default_rng(0)


def product(function: Linear, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What the graph of one product gives."""
    graph = Graph()
    name = graph.input("x", "float32", ("rows", x.shape[1]))
    graph.output(function(graph, name, weight, bias), "y", "float32", ("rows", len(weight)))
    return run(graph.session(), {"x": x})[0]


@pytest.mark.parametrize("function", [few_rows, many_rows])
@pytest.mark.parametrize(("inputs", "outputs"), [(256, 96), (768, 256), (100, 30), (72, 5)])
def test_off_by_a_hundredth(function: Linear, inputs: int, outputs: int) -> None:
    x = RNG.normal(size=(9, inputs)).astype(np.float32) * np.array(
        [[10.0**e] for e in range(-4, 5)]
    )
    weight = RNG.normal(size=(outputs, inputs)).astype(np.float32)
    bias = RNG.normal(size=outputs).astype(np.float32)
    made, want = product(function, x.astype(np.float32), weight, bias), x @ weight.T + bias
    error = np.sqrt(((made - want) ** 2).mean(1) / (want**2).mean(1))
    assert error.max() < 0.02


@pytest.mark.parametrize("function", [few_rows, many_rows, plain])
def test_a_row_does_not_depend_on_its_neighbours(function: Linear) -> None:
    x = RNG.normal(size=(33, 256)).astype(np.float32)
    weight, bias = RNG.normal(size=(64, 256)).astype(np.float32), np.zeros(64, np.float32)
    whole = product(function, x, weight, bias)
    for row in (0, 16, 32):
        np.testing.assert_allclose(product(function, x[row : row + 1], weight, bias)[0], whole[row],
                                   atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("function", [few_rows, many_rows])
def test_a_row_of_zeros_gives_the_bias(function: Linear) -> None:
    weight, bias = RNG.normal(size=(8, 32)).astype(np.float32), np.arange(8, dtype=np.float32)
    made = product(function, np.zeros((2, 32), np.float32), weight, bias)
    np.testing.assert_array_equal(made, np.stack((bias, bias)))


def test_large_sums_do_not_wrap() -> None:
    """Where every product of a row is the largest possible: 16 bits hold the sum of two."""
    x, weight = np.full((2, 256), 3.0, np.float32), np.full((4, 256), 0.5, np.float32)
    for function in (few_rows, many_rows):
        made = product(function, x, weight, np.zeros(4, np.float32))
        np.testing.assert_allclose(made, x @ weight.T, rtol=0.02)


def test_codes_that_shipped_come_back() -> None:
    codes = RNG.integers(-127, 128, (6, 40)).astype(np.int8)
    codes[:, 0] = 127
    scales = np.linspace(1e-3, 2e-3, 6).astype(np.float16).astype(np.float32)
    made = quantized(codes * scales[:, None])
    np.testing.assert_array_equal(made.codes, codes)
    np.testing.assert_allclose(made.scales, scales, rtol=1e-6)


def test_the_product_to_use() -> None:
    assert linear("float32", many=True) is linear("float32", many=False) is plain
    assert (linear("int8", many=True), linear("int8", many=False)) == (many_rows, few_rows)
