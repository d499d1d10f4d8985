"""Which voices there are, without loading a model; torch is not needed here."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from jepa_tts.cast import files_in
from voice_data.artefact import ArtefactError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def shipped() -> Path:
    """The folder of the checkpoint inside the package."""
    from importlib.resources import files

    return Path(str(files("jepa_tts"))) / "checkpoints" / "small"


def voice_names(folder: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Names of the voices of a checkpoint (by default the shipped one).

    Raises:
        ArtefactError: if the folder holds no readable checkpoint.
    """
    folder = shipped() if folder is None else Path(folder)
    path = folder / "config.json"
    try:
        own = tuple(json.loads(path.read_text("utf-8"))["config"]["speakers"])
        return (*own, *files_in(folder, own))
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing: check the path of the checkpoint") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is not a checkpoint of jepa-tts: copy it again") from error


def located(folder: str | os.PathLike[str] | None) -> Path:
    """The folder of a checkpoint: the shipped one, the folder itself, or a hub id's snapshot.

    Raises:
        ImportError: for a hub id without huggingface_hub.
    """
    if folder is None:
        return shipped()
    path = Path(folder)
    if isinstance(folder, str) and not path.exists() and _HUB_ID.fullmatch(folder):
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise ImportError(
                f"{folder} is no folder, and a hub id needs huggingface_hub: pip install it, or "
                "check the path"
            ) from error
        return Path(snapshot_download(folder))
    return path
