"""Where the folder of a hypernetwork is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from voice_data.artefact import ArtefactError
from voice_hypernet.checkpoint import shipped

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def located(folder: str | os.PathLike[str] | None = None) -> Path:
    """The shipped checkpoint, the folder itself, that of a run's, or a hub id's snapshot.

    Raises:
        ImportError: for a hub id without huggingface_hub.
        ArtefactError: if the hub does not have it or cannot be reached.
    """
    if folder is None:
        return shipped()
    path = Path(folder)
    if (path / "model" / "config.json").is_file():
        return path / "model"
    if isinstance(folder, str) and not path.exists() and _HUB_ID.fullmatch(folder):
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise ImportError(
                f"{folder} is no folder, and a hub id needs huggingface_hub: pip install it, or "
                "check the path"
            ) from error
        try:
            return Path(snapshot_download(folder))
        except (OSError, ValueError) as error:
            raise ArtefactError(
                f"{folder} is no folder here, and no such hypernetwork can be had from the hub "
                f"({type(error).__name__}): check the path, the id and the connection"
            ) from error
    return path
