"""The arrays that the step reads and writes in place, one row per sentence on its way.

Letters: B rows, T frames that the cache holds, N bytes that a row holds, Z latent dimensions,
D width, H heads, d = D / H, C cross-attentions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jepa_tts.config import CROSS_EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jepa_tts.config import JepaConfig
    from jepa_tts.score import Score
    from jepa_tts.step_graph import RunningStep

UNHEARD = -1e9
"""Log weight of bytes that are padding."""


class Rows:
    """Sentences at any frame of theirs, side by side; what a row gives depends on itself alone."""

    def __init__(
        self,
        step: RunningStep,
        config: JepaConfig,
        start: np.ndarray,
        shape: tuple[int, int, int],
        spare: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """``shape`` is (B, T, N); ``spare`` arrays that are large enough are used again.

        Raises:
            MemoryError: if that many do not fit.
        """
        self.count, self.frames, self.letters = shape
        self._step, self._config, self._start = step, config, start
        self._binding = step.session.io_binding()
        self._arrays: dict[str, np.ndarray] = {}
        self._spare = spare or {}
        self._scores: list[Score | None] = [None] * self.count
        heads, size = config.heads, config.width // config.heads
        crosses = range(-(-config.predictor_layers // CROSS_EVERY))
        self._past = self._input("past", np.zeros((self.count, 1, config.latent), np.float32))
        self._fixed = self._input("fixed", np.zeros((self.count, 1, config.width), np.float32))
        self._bias = np.zeros((len(crosses), self.count, heads, 1, self.letters), np.float32)
        for cross in crosses:
            self._input(f"bias{cross}", self._bias[cross])
        self._frame = [0] * self.count
        self._length = self._input("length", np.zeros(self.count, np.int32))
        self._total = self._input("total", np.zeros((), np.int32))
        for name, turn in zip(("cosine", "sine"), rotary(self.frames, size), strict=True):
            self._input(name, turn)
        text = self.count, heads, self.letters, size
        self._keys, self._values = (
            [self._large(f"{name}{cross}", text) for cross in crosses]
            for name in ("keys", "values")
        )
        past = self.count, heads, self.frames, size
        for cache in step.caches:
            self._output(cache.present, self._large(cache.past, past))
        out = np.empty((self.count, 1, config.latent + 1), np.float32)
        self._out = self._output("out", out)

    def seat(self, row: int, score: Score) -> None:
        """Let a sentence begin in a row; it must fit."""
        letters = score.bias.shape[-1]
        self._scores[row] = score
        self._past[row], self._frame[row] = self._start, 0
        self._bias[:, row] = UNHEARD
        for cross in range(len(self._keys)):
            self._keys[cross][row, :, :letters] = score.keys[cross]
            self._values[cross][row, :, :letters] = score.values[cross]

    def free(self, row: int) -> None:
        """Let a row rest."""
        self._scores[row] = None
        self._frame[row] = 0

    def step(self) -> np.ndarray:
        """One frame of every row: its latents and the logit that it is the last, [B, Z + 1]."""
        self._length[...] = self._frame
        self._total.fill(max(self._frame) + 1)
        for row, score in enumerate(self._scores):
            if score is not None:
                frame = self._frame[row]
                self._fixed[row, 0] = score.fixed[frame]
                self._bias[:, row, :, 0, : score.bias.shape[-1]] = score.bias[frame]
                self._frame[row] = frame + 1
        self._step.session.run_with_iobinding(self._binding)
        self._past[...] = self._out[:, :, :-1]
        return self._out[:, 0].copy()

    def moved(self, rows: Sequence[int], shape: tuple[int, int, int]) -> Rows:
        """Other rows of another shape; the first ones go on where ``rows`` of these are, which must
        not be used any more.
        """
        new = Rows(self._step, self._config, self._start, shape, self._arrays)
        new._spare = {}
        kept = list(rows)
        for name, array in self._arrays.items():
            if name in ("total", "cosine", "sine"):
                continue
            old = array.take(kept, axis=0)
            place = tuple(slice(0, size) for size in old.shape)
            if name.startswith("bias"):
                new._arrays[name][...] = UNHEARD
            new._arrays[name][place] = old
        new._scores[: len(kept)] = [self._scores[row] for row in kept]
        new._frame[: len(kept)] = [self._frame[row] for row in kept]
        return new

    def _large(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        spare = self._spare.get(name)
        if spare is not None and spare.shape[1:] == shape[1:] and len(spare) >= shape[0]:
            return self._input(name, spare[: shape[0]])
        return self._input(name, np.zeros(shape, np.float32))

    def _input(self, name: str, array: np.ndarray) -> np.ndarray:
        self._arrays[name] = array
        self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return array

    def _output(self, name: str, array: np.ndarray) -> np.ndarray:
        self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return array


def rotary(length: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [length, width / 2] of :func:`jepa_tts.transformer.rotary`."""
    frequency = 10_000.0 ** (-np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    angle = np.arange(length, dtype=np.float32)[:, None] * frequency.astype(np.float32)
    return np.cos(angle), np.sin(angle)
