"""From recordings to a training set for one speech model: every clip encoded once and cached.

``out`` gets ``clips/`` (the checked recordings), shards with the tensors of the clips, and
``index.json``. It appears whole or not at all: until then the work lies in ``.NAME.partial`` beside
it, where the same call goes on after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.encoded.clips import (
    FORMAT,
    EncodedSet,
    EncodedSetError,
    Index,
    Source,
    write_index,
)
from voice_data.encoded.shards import Shard, encode_shards
from voice_data.encoded.sources import (
    PrepareConfig,
    PrepareError,
    SourceConfig,
    Survey,
    gather,
    survey,
)

if TYPE_CHECKING:
    from voice_data.consent import Terms
    from voice_data.manifest import Utterance
    from voice_data.speech import SpeechModel

__all__ = ["PrepareConfig", "PrepareError", "SourceConfig", "Survey", "prepare", "survey"]

_log = logging.getLogger(__name__)


def prepare(
    config: PrepareConfig,
    *,
    model: SpeechModel | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> EncodedSet:
    """Make the training set ``config.out``, which equal input makes again byte for byte.

    ``model`` saves loading ``config.base``; ``on_clip`` is told how many clips of how many are
    done.

    Raises:
        PrepareError: if ``out`` is in the way, or fewer than two clips can be used.
        SpeechModelError: if there is no such base.
        ManifestError: starting with ``FILE:LINE:``, if an index cannot be read.
        OSError: if the disk is full or ``out`` cannot be written; what is done is kept.
    """
    from voice_data.speech import load_speech_model

    out = Path(config.out).absolute()
    for source in config.sources:
        _refuse_overlap(source, out)
    model = model if model is not None else load_speech_model(config.base)
    settings = _settings(config, model)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _finished(out, settings)
    staging = out.with_name(f".{out.name}.partial")
    _begin(staging, settings)
    numbered = gather(config, staging, model.sample_rate)
    shards = encode_shards(numbered, staging, model, settings, config.shard_clips, on_clip)
    write_index(staging, _index(config, model, numbered, shards, settings))
    EncodedSet(staging)  # what cannot be read is not finished
    _remove_others(staging, set(shards))
    if out.is_dir():
        out.rmdir()
    staging.rename(out)
    return EncodedSet(out)


def _refuse_overlap(source: SourceConfig, out: Path) -> None:
    path = Path(source.folder)
    root = path if path.is_dir() else path.parent
    if out.resolve().is_relative_to(root.resolve()):
        raise PrepareError(
            f"{out} lies in the data set {root}, which is only read: choose a folder outside it"
        )


def _settings(config: PrepareConfig, model: SpeechModel) -> dict[str, Any]:
    """Everything that decides the result, as plain values."""
    values = asdict(config)
    for name in ("out", "processes", "base"):
        del values[name]
    for source in values["sources"]:
        source["files"] = _fingerprint(Path(source.pop("folder")))
    values.update(base_sha256=model.weights_sha256, sample_rate=model.sample_rate, format=FORMAT)
    return json.loads(json.dumps(values, default=os.fspath))


def _fingerprint(path: Path) -> str:
    """A hash of the names and the contents of a data set's files."""
    from voice_data.storage import file_sha256

    root = path if path.is_dir() else path.parent
    digest = hashlib.sha256(path.name.encode() if path.is_file() else b"")
    for file in sorted(root.rglob("*")):
        if file.is_file():
            line = f"{file.relative_to(root).as_posix()} {file_sha256(file)}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _finished(out: Path, settings: Mapping[str, Any]) -> EncodedSet:
    remedy = "it is kept: choose another folder, or remove it to prepare anew"
    try:
        found = EncodedSet(out)
    except EncodedSetError as error:
        raise PrepareError(f"{out} exists and is no prepared set ({error}); {remedy}") from error
    for name, value in settings.items():
        was = found.index.settings.get(name)
        if was != value:
            shown = "" if name == "sources" else f" {was!r}, not {value!r}"
            raise PrepareError(f"{out} was made with other {name}{shown}; {remedy}")
    _log.info("%s is finished already", out)
    return found


def _begin(staging: Path, settings: Mapping[str, Any]) -> None:
    """Make the staging folder; one of other settings is begun anew."""
    import shutil

    from voice_data.storage import write_failure, write_text

    record = staging / "settings.json"
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    if staging.is_dir() and not (record.is_file() and record.read_text("utf-8") == text):
        shutil.rmtree(staging)
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(staging, error) from error
    write_text(record, text)


def _index(
    config: PrepareConfig,
    model: SpeechModel,
    numbered: Sequence[tuple[int, Utterance]],
    shards: Mapping[str, Shard],
    settings: Mapping[str, Any],
) -> Index:
    from voice_data.manifest import manifest_hash

    clips = tuple(clip for shard in shards.values() for clip in shard.clips)
    kept = {clip.id for clip in clips}
    utterances = [clip for _, clip in numbered if clip.id in kept]
    terms = _terms(utterances)
    return Index(
        base=config.base,
        base_sha256=model.weights_sha256,
        sample_rate=model.sample_rate,
        manifest_sha256=manifest_hash(utterances),
        clips=clips,
        shards={name: shard.sha256 for name, shard in shards.items()},
        sources=tuple(
            Source(name=each.name, weight=each.weight, language=each.language, emotion=each.emotion)
            for each in config.sources
        ),
        licence=terms.licence,
        consent=terms.consent,
        skipped={k: v for shard in shards.values() for k, v in shard.skipped.items()},
        settings=settings,
    )


def _terms(utterances: Sequence[Utterance]) -> Terms:
    """Licence and consent of all clips together.

    Raises:
        PrepareError: if a speaker refused.
    """
    from voice_data.consent import combined

    terms = combined(utterances)
    if terms.consent == "refused":
        first = next(each.id for each in utterances if each.consent == "refused")
        raise PrepareError(f"the speaker of {first!r} refused: leave these clips out")
    if not terms.licence or not terms.consent:
        _log.warning(
            "licence or consent is not known for every clip: the adapter will say so; "
            "set them for the source"
        )
    return terms


def _remove_others(folder: Path, shards: set[str]) -> None:
    """Remove what an interruption left behind."""
    for path in folder.glob("*.safetensors"):
        if path.name not in shards:
            path.unlink()
    (folder / "settings.json").unlink(missing_ok=True)
