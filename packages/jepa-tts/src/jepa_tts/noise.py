"""White noise as torch draws it from a generator of the same seed, without torch."""

from __future__ import annotations

import numpy as np

GROUP = 16
"""Values that torch's normal distribution makes at once (ATen, ``normal_fill``)."""


class Noise:
    """A stream of normal values: the same as ``torch.randn`` of a seeded generator, to rounding.

    Valid for draws of multiples of 16 values.

    >>> Noise(0).draw(16)[:2].round(4)
    array([-1.1258, -1.1524], dtype=float32)
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed % 2**32)

    def draw(self, count: int) -> np.ndarray:
        """The next ``count`` values, [count] of float32.

        Raises:
            ValueError: if ``count`` is not a multiple of 16.
        """
        if count % GROUP:
            raise ValueError(f"count must be a multiple of {GROUP}, not {count}")
        words = self._random.randint(0, 2**32, count, dtype=np.uint32)
        uniform = (words & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2**-24)
        pairs = uniform.reshape(-1, 2, GROUP // 2).transpose(1, 0, 2)
        first, second = np.ascontiguousarray(pairs)  # groups of eight are too short for NumPy
        radius = np.sqrt(np.float32(-2.0) * np.log(np.float32(1.0) - first))
        angle = np.float32(2.0 * np.pi) * second
        made = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
        return made.reshape(-1)
