"""What IndexTTS trains on in a clip: its codes, its voice and its emotion, from wherever they come.

Letters: T codes, C latents, D width, F frames, M numbers per frame, X numbers of a style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.families.clip import numbers
from tts_lora.families.indextts_checkpoint import read_tensors
from tts_lora.families.indextts_emotions import EMOTION_NAMES
from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_config import IndexTTSConfig
    from voice_data.dataset import Example

CLIPS = "codes"
Hear = Callable[["Tensor"], "dict[str, Tensor]"]
"""The network's ear: from frames [F, M] to ``latents`` [C, D], and ``emovec`` [D]."""


def given_tensors(folder: Path | None, name: str) -> dict[str, Tensor]:
    """What the user prepared for the clip ``name`` in ``codes/NAME.safetensors``, or nothing.

    Raises:
        SpeechModelError: if the file is damaged.
        PathError: if the name leads out of the folder.
    """
    from voice_data.storage import inside

    if folder is None:
        return {}
    path = inside(folder / CLIPS, f"{name}.safetensors")
    return read_tensors(path) if path.is_file() else {}


def codes_of(
    example: Example, known: Mapping[str, Tensor], gpt: IndexTTSConfig, codec: Any = None
) -> Tensor:
    """Codes [T] int64: of the manifest, of the file, or the codec's.

    Raises:
        SpeechModelError: if there are none, or one is not a code.
    """
    import torch

    name = example.utterance.id
    given = numbers(example.utterance, "codes")
    if given is not None:
        codes = torch.tensor(given)
    elif "codes" in known:
        codes = known["codes"]
    elif codec is not None:
        codes = codec.encode(torch.from_numpy(example.audio.samples))
    else:
        raise SpeechModelError(
            f"clip {name!r} has no codes, and IndexTTS's codec is in no package: put them into "
            f"the manifest (extra['codes']), into codes/{name}.safetensors beside the weights "
            "(tensor 'codes'), or set model.codec"
        )
    codes = codes.flatten().long()
    stops = {gpt.start_mel_token, gpt.stop_mel_token}
    wrong = [c for c in codes.tolist() if not 0 <= c < gpt.number_mel_codes or c in stops]
    if wrong or not len(codes):
        found = f"the code {wrong[0]}" if wrong else "no code at all"
        raise SpeechModelError(
            f"clip {name!r} has {found}: codes are from 0 to {gpt.number_mel_codes - 1}, without "
            f"{sorted(stops)}; encode it again"
        )
    return codes


def voice_of(
    example: Example, known: Mapping[str, Tensor], gpt: IndexTTSConfig, hear: Hear
) -> dict[str, Tensor]:
    """``latents`` [C, D], ``emovec`` [D] of IndexTTS 2 and ``style`` [X] if known: of the file, or
    heard in its ``features`` [F, M], or by IndexTTS 1.5 in the clip.

    Raises:
        SpeechModelError: if there is nothing to hear the voice in, or a tensor has another shape.
    """
    import torch

    name, feels = example.utterance.id, gpt.emo_condition_module is not None
    told = {key: known[key].float() for key in ("latents", "emovec", "style") if key in known}
    missing = {"latents", *(["emovec"] if feels else [])} - told.keys()
    if missing:
        if "features" in known:
            frames = known["features"].float()
        elif feels:
            raise SpeechModelError(
                f"clip {name!r} has no {' and no '.join(sorted(missing))}, and IndexTTS 2 hears a "
                f"voice in features of another model: put 'features' [F, {gpt.feature_dim}] "
                f"into codes/{name}.safetensors beside the weights"
            )
        else:
            from voice_data.mel import MelConfig, log_mel

            samples = example.audio.resample(MelConfig().sample_rate).samples
            frames = log_mel(torch.from_numpy(samples)[None])[0].T
        told = {**hear(frames), **told}
    wanted = {"latents": [gpt.condition_num_latent, gpt.model_dim], "emovec": [gpt.model_dim]}
    for key, shape in wanted.items():
        if key in told and list(told[key].shape) != shape:
            raise SpeechModelError(
                f"clip {name!r} has {key} {list(told[key].shape)} and {shape} is wanted: were "
                "they made with another checkpoint?"
            )
    return told


def emotion_of(example: Example, known: Mapping[str, Tensor]) -> Tensor | None:
    """The weights [8] of the manifest or the file, if any.

    Raises:
        SpeechModelError: if they are not eight, or one is negative.
    """
    import torch

    given, name = numbers(example.utterance, "emotion"), example.utterance.id
    weights = known.get("emotion") if given is None else torch.tensor(given)
    if weights is None:
        return None
    if len(weights) != len(EMOTION_NAMES) or bool((weights < 0).any()):
        raise SpeechModelError(
            f"clip {name!r} has the emotion {weights.tolist()}: eight weights of 0 or more are "
            f"wanted, {', '.join(EMOTION_NAMES)}"
        )
    return weights.float()
