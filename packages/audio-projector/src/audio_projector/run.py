"""All that takes part in a run of training: data, both ends, the projector and its optimiser."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from audio_projector.cache import StatesCache
from audio_projector.checkpoint import Binding, load_projector, save_projector
from audio_projector.clips import Clips
from audio_projector.config import ProjectorConfig
from audio_projector.examples import Examples
from audio_projector.projector import Projector
from audio_projector.train_config import TrainConfig
from voice_data.artefact import Provenance

if TYPE_CHECKING:
    from voice_data.speech import StatesModel

FITTED = 400
"""Texts whose states give the standardisation."""
_log = logging.getLogger(__name__)


class TrainError(ValueError):
    """A run that cannot begin or go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """All that takes part in a step."""

    config: TrainConfig
    examples: Examples
    model: StatesModel
    projector: Projector
    optimizer: torch.optim.Optimizer
    clips: Clips | None
    training: list[int]
    held_out: list[int]


def set_up(config: TrainConfig, model: StatesModel | None) -> Run:
    """Load what the settings name; the projector is new.

    Raises:
        TrainError: if the states lack a layer, or there is no text to train on.
        CacheError, SpeechModelError, ClipsError: if states, target or clips cannot be used.
    """
    from voice_data.speech import load_speech_model, require_states

    target = model or require_states(load_speech_model(config.target), config.target)
    target.network.requires_grad_(False)
    cache = StatesCache(config.states)
    missing = sorted(set(config.layers) - set(cache.layers))
    if missing:
        raise TrainError(
            f"{config.states} holds the layers {list(cache.layers)} and not {missing}: "
            "cache them, or choose others"
        )
    examples = Examples(cache, target, tuple(cache.layers.index(layer) for layer in config.layers))
    torch.manual_seed(config.seed)
    projector = Projector(ProjectorConfig(**config.shape(cache.index.width, target.states_width)))
    training, held_out = cache.of_split("train"), cache.of_split("validation")
    if not training:
        raise TrainError(f"{config.states} holds no text of the split train: cache some")
    some = training[:: max(1, len(training) // FITTED)]
    projector.mix.fit(torch.cat([examples[i].values for i in some]))
    if config.start:
        _begin_with(projector, config.start)
    _log.info("%d trained parameters", projector.size())
    decayed = [p for p in projector.parameters() if p.ndim > 1]
    plain = [p for p in projector.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
    clips = Clips.open(config.clips, target, cache) if config.clips else None
    return Run(config, examples, target, projector, optimizer, clips, training, held_out)


def _begin_with(projector: Projector, folder: str) -> None:
    """Take a projector's weights where they fit.

    Raises:
        ArtefactError: if it cannot be read.
        TrainError: if nothing fits.
    """
    known = load_projector(folder).projector.state_dict()
    own = projector.state_dict()
    fits = {n: t for n, t in known.items() if n in own and own[n].shape == t.shape}
    if not any(name.startswith("lead_in") for name in fits):
        raise TrainError(f"the projector in {folder} has other sizes: leave start out")
    projector.load_state_dict(fits, strict=False)


def write_run(run: Run, folder: Path) -> None:
    """Write the projector as it stands, bound to both models."""
    config, index = run.config, run.examples.cache.index
    binding = Binding(
        llm=config.llm or index.config.llm,
        llm_sha256=index.llm_sha256,
        tokenizer_sha256=index.tokenizer_sha256,
        tts=config.target,
        tts_sha256=run.model.weights_sha256,
        prefix=index.config.prefix,
    )
    provenance = Provenance(
        sample_rate=run.model.sample_rate,
        licence=config.licence,
        base_sha256=run.model.weights_sha256,
        command="audio-projector train",
    )
    save_projector(folder, run.projector, binding, provenance=provenance)
