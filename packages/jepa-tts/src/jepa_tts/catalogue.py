"""Which voices there are, without loading a model; torch is not needed here."""

from __future__ import annotations

import json
import os
from pathlib import Path

from voice_data.artefact import ArtefactError


def shipped() -> Path:
    """The folder of the checkpoint inside the package."""
    from importlib.resources import files

    return Path(str(files("jepa_tts"))) / "checkpoints" / "small"


def voice_names(folder: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Names of the voices of a checkpoint (by default the shipped one).

    Raises:
        ArtefactError: if the folder holds no readable checkpoint.
    """
    path = (shipped() if folder is None else Path(folder)) / "config.json"
    try:
        return tuple(json.loads(path.read_text("utf-8"))["config"]["speakers"])
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing: check the path of the checkpoint") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is not a checkpoint of jepa-tts: copy it again") from error
