"""What all tests share: no network, and a training set of humming voices."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from voice_data.audio import write
from voice_data.dataset import Example
from voice_data.encoded import EncodedSet
from voice_data.encoded.clips import EncodedClip, Index, Source, write_index
from voice_data.manifest import Utterance
from voice_data.storage import file_sha256

sys.path.insert(0, str(Path(__file__).parent))  # for `from humming import ...`

from humming import PARTIALS, HumModel, clips_of

from voice_hypernet.corpus import write_voices


@pytest.fixture(scope="session")
def hummed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``set`` and ``voices``: twelve humming voices of eight clips, encoded and described.

    The features of a clip are the strengths of its partials; a voice with a strong first partial is
    tagged male, another one female.
    """
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("hummed")
    folder, model = root / "set", HumModel()
    tensors, clips, features, speakers = {}, [], [], {}
    for number, (speaker, text, audio, chord) in enumerate(clips_of(12, 8)):
        name = f"{speaker}-{number:03d}"
        path = folder / "clips" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, audio)
        said = Utterance(id=name, audio=path.name, text=text, speaker=speaker)
        encoded = model.encode(Example(utterance=said, audio=audio))
        tensors |= {f"{name}/{part}": value for part, value in encoded.items()}
        clips.append(
            EncodedClip(
                id=name,
                text=text,
                audio=f"clips/{name}.wav",
                speaker=speaker,
                length=model.length(encoded),
                duration=audio.duration,
                shard=0,
            )
        )
        features.append(encoded["chords"].numpy().mean(0) * 10)
        gender = "male" if chord[0] > 0.08 else "female"
        speakers[speaker] = {"tags": [f"gender={gender}"], "measures": {"duration": 1.0}}
    save_file(tensors, folder / "shard-00000.safetensors")
    shards = {"shard-00000.safetensors": file_sha256(folder / "shard-00000.safetensors")}
    index = Index(
        base="hum", base_sha256=model.weights_sha256, sample_rate=model.sample_rate,
        manifest_sha256="0" * 64, clips=tuple(clips), shards=shards, sources=(Source(name="hum"),),
        licence="CC0-1.0", consent="synthetic",
    )  # fmt: skip
    write_index(folder, index)
    assert len(features[0]) == PARTIALS
    write_voices(root / "voices", EncodedSet(folder), speakers, np.stack(features))
    return root
