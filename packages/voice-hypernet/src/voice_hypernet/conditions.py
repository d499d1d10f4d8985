"""What a base is told of the voices of training: worked out once, kept beside their features.

A base may take a second for each voice to hear its clips; every run would pay for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voice_data.storage import replacing

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.speech import Condition, SpeechModel
    from voice_hypernet.corpus import Speaker, VoiceCorpus

_log = logging.getLogger(__name__)

CLIPS = 3
"""Clips of a voice by which the base is told it."""
_SAVED_EVERY = 32


def conditions(
    model: SpeechModel, corpus: VoiceCorpus, speakers: Sequence[Speaker]
) -> dict[str, Condition]:
    """What ``model`` would be told of some speakers by a few of their clips, by name.

    They stay in the folder of the corpus, in a file for each base; a killed call goes on.
    """
    path = corpus.folder / f"told-{model.weights_sha256[:16]}.safetensors"
    known = _read(path)
    missing = [each for each in speakers if each.name not in known]
    for index, speaker in enumerate(missing, 1):
        known[speaker.name] = dict(model.condition(_some(corpus, speaker)))
        if index % _SAVED_EVERY == 0 or index == len(missing):
            _write(path, known)
            _log.info("the base was told %d of %d voices", index, len(missing))
    return {each.name: known[each.name] for each in speakers}


def _some(corpus: VoiceCorpus, speaker: Speaker) -> list[Mapping[str, Tensor]]:
    apart = max(1, len(speaker.clips) // CLIPS)
    return [corpus.data[place] for place in speaker.clips[::apart][:CLIPS]]


def _read(path: Path) -> dict[str, dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, dict[str, Tensor]] = {}
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        return found
    except (OSError, SafetensorError) as error:
        _log.warning("%s cannot be read (%s): it is made again", path, error)
        return found
    for key, value in tensors.items():
        name, _, part = key.rpartition("/")
        found.setdefault(name, {})[part] = value
    return found


def _write(path: Path, known: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Keep them, unless the folder cannot be written: they are a matter of time only."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}/{part}": value.contiguous().clone()
        for name, told in known.items()
        for part, value in told.items()
    }
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary)
    except OSError as error:
        _log.warning("%s cannot be written (%s): the next run works it out again", path, error)
