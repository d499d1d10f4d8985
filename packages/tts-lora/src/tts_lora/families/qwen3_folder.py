"""Qwen3-TTS on disk, as its own library reads it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any


def write(folder: Path, network: Any, tokenizer: Any) -> None:
    """Write network, text tokenizer and speech tokenizer.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    codec = network.speech_tokenizer
    for part in (network, tokenizer):
        part.save_pretrained(folder)
    _make_readable(folder / "config.json", network.config)
    for part in (codec.model, codec.feature_extractor):
        part.save_pretrained(folder / "speech_tokenizer")
    settings = json.dumps(network.generate_config or {}, indent=2)
    (folder / "generation_config.json").write_text(settings, encoding="utf-8")


def _make_readable(path: Path, config: Any) -> None:
    """Drop from the speaker encoder's settings what the library writes and refuses to read."""
    name, values = "speaker_encoder_config", json.loads(path.read_text(encoding="utf-8"))
    known = inspect.signature(type(config.speaker_encoder_config)).parameters
    values[name] = {key: value for key, value in values[name].items() if key in known}
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")
