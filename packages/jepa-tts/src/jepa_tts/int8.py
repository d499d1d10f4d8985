"""Products with matrices of eight bits: for a few rows, and for many.

Every row of ``x`` keeps its own scale, so a row's result does not depend on the rows beside it: a
batch gives what its members give alone.

Letters: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from jepa_tts.onnx_graph import CONTRIB

if TYPE_CHECKING:
    from jepa_tts.onnx_graph import Graph

Precision = Literal["int8", "float32"]
Linear = Callable[["Graph", str, np.ndarray, np.ndarray], str]
"""``linear(graph, x, weight [O, I], bias [O])`` is x [..., I] -> [..., O]."""

LEVELS = 127
ROW_LEVELS, ROW_ZERO = 63, 64
"""Seven bits of a row: sums of two products with eight-bit weights then fit the 16 bits that the
instruction for AVX2 adds them in."""
BLOCK = 256


class Codes(NamedTuple):
    """``codes`` [O, I] of int8 times ``scales`` [O] is the matrix."""

    codes: np.ndarray
    scales: np.ndarray


def quantized(weight: np.ndarray) -> Codes:
    """A matrix [O, I] in eight bits with a scale per row; exact for one that shipped like that."""
    scales = np.abs(weight).max(1) / LEVELS
    scales[scales == 0] = 1.0
    codes = np.rint(weight / scales[:, None]).clip(-LEVELS, LEVELS)
    return Codes(codes.astype(np.int8), scales.astype(np.float32))


def plain(graph: Graph, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """In float32."""
    return graph.matmul(x, np.ascontiguousarray(weight.T), bias)


def few_rows(graph: Graph, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """Fastest for one row, where the time is that of reading the weights."""
    outputs, inputs = weight.shape
    block = BLOCK
    while inputs % block:
        block //= 2
    if block < 16:
        return plain(graph, x, weight, bias)
    codes, scales = quantized(weight)
    stored = (codes.astype(np.int16) + 128).astype(np.uint8).reshape(outputs, -1, block)
    return graph.node(
        "MatMulNBits", x, stored, np.repeat(scales, inputs // block), "", "", bias,
        domain=CONTRIB, K=inputs, N=outputs, bits=8, block_size=block, accuracy_level=4,
    )  # fmt: skip


def many_rows(graph: Graph, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
    """Twice as fast as float32 for more than about eight rows.

    A row of zeros is divided by zero, and what comes of it is multiplied by zero: the bias is left.
    """
    codes, scales = quantized(weight)
    largest = graph.node("ReduceMax", graph.node("Abs", x), [-1], keepdims=1)
    step, zero = 1.0 / ROW_LEVELS, np.array(ROW_ZERO, np.uint8)
    row = graph.node("QuantizeLinear", graph.node("Div", x, largest), step, zero)
    y = graph.node(
        "MatMulIntegerToFloat", row, np.ascontiguousarray(codes.T), step, scales, zero,
        np.zeros(len(scales), np.int8), domain=CONTRIB,
    )  # fmt: skip
    return graph.node("Add", graph.node("Mul", y, largest), bias)


def linear(precision: Precision, *, many: bool) -> Linear:
    """The product to use."""
    if precision == "float32":
        return plain
    return many_rows if many else few_rows
