"""What an evaluation was made with: the hardware, the weights, the clips that voices are known by.

Part of ``evaluate_speech.py`` and ``evaluate_voices.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from voice_data.manifest import read_manifest
from voice_data.storage import write_text


def hardware() -> dict[str, Any]:
    """What speeds depend on."""
    name = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [
            row.split(":", 1)[1].strip()
            for row in cpus.read_text().splitlines()
            if row.startswith("model name")
        ]
        name = names[0] if names else name
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def fingerprint(checkpoint: str | None) -> str:
    """The hash of the weights under test: a changed checkpoint must not pass for the old one.

    Raises:
        UsageError: if the folder holds no weights.
    """
    if checkpoint is None:
        spec = importlib.util.find_spec("jepa_tts")
        places = spec.submodule_search_locations if spec else None
        checkpoint = places[0] if places else "the installed jepa-tts"
        weights = sorted(Path(checkpoint).rglob("*.safetensors"))
    else:
        weights = sorted(Path(checkpoint).glob("*.safetensors"))
    if not weights:
        raise click.UsageError(f"{checkpoint} holds no .safetensors file: give a model folder")
    digest = sha256()
    for path in weights:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def settle(out: Path, settings: Mapping[str, Any]) -> None:
    """Begin in ``out``, or go on there if the settings are the same.

    Raises:
        UsageError: if they are not.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "settings.json"
    if path.exists() and json.loads(path.read_text("utf-8")) != settings:
        raise click.UsageError(
            f"{out} holds an evaluation with other settings (see {path}): "
            "choose another --out or delete it"
        )
    write_text(path, json.dumps(settings, indent=1) + "\n")


def clips_by_speaker(manifest: Path | None, per_speaker: int = 20) -> dict[str, list[Path]]:
    """The first clips of every speaker in a manifest; nothing without one."""
    if manifest is None:
        return {}
    clips: dict[str, list[Path]] = {}
    for utterance in read_manifest(manifest):
        held = clips.setdefault(utterance.speaker, [])
        if len(held) < per_speaker:
            held.append(utterance.path_in(manifest.parent))
    return clips


def limit_threads(threads: int) -> None:
    """Let torch use no more than ``threads``."""
    import torch

    torch.set_num_threads(threads)
