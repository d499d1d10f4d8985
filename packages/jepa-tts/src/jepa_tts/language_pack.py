"""A language as it ships: what its training changed in a checkpoint, as an artefact beside it.

Letters: O output rows, I inputs, R rank.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from jepa_tts.catalogue import shipped
from jepa_tts.checkpoint import load_model
from jepa_tts.languages import DOWN, LANGUAGE_KIND, OWN_SCRIPT, UP, script_of
from jepa_tts.pack import packed
from voice_data.artefact import Provenance, load_artefact, save_artefact
from voice_data.manifest import manifest_hash

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

OWN_PARTS = ("text_encoder.", "durations.")
SHARED_PARTS = ("audio_encoder.", "mel_decoder.", "voices.")
CLOSE = 1e-3
"""Share of an addition's norm that may lie outside of its rank: rounding."""
NARROW = 32
"""Matrices no wider than this are kept whole."""


def package_language(
    run: Path,
    out: Path,
    *,
    code: str,
    manifest: Path,
    card: str,
    licence: str,
    base: Path | None = None,
    strength: float = 1.0,
    consent: str = "",
    command: str = "",
) -> str:
    """Write ``out`` from the model folder of a run with ``language``; returns its hash.

    ``base`` is the packed checkpoint that the run started from. ``strength`` is the share of what
    the predictor has learnt that is kept (Wortsman et al., 2022, WiSE-FT): less sounds more like
    the base, more like the corpus. The script is that of the manifest's texts.

    Raises:
        ValueError: if the run changed what a language shares with its base, or more of the
            predictor than additions of low rank, or the script is the base's own.
        ArtefactError: if the base is damaged.
        OSError: if ``out`` cannot be written.
    """
    base = base or shipped()
    facts = load_artefact(base)
    before, model = load_model(base).state_dict(), load_model(run)
    script = script_of(_texts(manifest))
    if script == OWN_SCRIPT:
        raise ValueError(f"{manifest} is in {script}, the checkpoint's own script")
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.startswith(OWN_PARTS):
            tensors[name] = tensor
        elif name in before and torch.equal(tensor, before[name]):
            continue
        elif name.startswith(SHARED_PARTS):
            raise ValueError(f"{run} changed {name}, which a language shares with its base")
        else:
            change = strength * (tensor - before[name])
            tensors |= _factored(name, change, before[name] + change)
    mel = model.config.mel
    provenance = Provenance(
        sample_rate=mel.sample_rate,
        mel=mel.to_dict(),
        licence=licence,
        consent=consent,
        command=command,
        base_sha256=facts.weights_sha256,
        data_manifest_sha256=manifest_hash(manifest),
    )
    config = {"code": code, "script": script, "phonemes": model.config.phonemes}
    return save_artefact(out, config, packed(tensors, 8), card, provenance, kind=LANGUAGE_KIND)


def _factored(name: str, change: Tensor, whole: Tensor) -> dict[str, Tensor]:
    """A change [O, I] as its factors, or the ``whole`` of what is small or no matrix."""
    if change.dim() < 2 or min(change.shape) <= NARROW:
        return {name: whole}
    rank = _rank(change)
    if 2 * rank > min(change.shape):
        raise ValueError(f"{name} changed by rank {rank}: train with `language` and a lower rank")
    left, strengths, right = torch.linalg.svd(change.double(), full_matrices=False)
    root = strengths[:rank].sqrt()
    factors = left[:, :rank] * root, root[:, None] * right[:rank]
    return {name + end: factor.float() for end, factor in zip((UP, DOWN), factors, strict=True)}


def _rank(change: Tensor) -> int:
    """The least rank that leaves nothing but rounding."""
    squares = torch.linalg.svdvals(change.double()) ** 2
    left = squares.flip(0).cumsum(0).flip(0)
    return int((left > CLOSE**2 * squares.sum()).sum())


def _texts(manifest: Path) -> str:
    lines = manifest.read_text("utf-8").splitlines()[:1000]
    return " ".join(json.loads(line)["text"] for line in lines)
