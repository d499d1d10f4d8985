"""Named voices in files beside a checkpoint: more than its own table holds. Torch is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jepa_tts.voice import Voice

VOICES = "voices"


def files_in(folder: Path, known: Sequence[str]) -> dict[str, Path]:
    """Voice files of a checkpoint by name, without those of names that it ``known`` itself."""
    found = {path.stem: path for path in sorted((folder / VOICES).glob("*.safetensors"))}
    return {name: path for name, path in found.items() if name not in known}


def carry(files: Mapping[str, Path], folder: Path, base_sha256: str) -> None:
    """Put the voices beside a checkpoint in ``folder`` that hears them as theirs did.

    Raises:
        VoiceError: if one of them is damaged.
        OSError: if one cannot be written.
    """
    voices = {name: Voice.load(path) for name, path in files.items()}
    for name, voice in voices.items():
        (folder / VOICES).mkdir(parents=True, exist_ok=True)
        replace(voice, base_sha256=base_sha256).save(folder / VOICES / f"{name}.safetensors")
