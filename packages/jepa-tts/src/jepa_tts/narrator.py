"""Speech without torch: the model's networks in ONNX Runtime, what lies between them in NumPy.

Letters: N bytes, T latent frames, Z latent dimensions, D width, H heads, d = D / H, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.alphabet import to_bytes
from jepa_tts.config import CROSS_EVERY, STRIDE
from jepa_tts.int8 import linear
from jepa_tts.noise import Noise
from jepa_tts.onnx_graph import run
from jepa_tts.score import Score, planned_frames, scored, timed
from jepa_tts.sound_graph import halo, sound_graph
from jepa_tts.step_graph import step_graph
from jepa_tts.text_graph import text_graph
from jepa_tts.waveform import Waveform
from voice_data.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onnxruntime import InferenceSession

    from jepa_tts.int8 import Precision
    from jepa_tts.step_graph import Step
    from jepa_tts.weights import Weights

FIRST_PIECE = 12
"""Latent frames of the first piece of a stream, half a second; every piece is twice as long as the
one before it, up to the longest.
"""
LONGEST_PIECE = 96


def can_speak(weights: Weights) -> bool:
    """Whether the graphs know this vocoder's head and window."""
    vocoder = weights.vocoder
    whole = vocoder.n_fft % (2 * vocoder.hop_length) == 0 and vocoder.hop_length % 16 == 0
    return vocoder.head == "source-filter" and vocoder.padding == "center" and whole


class Narrator:
    """A checkpoint ready to speak: graphs are built when they are first needed.

    ``precision`` "int8" is fastest, "float32" is equal to torch to rounding.
    """

    def __init__(
        self, weights: Weights, *, precision: Precision = "int8", threads: int = 1
    ) -> None:
        self.weights, self.config = weights, weights.model
        self.precision: Precision = precision
        self.threads = threads
        self.halo = halo(weights.model, weights.vocoder)

    def planned(self, text: str, voice: np.ndarray, speed: float = 1.0) -> int:
        """Latent frames that one sentence is planned to last in the ``voice`` [D]."""
        return planned_frames(self._timed(self._read(text, voice)[0], speed))

    def score(self, text: str, voice: np.ndarray, speed: float = 1.0) -> Score:
        """What one sentence, spoken in the ``voice`` [D], gives the step."""
        durations, spoken, *pairs = self._read(text, voice)
        keys, values = (np.concatenate(pairs[part::2]) for part in (0, 1))
        weights = self.weights.tensors
        phase = weights["predictor.phase_in.weight"].T, weights["predictor.phase_in.bias"]
        return scored(
            self._timed(durations, speed), spoken[0], phase, self._strengths, (keys, values)
        )

    def latents(self, score: Score) -> Iterator[np.ndarray]:
        """Free-running prediction: latents [Z], one frame after the other, to the end."""
        run = _Run(self._step_session, self._step, score, self.weights.tensors["predictor.start"])
        for frame in range(score.limit):
            out = run.step(frame)
            yield out[:-1]
            if frame + 2 >= score.planned and out[-1] > 0:
                return

    def spoken(
        self,
        sentences: Iterable[str],
        voice: np.ndarray,
        speed: float,
        seed: int,
        *,
        pieces: bool = False,
    ) -> Iterator[Audio]:
        """Each sentence in the ``voice`` [D]; with ``pieces`` in parts, which joined are the same
        samples, each as soon as it is made.
        """
        noise, rate = Noise(seed), self.config.mel.sample_rate
        for sentence in sentences:
            latents = self.latents(self.score(sentence, voice, speed))
            if pieces:
                yield from (Audio(part, rate) for part in self._parts(latents, noise))
            else:
                yield Audio(self.sound(np.stack(list(latents)), noise), rate)

    def sound(self, latents: np.ndarray, noise: Noise) -> np.ndarray:
        """Latents [T, Z] -> samples [S]."""
        wave = Waveform(self.weights.vocoder, noise)
        return self._piece(latents, 0, len(latents), wave, last=True)

    def _parts(self, latents: Iterable[np.ndarray], noise: Noise) -> Iterator[np.ndarray]:
        wave = Waveform(self.weights.vocoder, noise)
        made: list[np.ndarray] = []
        done, size = 0, FIRST_PIECE
        for latent in latents:
            made.append(latent)
            if len(made) == done + size + self.halo:
                yield self._piece(made, done, done + size, wave, last=False)
                done, size = done + size, min(2 * size, LONGEST_PIECE)
        yield self._piece(made, done, len(made), wave, last=True)

    def _piece(
        self,
        latents: list[np.ndarray] | np.ndarray,
        start: int,
        end: int,
        wave: Waveform,
        *,
        last: bool,
    ) -> np.ndarray:
        first = max(0, start - self.halo)
        heard = np.asarray(latents[first : end + self.halo], np.float32)[None]
        pitch, envelopes = run(self._sound_session, {"latents": heard})
        kept = slice(STRIDE * (start - first), STRIDE * (end - first))
        return wave.put(pitch[0, kept], envelopes[0, kept], last=last).clip(-1.0, 1.0)

    def _read(self, text: str, voice: np.ndarray) -> list[np.ndarray]:
        ids = np.array([to_bytes(text)], np.int64)
        cosine, sine = rotary(ids.shape[1], self.config.width // self.config.heads)
        inputs = {"ids": ids, "voice": voice[None], "cosine": cosine, "sine": sine}
        return run(self._text_session, inputs)

    def _timed(self, durations: np.ndarray, speed: float) -> np.ndarray:
        return timed(durations[0], speed)

    @cached_property
    def _strengths(self) -> np.ndarray:
        count = -(-self.config.predictor_layers // CROSS_EVERY)
        names = (f"predictor.cross_attention.{cross}.strength" for cross in range(count))
        return np.stack([self.weights.tensors[name] for name in names])

    @cached_property
    def _text_session(self) -> InferenceSession:
        product = linear("float32", many=True)
        return text_graph(self.config, self.weights.tensors, product).session(self.threads)

    @cached_property
    def _step(self) -> Step:
        return step_graph(self.config, self.weights.tensors, linear(self.precision, many=False))

    @cached_property
    def _step_session(self) -> InferenceSession:
        return self._step.graph.session(1)

    @cached_property
    def _sound_session(self) -> InferenceSession:
        graph = sound_graph(
            self.config,
            self.weights.vocoder,
            self.weights.tensors,
            self.weights.sounds,
            linear(self.precision, many=True),
        )
        return graph.session(self.threads)


class _Run:
    """A sentence on its way: arrays that the step reads and writes in place."""

    def __init__(
        self, session: InferenceSession, step: Step, score: Score, start: np.ndarray
    ) -> None:
        self._session, self._score = session, score
        self._binding = session.io_binding()
        self._arrays: dict[str, np.ndarray] = {}
        _, crosses, heads, _ = score.bias.shape
        size = score.keys.shape[-1]
        self._past = self._bind("past", np.array(start[None, None], np.float32))
        self._fixed = self._bind("fixed", np.empty((1, 1, score.fixed.shape[1]), np.float32))
        shape = (crosses, 1, heads, 1, score.bias.shape[3])
        self._bias = self._bind("bias", np.empty(shape, np.float32))
        self._length = self._bind("length", np.zeros(1, np.int32))
        self._total = self._bind("total", np.zeros((), np.int32))
        for name, turn in zip(("cosine", "sine"), rotary(score.limit, size), strict=True):
            self._bind(name, turn)
        for cross in range(crosses):
            self._bind(f"keys{cross}", np.ascontiguousarray(score.keys[cross][None]))
            self._bind(f"values{cross}", np.ascontiguousarray(score.values[cross][None]))
        for cache in step.caches:
            buffer = np.empty((1, heads, score.limit, size), np.float32)
            self._bind(cache.past, buffer)
            self._bind_output(cache.present, buffer)
        self._out = np.empty((1, 1, len(start) + 1), np.float32)
        self._bind_output("out", self._out)

    def step(self, frame: int) -> np.ndarray:
        """The latents of ``frame`` and the logit that it is the last, [Z + 1]."""
        self._fixed[0, 0] = self._score.fixed[frame]
        self._bias[:, 0, :, 0] = self._score.bias[frame]
        self._length[0], self._total[...] = frame, frame + 1
        self._session.run_with_iobinding(self._binding)
        self._past[0, 0] = self._out[0, 0, :-1]
        return self._out[0, 0].copy()

    def _bind(self, name: str, array: np.ndarray) -> np.ndarray:
        self._arrays[name] = array
        self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return array

    def _bind_output(self, name: str, array: np.ndarray) -> None:
        self._arrays[name] = array
        self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)


def rotary(length: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [length, width / 2] of :func:`jepa_tts.transformer.rotary`."""
    frequency = 10_000.0 ** (-np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    angle = np.arange(length, dtype=np.float32)[:, None] * frequency.astype(np.float32)
    return np.cos(angle), np.sin(angle)
