"""The text's side of the model as one ONNX graph: from bytes to what the step looks at.

Letters: N bytes, D width, H heads, d = D / H.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jepa_tts.config import CROSS_EVERY, JepaConfig
from jepa_tts.int8 import Linear, plain
from jepa_tts.onnx_graph import CONTRIB, Graph

Weights = Mapping[str, np.ndarray]


def text_graph(config: JepaConfig, weights: Weights, linear: Linear) -> Graph:
    """``ids`` [1, N], ``voice`` [1, D], ``cosine`` and ``sine`` [N, d / 2] ->

    ``durations`` [1, N], log(1 + latent frames); ``spoken`` [1, N, D], each byte's share of the
    step's input; ``keys{c}`` and ``values{c}`` [1, H, N, d] of every cross-attention c.
    """
    width, heads = config.width, config.heads
    graph = Graph()
    ids = graph.input("ids", "int64", (1, "N"))
    voice = graph.input("voice", "float32", (1, width))
    turns = [graph.input(n, "float32", ("N", width // heads // 2)) for n in ("cosine", "sine")]
    part = _Part(graph, weights, linear, heads)
    x = graph.node("Gather", weights["text_encoder.embedding.weight"], ids)
    x = graph.node("Add", x, part.depthwise(x, "text_encoder.neighbours"))
    text = part.encoder(x, turns, config.text_layers)
    graph.output(part.durations(text, voice), "durations", "float32", (1, "N"))
    spoken = part.float_linear(text, "predictor.text_in")
    fixed = graph.node("Add", voice, weights["predictor.latent_in.bias"])
    graph.output(graph.node("Add", spoken, fixed), "spoken", "float32", (1, "N", width))
    for cross in range(-(-config.predictor_layers // CROSS_EVERY)):
        pair = part.float_linear(text, f"predictor.cross_attention.{cross}.key_value")
        pair = graph.node("Reshape", pair, [1, -1, 2 * heads, width // heads])
        pair = graph.node("Transpose", pair, perm=[0, 2, 1, 3])
        shape = (1, heads, "N", width // heads)
        for value, name in zip(
            graph.nodes("Split", 2, pair, axis=1, num_outputs=2), ("keys", "values"), strict=True
        ):
            graph.output(value, f"{name}{cross}", "float32", shape)
    return graph


class _Part:
    """Layers of the text encoder by the names of their weights."""

    def __init__(self, graph: Graph, weights: Weights, linear: Linear, heads: int) -> None:
        self.graph, self.weights, self.linear, self.heads = graph, weights, linear, heads

    def apply(self, x: str, name: str) -> str:
        return self.linear(
            self.graph, x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        )

    def float_linear(self, x: str, name: str) -> str:
        return plain(self.graph, x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, x: str, name: str) -> str:
        gain, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.graph.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=1e-5)

    def depthwise(self, x: str, name: str) -> str:
        weight = self.weights[f"{name}.weight"]
        x = self.graph.node("Transpose", x, perm=[0, 2, 1])
        pad = weight.shape[2] // 2
        y = self.graph.node(
            "Conv", x, weight, self.weights[f"{name}.bias"], group=len(weight), pads=[pad, pad]
        )
        return self.graph.node("Transpose", y, perm=[0, 2, 1])

    def encoder(self, x: str, turns: list[str], layers: int) -> str:
        graph, place = self.graph, self.graph.constant(np.zeros(1, np.int64))
        for layer in range(layers):
            name = "text_encoder.encoder."
            y = self.norm(x, f"{name}norms.{2 * layer}")
            y = self.apply(y, f"{name}attention.{layer}.qkv")
            query, key, value = graph.nodes("Split", 3, y, axis=-1, num_outputs=3)
            query, key = (
                graph.node("RotaryEmbedding", each, place, *turns, domain=CONTRIB)
                for each in (query, key)
            )
            y = graph.node(
                "MultiHeadAttention", query, key, value, domain=CONTRIB, num_heads=self.heads
            )
            x = graph.node("Add", x, self.apply(y, f"{name}attention.{layer}.out"))
            y = self.norm(x, f"{name}norms.{2 * layer + 1}")
            y = self.apply(y, f"{name}feed_forward.{layer}.up")
            y = self.apply(
                graph.node("Gelu", y, domain=CONTRIB), f"{name}feed_forward.{layer}.down"
            )
            x = graph.node("Add", x, y)
        return self.norm(x, f"text_encoder.encoder.norms.{2 * layers}")

    def durations(self, text: str, voice: str) -> str:
        graph = self.graph
        x = graph.node("Add", text, voice)
        x = graph.node("Gelu", conv(graph, x, self.weights, "durations.first"), domain=CONTRIB)
        x = self.norm(x, "durations.norm")
        x = graph.node("Gelu", conv(graph, x, self.weights, "durations.second"), domain=CONTRIB)
        return graph.node("Squeeze", self.float_linear(x, "durations.out"), [2])


def conv(
    graph: Graph,
    x: str,
    weights: Weights,
    name: str,
    *,
    dilation: int = 1,
    linear: Linear = plain,
) -> str:
    """A convolution that keeps the length, x [B, F, I] -> [B, F, O], as one product."""
    pad = dilation * (weights[f"{name}.weight"].shape[2] // 2)
    wide = graph.node("Pad", x, [0, pad, 0, 0, pad, 0])
    return inner_conv(graph, wide, weights, name, dilation=dilation, linear=linear)


def inner_conv(
    graph: Graph,
    x: str,
    weights: Weights,
    name: str,
    *,
    dilation: int = 1,
    linear: Linear = plain,
) -> str:
    """A convolution where its kernel fits, x [B, F + 2 pad, I] -> [B, F, O]."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    size = weight.shape[2]
    pad = dilation * (size // 2)
    taps = [
        graph.node("Slice", x, [tap * dilation], [tap * dilation - 2 * pad or 2**31], [1])
        for tap in range(size)
    ]
    rows = weight.transpose(0, 2, 1).reshape(len(weight), -1)
    return linear(graph, graph.node("Concat", *taps, axis=-1), rows, bias)
