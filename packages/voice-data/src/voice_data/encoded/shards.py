"""The shards of a prepared set: some clips' tensors in one file that says what it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.encoded.clips import EncodedClip
from voice_data.encoded.sources import PrepareError

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.manifest import Utterance
    from voice_data.speech import SpeechModel

_RECORD = "record"  # the only entry of the metadata: safetensors writes several in any order


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A finished shard: its file's hash, the clips in it, and why others are not."""

    sha256: str
    clips: tuple[EncodedClip, ...]
    skipped: Mapping[str, str]


def encode_shards(
    numbered: Sequence[tuple[int, Utterance]],
    folder: Path,
    model: SpeechModel,
    settings: Mapping[str, Any],
    shard_clips: int,
    on_clip: Callable[[int, int], None] | None,
) -> dict[str, Shard]:
    """The shards by name; those that are there already are only checked."""
    shards: dict[str, Shard] = {}
    left = iter(numbered)
    done = 0
    while rows := list(islice(left, shard_clips)):
        name = f"shard-{len(shards):05d}.safetensors"
        key = _key(rows, settings)
        known = _known(folder / name, key)
        shards[name] = known or _encode(rows, folder, name, key, len(shards), model)
        done += len(rows)
        if on_clip is not None:
            on_clip(done, len(numbered))
    usable = [clip for shard in shards.values() for clip in shard.clips]
    if len(usable) < 2 or {clip.split for clip in usable} != {"train", "validation"}:
        reasons = [reason for shard in shards.values() for reason in shard.skipped.values()]
        first = f" The first that it refuses: {reasons[0]}" if reasons else ""
        raise PrepareError(
            f"the base can encode {len(usable)} of {len(numbered)} clips, and both training and "
            f"validation need one: add recordings.{first}"
        )
    return shards


def _encode(
    rows: Sequence[tuple[int, Utterance]],
    folder: Path,
    name: str,
    key: str,
    number: int,
    model: SpeechModel,
) -> Shard:
    """Encode some clips and write their shard, whole or not at all."""
    import torch
    from safetensors.torch import save_file

    from voice_data.audio import read
    from voice_data.dataset import Example
    from voice_data.speech import SpeechModelError
    from voice_data.storage import file_sha256, replacing

    tensors: dict[str, Tensor] = {}
    clips: list[EncodedClip] = []
    skipped: dict[str, str] = {}
    for source, utterance in rows:
        example = Example(utterance=utterance, audio=read(folder / utterance.audio))
        try:
            with torch.no_grad():
                encoded = model.encode(example)
        except SpeechModelError as error:
            skipped[utterance.id] = str(error)
            continue
        for part, value in encoded.items():
            tensors[f"{utterance.id}/{part}"] = value.detach().cpu().contiguous()
        clips.append(_clip(utterance, source, number, model.length(encoded)))
    record = {"key": key, "clips": [asdict(clip) for clip in clips], "skipped": skipped}
    metadata = {_RECORD: json.dumps(record, ensure_ascii=False)}
    with replacing(folder / name) as temporary:
        save_file(tensors or {"none": torch.zeros(1)}, temporary, metadata)
    return Shard(sha256=file_sha256(folder / name), clips=tuple(clips), skipped=skipped)


def _clip(utterance: Utterance, source: int, shard: int, length: int) -> EncodedClip:
    emotion: Any = utterance.extra.get("emotion", "")
    return EncodedClip(
        id=utterance.id,
        text=utterance.text,
        audio=utterance.audio,
        speaker=utterance.speaker,
        length=length,
        duration=utterance.duration or 0.0,
        shard=shard,
        source=source,
        language=utterance.language,
        emotion=tuple(emotion) if isinstance(emotion, list) else str(emotion),
        split=utterance.split,
    )


def _key(rows: Sequence[tuple[int, Utterance]], settings: Mapping[str, Any]) -> str:
    """A hash of all that a shard is made of; audio counts by its own hash."""
    values = [settings, *([number, clip.to_dict()] for number, clip in rows)]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _known(path: Path, key: str) -> Shard | None:
    """A shard that an earlier call finished, if it was made of the same clips."""
    from safetensors import SafetensorError, safe_open

    from voice_data.config import from_mapping
    from voice_data.storage import file_sha256

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            record = json.loads((file.metadata() or {}).get(_RECORD, "{}"))
    except (SafetensorError, ValueError):
        return None
    if record.get("key") != key:
        return None
    clips = tuple(from_mapping(EncodedClip, values) for values in record["clips"])
    return Shard(sha256=file_sha256(path), clips=clips, skipped=record["skipped"])
