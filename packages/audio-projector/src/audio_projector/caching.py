"""Making a cache of hidden states; an interrupted call goes on at the first missing shard."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from audio_projector.cache import (
    FORMAT,
    INDEX,
    CacheConfig,
    CacheError,
    CacheIndex,
    Line,
    StatesCache,
    shard_name,
)
from audio_projector.states import capture_all
from voice_data.storage import file_sha256, replacing, write_text

if TYPE_CHECKING:
    from audio_projector.llm import LanguageModel
    from audio_projector.states import TokenStates

SETTINGS = "settings.json"


def build_cache(
    lines: Sequence[Line],
    folder: str | os.PathLike[str],
    llm: LanguageModel,
    config: CacheConfig,
    *,
    on_text: Callable[[int, int], None] | None = None,
) -> StatesCache:
    """Capture the states of all ``lines`` into ``folder``, or go on there.

    Raises:
        CacheError: if there are no lines, or the folder holds another cache.
        LanguageModelError: if the model has no such layer.
        OSError: if the disk is full; whole shards are kept.
    """
    if not lines:
        raise CacheError("there are no texts to capture: give at least one")
    llm.check_layers(config.layers)
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    settings = _settings(lines, llm, config)
    _begin(root, settings)
    begun, shards = time.perf_counter(), {}
    for number, start in enumerate(range(0, len(lines), config.shard)):
        part = lines[start : start + config.shard]
        path = root / shard_name(number)
        if not path.is_file():
            _write_shard(path, part, llm, config)
        shards[path.name] = file_sha256(path)
        if on_text is not None:
            on_text(start + len(part), len(lines))
    index = CacheIndex(
        llm_sha256=llm.weights_sha256,
        tokenizer_sha256=llm.tokenizer_sha256,
        width=llm.width,
        config=config,
        lines=tuple(lines),
        shards=shards,
        seconds=round(time.perf_counter() - begun, 1),
    )
    text = json.dumps(asdict(index), indent=1, ensure_ascii=False)
    write_text(root / INDEX, f"{text}\n")
    return StatesCache(root)


def read_lines(path: Path) -> list[Line]:
    """The texts of a ``.txt`` file (one a line) or of JSON lines with at least ``text``.

    Raises:
        CacheError: naming the line that cannot be used.
    """
    found = []
    for number, row in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not row.strip():
            continue
        try:
            values = json.loads(row) if path.suffix == ".jsonl" else {"text": row.strip()}
            chosen = {k: values[k] for k in ("text", "respelled", "split") if values.get(k)}
            found.append(Line(**chosen))
        except (ValueError, TypeError) as error:
            raise CacheError(f"{path}:{number}: {error}") from error
    if not found:
        raise CacheError(f"{path} holds no text: give one sentence a line")
    return found


def _settings(lines: Sequence[Line], llm: LanguageModel, config: CacheConfig) -> str:
    text = json.dumps([asdict(line) for line in lines])
    values = {
        "format": FORMAT,
        "config": asdict(config),
        "lines": hashlib.sha256(text.encode()).hexdigest(),
        "llm": llm.weights_sha256,
        "tokenizer": llm.tokenizer_sha256,
    }
    return json.dumps(values, sort_keys=True) + "\n"


def _begin(root: Path, settings: str) -> None:
    record = root / SETTINGS
    if record.is_file():
        if record.read_text("utf-8") != settings:
            raise CacheError(f"{root} holds the states of other texts or settings: choose another")
    elif any(root.iterdir()):
        raise CacheError(f"{root} is not empty: choose another folder")
    write_text(record, settings)


def _write_shard(
    path: Path, lines: Sequence[Line], llm: LanguageModel, config: CacheConfig
) -> None:
    import torch
    from safetensors.torch import save_file

    states = captured([line.text for line in lines], llm, config)
    tensors = {
        "values": torch.cat([each.values.half() for each in states]),
        "spans": torch.cat([each.spans for each in states]),
        "ends": torch.tensor([len(each.spans) for each in states]).cumsum(0),
    }
    if not bool(torch.isfinite(tensors["values"]).all()):
        raise CacheError("a state exceeds half precision: choose other layers")
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def captured(texts: Sequence[str], llm: LanguageModel, config: CacheConfig) -> list[TokenStates]:
    """The states of each text; documents of similar length share a pass of the language model."""
    documents = [
        list(texts[i : i + config.together]) for i in range(0, len(texts), config.together)
    ]
    sizes = [len(llm.tokens(config.prefix + " ".join(each)).ids) for each in documents]
    order = sorted(range(len(documents)), key=sizes.__getitem__)
    found: dict[int, list[TokenStates]] = {}
    while order:
        count = 1
        while count < len(order) and sizes[order[count]] * (count + 1) <= config.batch:
            count += 1
        some, order = order[:count], order[count:]
        rows = capture_all(llm, [documents[i] for i in some], config.layers, prefix=config.prefix)
        found.update(zip(some, rows, strict=True))
    return [states for i in range(len(documents)) for states in found[i]]
