"""Latents of one sentence to the features of its waveform, block by block.

Letters: T latent frames, Z latent dimensions, F mel frames, K frequency bins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jepa_tts.onnx_graph import run
from jepa_tts.sound_graph import LAST

if TYPE_CHECKING:
    from jepa_tts.sound_graph import RunningSound


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


class Features(NamedTuple):
    """``pitch`` [F, 2] and ``envelopes`` [F, 2 K] of a block, which may be the ``last``."""

    pitch: np.ndarray
    envelopes: np.ndarray
    last: bool


def gathered(features: Iterable[Features], frames: int) -> Iterator[Features]:
    """Blocks joined until they hold so many ``frames``, or to the end of their sentence."""
    held: list[Features] = []
    for each in features:
        held.append(each)
        if each.last or sum(len(part.pitch) for part in held) >= frames:
            pitch, envelopes, _ = zip(*held, strict=True)
            yield Features(np.concatenate(pitch), np.concatenate(envelopes), each.last)
            held = []


class Renderer:
    """One sentence on its way from latents to features. The first block must be longer than the
    graph's reach to one side (:func:`jepa_tts.sound_graph.halo`), unless it is the last one too.
    """

    def __init__(self, sound: RunningSound) -> None:
        self._session, self._names = sound.session, [state.past for state in sound.states]
        zeros = (np.zeros((1, state.pad, state.channels), np.float32) for state in sound.states)
        self._past = dict(zip(self._names, zeros, strict=True))

    def put(self, block: Block) -> Features:
        """The features that nothing still to come can change; after the last, all of them."""
        end = np.array([LAST if block.last else 0])
        inputs = {"latents": block.latents[None], "end": end, **self._past}
        pitch, envelopes, *presents = run(self._session, inputs)
        self._past = dict(zip(self._names, presents, strict=True))
        return Features(pitch[0], envelopes[0], block.last)
