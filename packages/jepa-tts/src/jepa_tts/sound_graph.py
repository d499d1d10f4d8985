"""From latents to what the waveform is made of, as one ONNX graph: mel decoder and vocoder.

Latents come block by block. Every layer that looks at its neighbours keeps the last frames of a
block for the next one, so that nothing is computed twice and the blocks are the whole.

Letters: T latent frames, Z latent dimensions, F = 4 T mel frames, M mel bands, D width, K bins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jepa_tts.config import STRIDE, JepaConfig
from jepa_tts.int8 import plain
from jepa_tts.onnx_graph import CONTRIB, Graph
from jepa_tts.text_graph import inner_conv

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from jepa_tts.int8 import Linear
    from jepa_tts.text_graph import Weights
    from jepa_tts.vocoder_config import VocoderConfig

REFINE, EMBED = 5, 7
"""Kernels of the refinement and of the vocoder's convolutions."""
LAST = 2**31


class State(NamedTuple):
    """Where the frames that a layer keeps go in and come out: ``pad`` of zeros [1, pad, channels]
    before the first block, from then on the last 2 pad.
    """

    past: str
    present: str
    pad: int
    channels: int


class Sound(NamedTuple):
    """``graph``: ``latents`` [1, T, Z], ``end`` [1] (0, or in the last block ``LAST``), and states
    -> ``pitch`` [1, F, 2] and ``envelopes`` [1, F, 2 K] (both logarithms, of the pulses and of the
    noise), and states. F lags behind 4 T until the last block.
    """

    graph: Graph
    states: list[State]


class RunningSound(NamedTuple):
    """The graph's session, and its states."""

    session: InferenceSession
    states: list[State]


def halo(config: JepaConfig, vocoder: VocoderConfig) -> int:
    """Latent frames on each side on which a frame's features depend."""
    reach = _decoder_reach(config) + (vocoder.layers + 1) * (EMBED // 2) + (vocoder.contrast > 0)
    return math.ceil(reach / STRIDE)


def sound_graph(
    config: JepaConfig, vocoder: VocoderConfig, model: Weights, sound: Weights, linear: Linear
) -> Sound:
    """Mel decoder and backbone, with the head's layers."""
    graph = Graph()
    latents = graph.input("latents", "float32", (1, "T", config.latent))
    flow = _Flow(graph)
    mel = _decoder(flow, latents, config, model, linear)
    x = _backbone(flow, mel, vocoder, sound, linear)
    contrasted = x
    if vocoder.contrast:
        wide = flow.around(x, vocoder.width, 1)
        x = flow.centre(wide, 1)
        contrasted = _contrasted(graph, wide, x, vocoder.contrast)
    pitch = plain(graph, x, sound["head.pitch.weight"], sound["head.pitch.bias"])
    out = linear(graph, contrasted, sound["head.out.weight"], sound["head.out.bias"])
    graph.output(pitch, "pitch", "float32", (1, "F", 2))
    clipped = graph.node("Clip", out, -14.0, 6.0)
    graph.output(clipped, "envelopes", "float32", (1, "F", vocoder.n_fft + 2))
    for state in flow.states:
        graph.expose(state.present, "float32", (1, f"N_{state.past}", state.channels))
    return Sound(graph, flow.states)


class _Flow:
    """Blocks of frames in a graph, and what is kept of them."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.states = graph, list[State]()
        self.end = graph.input("end", "int64", (1,))

    def around(self, x: str, channels: int, pad: int) -> str:
        """Frames x [1, F, channels] with ``pad`` to each side of those that can be computed now:
        zeros before the first and after the last block.
        """
        graph, name = self.graph, f"past_{len(self.states)}"
        past = graph.input(name, "float32", (1, f"P_{name}", channels))
        zeros = np.zeros((1, pad, channels), np.float32)
        after = graph.node("Slice", zeros, [0], self.end, [1])
        wide = graph.node("Concat", past, x, after, axis=1)
        present = graph.node("Slice", wide, [-2 * pad], [2**31], [1])
        self.states.append(State(name, present, pad, channels))
        return wide

    def centre(self, wide: str, pad: int) -> str:
        """The frames that have ``pad`` to each side."""
        return self.graph.node("Slice", wide, [pad], [-pad], [1])

    def late(self, x: str, channels: int, pad: int) -> str:
        """Frames that wait for others that lag ``pad`` behind."""
        return self.centre(self.around(x, channels, pad), pad)


def _decoder_reach(config: JepaConfig) -> int:
    """Mel frames by which the decoder's convolutions lag."""
    blocks = sum(3**index + 1 for index in range(config.decoder_blocks))
    upward = 2 + STRIDE  # one frame to each side at half and at a quarter of the rate
    return upward + blocks + REFINE // 2


def _decoder(flow: _Flow, x: str, config: JepaConfig, weights: Weights, linear: Linear) -> str:
    graph, mels, width = flow.graph, config.mel.n_mels, config.decoder_channels
    own = {n.removeprefix("mel_decoder."): w for n, w in weights.items() if "mel_decoder" in n}
    direct = plain(graph, x, own["projection.weight"], own["projection.bias"])
    direct = graph.node("Reshape", direct, [0, -1, mels])
    x = plain(graph, x, own["into.weight"], own["into.bias"])
    for name in ("up_first", "up_second"):
        x = graph.node("Gelu", _doubled(flow, x, own, name, linear), domain=CONTRIB)
    for index in range(config.decoder_blocks):
        block, reach = f"blocks.{index}", 3**index
        y = flow.around(_norm(graph, x, own, f"{block}.norm", 1e-5), width, reach)
        y = inner_conv(graph, y, own, f"{block}.first", dilation=reach, linear=linear)
        y = flow.around(graph.node("Gelu", y, domain=CONTRIB), width, 1)
        y = inner_conv(graph, y, own, f"{block}.second", linear=linear)
        x = graph.node("Add", flow.late(x, width, reach + 1), y)
    x = inner_conv(graph, flow.around(x, width, REFINE // 2), own, "refine", linear=linear)
    return graph.node("Add", flow.late(direct, mels, _decoder_reach(config)), x)


def _doubled(flow: _Flow, x: str, weights: Weights, name: str, linear: Linear) -> str:
    """A transposed convolution of size 4 and stride 2, F frames of I -> 2 F of O: both of a frame's
    outputs from the frame and its neighbours.
    """
    graph = flow.graph
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]  # [I, O, 4]
    wide = flow.around(x, len(weight), 1)
    before = graph.node("Slice", wide, [0], [-2], [1])
    after = graph.node("Slice", wide, [2], [2**31], [1])
    rows = graph.node("Concat", before, flow.centre(wide, 1), after, axis=-1)
    none = np.zeros(weight.shape[1::-1], np.float32)
    even = np.concatenate((weight[:, :, 3].T, weight[:, :, 1].T, none), 1)
    odd = np.concatenate((none, weight[:, :, 2].T, weight[:, :, 0].T), 1)
    y = linear(graph, rows, np.concatenate((even, odd)), np.concatenate((bias, bias)))
    return graph.node("Reshape", y, [0, -1, weight.shape[1]])


def _backbone(
    flow: _Flow, mel: str, vocoder: VocoderConfig, weights: Weights, linear: Linear
) -> str:
    graph, pad = flow.graph, EMBED // 2
    own = {n.removeprefix("backbone."): w for n, w in weights.items() if n.startswith("backbone.")}
    x = inner_conv(graph, flow.around(mel, vocoder.n_mels, pad), own, "embed", linear=linear)
    x = _norm(graph, x, own, "norm", 1e-6)
    for index in range(vocoder.layers):
        block = f"convnext.{index}"
        wide = flow.around(x, vocoder.width, pad)
        y = graph.node("Transpose", wide, perm=[0, 2, 1])
        weight, bias = (own[f"{block}.dwconv.{kind}"] for kind in ("weight", "bias"))
        y = graph.node("Conv", y, weight, bias, group=vocoder.width)
        y = _norm(graph, graph.node("Transpose", y, perm=[0, 2, 1]), own, f"{block}.norm", 1e-6)
        y = linear(graph, y, own[f"{block}.pwconv1.weight"], own[f"{block}.pwconv1.bias"])
        scale = own[f"{block}.gamma"]
        weight = own[f"{block}.pwconv2.weight"] * scale[:, None]
        y = graph.node("Gelu", y, domain=CONTRIB)
        y = linear(graph, y, weight, own[f"{block}.pwconv2.bias"] * scale)
        x = graph.node("Add", flow.centre(wide, pad), y)
    return _norm(graph, x, own, "final_layer_norm", 1e-6)


def _contrasted(graph: Graph, wide: str, x: str, contrast: float) -> str:
    """Frames x [1, F, D], in ``wide`` with one to each side, moved away from the mean of three."""
    before = graph.node("Slice", wide, [0], [-2], [1])
    after = graph.node("Slice", wide, [2], [LAST], [1])
    sides = graph.node("Mul", graph.node("Add", before, after), np.float32(contrast / 3))
    return graph.node("Sub", graph.node("Mul", x, np.float32(1 + contrast / 1.5)), sides)


def _norm(graph: Graph, x: str, weights: Weights, name: str, epsilon: float) -> str:
    gain, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return graph.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=epsilon)
