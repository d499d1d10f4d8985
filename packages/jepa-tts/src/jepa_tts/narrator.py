"""Speech without torch: the model's networks in ONNX Runtime, what lies between them in NumPy.

Letters: N bytes, T latent frames, Z latent dimensions, D width, H heads, d = D / H, S samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from threading import Semaphore
from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.ahead import ahead, in_turn
from jepa_tts.alphabet import to_bytes
from jepa_tts.config import CROSS_EVERY, STRIDE
from jepa_tts.int8 import linear
from jepa_tts.languages import script_of
from jepa_tts.machine import cores
from jepa_tts.noise import Noise
from jepa_tts.onnx_graph import run
from jepa_tts.renderer import Block, Features, Renderer, blocks, gathered
from jepa_tts.rows import Rows, rotary
from jepa_tts.score import Score, planned_frames, scored, timed
from jepa_tts.sound_graph import RunningSound, halo, sound_graph
from jepa_tts.step_graph import RunningStep, step_graph
from jepa_tts.text_graph import text_graph
from jepa_tts.voice import Timbre, coloured
from jepa_tts.waveform import Waveform
from voice_data.audio import Audio

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from jepa_tts.int8 import Precision
    from jepa_tts.weights import Weights

FIRST, BLOCK = 4, 12
"""Latent frames that are made to sound at once when somebody waits for them: of the first piece a
sixth of a second, then half a second."""
LONG_BLOCK = 48
"""When nobody does: fewer blocks cost less."""


def can_speak(weights: Weights) -> bool:
    """Whether the graphs know this vocoder's head and window."""
    vocoder = weights.vocoder
    whole = vocoder.n_fft % (2 * vocoder.hop_length) == 0 and vocoder.hop_length % 16 == 0
    return vocoder.head == "source-filter" and vocoder.padding == "center" and whole


class Narrator:
    """A checkpoint ready to speak: graphs are built when they are first needed.

    ``precision`` "int8" is fastest, "float32" is equal to torch to rounding. With more than one of
    ``threads`` (by default, where there is more than one core) what is predicted is made to sound
    while more is predicted; no more of them than that are at work at once.
    """

    def __init__(
        self, weights: Weights, *, precision: Precision = "int8", threads: int | None = None
    ) -> None:
        self.weights, self.config = weights, weights.model
        self.precision: Precision = precision
        self.threads = threads or cores()
        self.halo = halo(weights.model, weights.vocoder)
        self._others: dict[str, Narrator] = {}

    def fluent(self, text: str) -> Narrator:
        """Who reads this text: itself, or what it is in the language of the text's script.

        Raises:
            ArtefactError: if that language is damaged, or for another checkpoint.
        """
        script = script_of(text)
        if script not in self.weights.languages:
            return self
        if script not in self._others:
            self._others[script] = Narrator(
                self.weights.speaking(script), precision=self.precision, threads=self.threads
            )
        return self._others[script]

    def planned(self, text: str, voice: np.ndarray, speed: float = 1.0) -> int:
        """Latent frames that one sentence is planned to last in the ``voice`` [D]."""
        return planned_frames(self._timed(self.fluent(text)._read(text, voice)[0], speed))

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
        rows = self.rows((1, score.limit, score.bias.shape[-1]), many=False)
        rows.seat(0, score)
        for frame in range(score.limit):
            out = rows.step()[0]
            yield out[:-1]
            if frame + 2 >= score.planned and out[-1] > 0:
                return

    def rows(self, shape: tuple[int, int, int], *, many: bool = True) -> Rows:
        """Rows to seat sentences in, of ``shape`` (rows, latent frames, bytes)."""
        start = self.weights.tensors["predictor.start"]
        return Rows(self._many_step if many else self._one_step, self.config, start, shape)

    def spoken(
        self,
        sentences: Iterable[str],
        voice: np.ndarray,
        speed: float,
        seed: int,
        *,
        pieces: bool = False,
        colour: np.ndarray | None = None,
    ) -> Iterator[Audio]:
        """Each sentence in the ``voice`` [D] with the ``colour`` [2, Z + 1, Z]; with ``pieces``
        in parts, which joined are the same samples, each as soon as it is made.
        """
        script, noise, rate = list(sentences), Noise(seed), self.config.mel.sample_rate
        block = BLOCK if pieces or self.threads > 1 else LONG_BLOCK
        gate, first = Semaphore(self.threads), FIRST if pieces else block
        timbre = Timbre(voice, colour)
        latents = in_turn(self._predicted(script, timbre, speed, (first, block)), gate)
        if self.threads > 1:
            features = ahead(self._features(ahead(latents), gate))
        else:
            features = self._features(latents, gate)
        if not pieces:
            features = gathered(features, 2 * block * STRIDE)
        for _ in script:
            parts = self._samples(features, Waveform(self.weights.vocoder, noise), gate)
            if pieces:
                yield from (Audio(part, rate) for part in parts)
            else:
                yield Audio(np.concatenate(list(parts)), rate)

    def _predicted(
        self, script: Iterable[str], timbre: Timbre, speed: float, sizes: tuple[int, int]
    ) -> Iterator[Block]:
        first, size = sizes
        for sentence in script:
            reader = self.fluent(sentence)
            latents = reader.latents(reader.score(sentence, timbre.vector, speed))
            for made in blocks(latents, self.halo + first, size):
                yield made._replace(latents=coloured(made.latents, timbre.colour))

    def sound(self, latents: np.ndarray, noise: Noise) -> np.ndarray:
        """Latents [T, Z] -> samples [S]."""
        parts = blocks(latents, self.halo + LONG_BLOCK, LONG_BLOCK)
        gate, wave = Semaphore(), Waveform(self.weights.vocoder, noise)
        return np.concatenate(list(self._samples(self._features(parts, gate), wave, gate)))

    def _features(self, latents: Iterable[Block], gate: Semaphore) -> Iterator[Features]:
        renderer = Renderer(self._running_sound)
        for block in latents:
            with gate:
                made = renderer.put(block)
            yield made
            if block.last:
                renderer = Renderer(self._running_sound)

    def _samples(
        self, features: Iterator[Features], wave: Waveform, gate: Semaphore
    ) -> Iterator[np.ndarray]:
        """The next sentence."""
        for each in features:
            with gate:
                made = wave.put(each.pitch, each.envelopes, last=each.last).clip(-1.0, 1.0)
            yield made
            if each.last:
                return

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
        return text_graph(self.config, self.weights.tensors, product).session()

    @cached_property
    def _one_step(self) -> RunningStep:
        return self._running(many=False)

    @cached_property
    def _many_step(self) -> RunningStep:
        return self._running(many=True)

    def _running(self, *, many: bool) -> RunningStep:
        product = linear(self.precision, many=many)
        step = step_graph(self.config, self.weights.tensors, product)
        return RunningStep(step.graph.session(), step.caches)

    @cached_property
    def _running_sound(self) -> RunningSound:
        sound = sound_graph(
            self.config,
            self.weights.vocoder,
            self.weights.tensors,
            self.weights.sounds,
            linear(self.precision, many=True),
        )
        return RunningSound(sound.graph.session(), sound.states)
