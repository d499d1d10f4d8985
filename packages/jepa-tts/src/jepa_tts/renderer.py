"""Latents of one sentence to samples, block by block: the sound graph, then the waveform.

Letters: T latent frames, Z latent dimensions, S samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jepa_tts.onnx_graph import run
from jepa_tts.sound_graph import LAST
from jepa_tts.waveform import Waveform

if TYPE_CHECKING:
    from jepa_tts.noise import Noise
    from jepa_tts.sound_graph import RunningSound
    from jepa_tts.vocoder_config import VocoderConfig


class Block(NamedTuple):
    """Successive latents [T, Z] of a sentence, which may be its ``last``."""

    latents: np.ndarray
    last: bool


def blocks(latents: Iterable[np.ndarray], first: int, size: int) -> Iterator[Block]:
    """The latents [Z] of a sentence in blocks: the first of another size than those after it, the
    last of what is left.
    """
    made: list[np.ndarray] = []
    wanted = first
    for latent in latents:
        if len(made) == wanted:
            yield Block(np.stack(made), last=False)
            made, wanted = [], size
        made.append(latent)
    yield Block(np.stack(made), last=True)


class Renderer:
    """One sentence on its way to samples. The first block must be longer than the graph's reach to
    one side (:func:`jepa_tts.sound_graph.halo`), unless it is the last one too.
    """

    def __init__(self, sound: RunningSound, vocoder: VocoderConfig, noise: Noise) -> None:
        self._session, self._names = sound.session, [state.past for state in sound.states]
        self._wave = Waveform(vocoder, noise)
        zeros = (np.zeros((1, state.pad, state.channels), np.float32) for state in sound.states)
        self._past = dict(zip(self._names, zeros, strict=True))

    def put(self, block: Block) -> np.ndarray:
        """The samples [S] that nothing still to come can change; after the last, all of them."""
        end = np.array([LAST if block.last else 0])
        inputs = {"latents": block.latents[None], "end": end, **self._past}
        pitch, envelopes, *presents = run(self._session, inputs)
        self._past = dict(zip(self._names, presents, strict=True))
        return self._wave.put(pitch[0], envelopes[0], last=block.last).clip(-1.0, 1.0)
