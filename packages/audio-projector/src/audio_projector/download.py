"""Fetching models by hub id, and saying what is there without the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_projector.checkpoint import shipped
from audio_projector.llm import LanguageModelError, locate

PATTERNS = ("*.json", "*.safetensors", "*.gguf", "tokenizer*", "*.model", "*.md", "LICENSE*")
"""What is fetched: weights, settings, tokenizers, cards and licences; nothing that is pickled."""


class DownloadError(RuntimeError):
    """A model that could not be fetched; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A model on this machine and the licence that its card names, ``""`` if it names none."""

    model: str
    folder: str
    licence: str
    bytes: int


def available() -> list[Fetched]:
    """What ships with this installation and works offline: the projector, a language model."""
    found = []
    folder = shipped()
    if folder.is_dir():
        found.append(_described("the shipped projector", folder, "Apache-2.0"))
    try:
        place = locate()
    except LanguageModelError:
        return found
    path = Path(place.folder) / place.gguf
    size = path.stat().st_size
    model = Fetched(model=place.gguf, folder=str(path.parent), licence="Apache-2.0", bytes=size)
    return [*found, model]


def download(model: str, *, revision: str | None = None, file: str = "") -> Fetched:
    """Fetch a model by hub id; what is there already is not fetched again, and a broken download
    goes on where it stopped. Progress is drawn by huggingface_hub on a terminal.

    Raises:
        ImportError: without huggingface_hub.
        DownloadError: if there is no such model, or the network cannot be reached.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            "downloads need huggingface_hub: pip install 'audio-projector[llm]'"
        ) from error
    patterns: list[str] = [file, "*.json", "*.md", "LICENSE*"] if file else list(PATTERNS)
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError, _http_error()) as error:
        names = ", ".join(each.model for each in available()) or "nothing"
        raise DownloadError(
            f"{model} cannot be fetched ({_first_line(error)}); offline there is: {names}"
        ) from error
    return _described(model, folder, _licence(folder))


def _http_error() -> type[Exception]:
    """What a connection may raise under huggingface_hub, whose library for it differs by version:
    requests, httpx or httpx2.
    """
    from huggingface_hub import errors

    return getattr(errors, "HTTPError", OSError)


def _described(model: str, folder: Path, licence: str) -> Fetched:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Fetched(model=model, folder=str(folder), licence=licence, bytes=size)


def _licence(folder: Path) -> str:
    """The licence in the front matter of a model card."""
    import yaml

    card = folder / "README.md"
    if not card.is_file():
        return ""
    parts = card.read_text("utf-8").split("---", 2)
    try:
        values: Any = yaml.safe_load(parts[1]) if len(parts) == 3 else {}
    except yaml.YAMLError:
        return ""
    return str((values or {}).get("license", "")) if isinstance(values, dict) else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
