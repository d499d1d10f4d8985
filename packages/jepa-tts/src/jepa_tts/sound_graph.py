"""From latents to what the waveform is made of, as one ONNX graph: mel decoder and vocoder.

Letters: T latent frames, Z latent dimensions, F = 4 T mel frames, M mel bands, D width, K bins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.config import STRIDE, JepaConfig
from jepa_tts.int8 import plain
from jepa_tts.onnx_graph import CONTRIB, Graph
from jepa_tts.text_graph import conv

if TYPE_CHECKING:
    from jepa_tts.int8 import Linear
    from jepa_tts.text_graph import Weights
    from jepa_tts.vocoder_config import VocoderConfig

REFINE, EMBED = 5, 7
"""Kernels of the refinement and of the vocoder's convolutions."""


def halo(config: JepaConfig, vocoder: VocoderConfig) -> int:
    """Latent frames on each side on which a frame's features depend."""
    decoder = sum(3**index + 1 for index in range(config.decoder_blocks)) + REFINE // 2
    upward = 2 + STRIDE  # one frame to each side at twice and at four times the stride
    return math.ceil((decoder + upward + (vocoder.layers + 1) * (EMBED // 2)) / STRIDE)


def sound_graph(
    config: JepaConfig, vocoder: VocoderConfig, model: Weights, sound: Weights, linear: Linear
) -> Graph:
    """``latents`` [1, T, Z] -> ``pitch`` [1, F, 2] and ``envelopes`` [1, F, 2 K] (both logarithms,
    of the pulses and of the noise).
    """
    graph = Graph()
    latents = graph.input("latents", "float32", (1, "T", config.latent))
    mel = _decoder(graph, latents, config, model, linear)
    x = _backbone(graph, mel, vocoder, sound, linear)
    pitch = plain(graph, x, sound["head.pitch.weight"], sound["head.pitch.bias"])
    out = linear(graph, x, sound["head.out.weight"], sound["head.out.bias"])
    graph.output(pitch, "pitch", "float32", (1, "F", 2))
    clipped = graph.node("Clip", out, -14.0, 6.0)
    graph.output(clipped, "envelopes", "float32", (1, "F", vocoder.n_fft + 2))
    return graph


def _decoder(graph: Graph, x: str, config: JepaConfig, weights: Weights, linear: Linear) -> str:
    own = {n.removeprefix("mel_decoder."): w for n, w in weights.items() if "mel_decoder" in n}
    direct = plain(graph, x, own["projection.weight"], own["projection.bias"])
    direct = graph.node("Reshape", direct, [0, -1, config.mel.n_mels])
    x = plain(graph, x, own["into.weight"], own["into.bias"])
    for name in ("up_first", "up_second"):
        x = graph.node("Gelu", _doubled(graph, x, own, name, linear), domain=CONTRIB)
    for index in range(config.decoder_blocks):
        block = f"blocks.{index}"
        y = _norm(graph, x, own, f"{block}.norm", 1e-5)
        y = conv(graph, y, own, f"{block}.first", dilation=3**index, linear=linear)
        y = graph.node("Gelu", y, domain=CONTRIB)
        x = graph.node("Add", x, conv(graph, y, own, f"{block}.second", linear=linear))
    return graph.node("Add", direct, conv(graph, x, own, "refine", linear=linear))


def _doubled(graph: Graph, x: str, weights: Weights, name: str, linear: Linear) -> str:
    """A transposed convolution of size 4 and stride 2, [1, F, I] -> [1, 2 F, O]: both of a frame's
    outputs from the frame and its neighbours.
    """
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]  # [I, O, 4]
    wide = graph.node("Pad", x, [0, 1, 0, 0, 1, 0])
    before = graph.node("Slice", wide, [0], [-2], [1])
    after = graph.node("Slice", wide, [2], [2**31], [1])
    rows = graph.node("Concat", before, x, after, axis=-1)
    none = np.zeros(weight.shape[1::-1], np.float32)
    even = np.concatenate((weight[:, :, 3].T, weight[:, :, 1].T, none), 1)
    odd = np.concatenate((none, weight[:, :, 2].T, weight[:, :, 0].T), 1)
    y = linear(graph, rows, np.concatenate((even, odd)), np.concatenate((bias, bias)))
    return graph.node("Reshape", y, [0, -1, weight.shape[1]])


def _backbone(
    graph: Graph, mel: str, vocoder: VocoderConfig, weights: Weights, linear: Linear
) -> str:
    own = {n.removeprefix("backbone."): w for n, w in weights.items() if n.startswith("backbone.")}
    x = _norm(graph, conv(graph, mel, own, "embed", linear=linear), own, "norm", 1e-6)
    for index in range(vocoder.layers):
        block = f"convnext.{index}"
        y = graph.node("Transpose", x, perm=[0, 2, 1])
        y = graph.node(
            "Conv", y, own[f"{block}.dwconv.weight"], own[f"{block}.dwconv.bias"],
            group=vocoder.width, pads=[EMBED // 2, EMBED // 2],
        )  # fmt: skip
        y = _norm(graph, graph.node("Transpose", y, perm=[0, 2, 1]), own, f"{block}.norm", 1e-6)
        y = linear(graph, y, own[f"{block}.pwconv1.weight"], own[f"{block}.pwconv1.bias"])
        scale = own[f"{block}.gamma"]
        weight = own[f"{block}.pwconv2.weight"] * scale[:, None]
        y = graph.node("Gelu", y, domain=CONTRIB)
        y = linear(graph, y, weight, own[f"{block}.pwconv2.bias"] * scale)
        x = graph.node("Add", x, y)
    return _norm(graph, x, own, "final_layer_norm", 1e-6)


def _norm(graph: Graph, x: str, weights: Weights, name: str, epsilon: float) -> str:
    gain, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return graph.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=epsilon)
