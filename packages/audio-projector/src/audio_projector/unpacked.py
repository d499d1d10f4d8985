"""GGUF models unpacked once: reading one takes transformers a minute, reading this a second.

``$XDG_CACHE_HOME/audio-projector/SHA256/`` holds the dequantised float32 weights and the tokenizer.
``AUDIO_PROJECTOR_UNPACK=0`` keeps nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

SWITCH = "AUDIO_PROJECTOR_UNPACK"
_log = logging.getLogger(__name__)


def unpacked(sha256: str) -> Path | None:
    """The folder of a GGUF file that was unpacked before, by the file's hash."""
    folder = _root() / sha256
    return folder if _wanted() and (folder / "config.json").is_file() else None


def unpack(network: Any, tokenizer: Any, sha256: str) -> None:
    """Keep a loaded model for the next time; a full or read-only disk only costs the speed."""
    if not _wanted():
        return
    target = _root() / sha256
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        partial.mkdir(parents=True)
        with redirect_stderr(StringIO()):  # a progress bar that no setting of transformers ends
            network.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
        partial.rename(target)
    except OSError as error:
        _log.warning("the unpacked model cannot be kept in %s: %s", target, error)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _wanted() -> bool:
    return os.environ.get(SWITCH, "1") != "0"


def _root() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audio-projector"
