"""One step of the predictor as an ONNX graph, with its key-value cache written in place.

Letters: B batch, T frames that the cache holds, N bytes, Z latent dimensions, D width, H heads,
d = D / H, C cross-attentions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jepa_tts.config import CROSS_EVERY, JepaConfig
from jepa_tts.int8 import plain
from jepa_tts.onnx_graph import CONTRIB, Graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from jepa_tts.int8 import Linear
    from jepa_tts.text_graph import Weights


class Cache(NamedTuple):
    """Where a layer's keys or values [B, H, T, d] come in and go out, to be bound to one buffer."""

    past: str
    present: str


class Step(NamedTuple):
    """``graph``: ``past`` [B, 1, Z], ``fixed`` [B, 1, D] (the text's and the voice's share),
    ``bias{c}`` [B, H, 1, N], ``length`` [B] frames already in the cache, ``total`` the most of them
    and the new one, ``cosine`` and ``sine`` [T, d / 2], ``keys{c}`` and ``values{c}`` [B, H, N, d]
    -> ``out`` [B, 1, Z + 1], the next latents and the stop logit; and every cache.
    """

    graph: Graph
    caches: list[Cache]


class RunningStep(NamedTuple):
    """The graph's session, and what to bind the cache to."""

    session: InferenceSession
    caches: list[Cache]


def step_graph(config: JepaConfig, weights: Weights, linear: Linear) -> Step:
    """The step of :class:`jepa_tts.predictor.Predictor`."""
    width, heads = config.width, config.heads
    crosses = -(-config.predictor_layers // CROSS_EVERY)
    graph = Graph()
    past = graph.input("past", "float32", ("B", 1, config.latent))
    fixed = graph.input("fixed", "float32", ("B", 1, width))
    biases = [
        graph.input(f"bias{cross}", "float32", ("B", heads, 1, "N")) for cross in range(crosses)
    ]
    entry = graph.matmul(past, np.ascontiguousarray(weights["predictor.latent_in.weight"].T))
    layers = _Layers(graph, config, weights, linear)
    x = graph.node("Add", entry, fixed)
    y = layers.norm(x, "norms.0")
    for index in range(config.predictor_layers):
        y = layers.self_attention(y, index)
        if index % CROSS_EVERY == 0:
            cross = index // CROSS_EVERY
            x, y = layers.add_norm(x, y, f"cross_norms.{cross}")
            y = layers.cross_attention(y, cross, biases[cross])
        x, y = layers.add_norm(x, y, f"norms.{2 * index + 1}")
        y = layers.apply(y, f"feed_forward.{index}.up")
        y = layers.apply(graph.node("Gelu", y, domain=CONTRIB), f"feed_forward.{index}.down")
        x, y = layers.add_norm(x, y, f"norms.{2 * index + 2}")
    ends = ("predictor.latent_out", "predictor.stop_out")
    weight = np.concatenate([weights[f"{end}.weight"] for end in ends])
    out = plain(graph, y, weight, np.concatenate([weights[f"{end}.bias"] for end in ends]))
    graph.output(out, "out", "float32", ("B", 1, config.latent + 1))
    return Step(graph, layers.caches)


class _Layers:
    """The predictor's layers by the names of their weights."""

    def __init__(self, graph: Graph, config: JepaConfig, weights: Weights, linear: Linear) -> None:
        self.graph, self.heads, self.linear = graph, config.heads, linear
        self.size = config.width // config.heads
        self.weights = weights
        self.length = graph.input("length", "int32", ("B",))
        self.total = graph.input("total", "int32", ())
        names = ("cosine", "sine")
        self.turns = [graph.input(name, "float32", ("T", self.size // 2)) for name in names]
        self.caches: list[Cache] = []

    def apply(self, x: str, name: str) -> str:
        weight, bias = (self.weights[f"predictor.{name}.{kind}"] for kind in ("weight", "bias"))
        return self.linear(self.graph, x, weight, bias)

    def norm(self, x: str, name: str) -> str:
        gain, shift = (self.weights[f"predictor.{name}.{kind}"] for kind in ("weight", "bias"))
        return self.graph.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=1e-5)

    def add_norm(self, x: str, y: str, name: str) -> tuple[str, str]:
        """The sum of both, and its norm."""
        total = self.graph.node("Add", x, y)
        return total, self.norm(total, name)

    def self_attention(self, y: str, index: int) -> str:
        shape = ("B", self.heads, "T", self.size)
        pasts = [self.graph.input(f"past_{n}{index}", "float32", shape) for n in ("key", "value")]
        heard, *presents = self.graph.nodes(
            "GroupQueryAttention", 3, self.apply(y, f"self_attention.{index}.qkv"), "", "",
            *pasts, self.length, self.total, *self.turns,
            domain=CONTRIB, num_heads=self.heads, kv_num_heads=self.heads, do_rotary=1,
        )  # fmt: skip
        for past, present in zip(pasts, presents, strict=True):
            self.caches.append(Cache(past, self.graph.expose(present, "float32", shape)))
        return self.apply(heard, f"self_attention.{index}.out")

    def cross_attention(self, y: str, cross: int, bias: str) -> str:
        shape = ("B", self.heads, "N", self.size)
        text = [self.graph.input(f"{n}{cross}", "float32", shape) for n in ("keys", "values")]
        query = self.apply(y, f"cross_attention.{cross}.query")
        heard = self.graph.node(
            "MultiHeadAttention", query, *text, "", "", bias, domain=CONTRIB, num_heads=self.heads
        )
        return self.apply(heard, f"cross_attention.{cross}.out")
