"""A trained hypernetwork as a folder: ``config.json``, ``model.safetensors``, ``README.md``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice_data.artefact import ArtefactError, Provenance, load_artefact, save_artefact
from voice_data.config import ConfigError, from_mapping
from voice_hypernet.config import VoiceConfig
from voice_hypernet.targets import Group

if TYPE_CHECKING:
    from voice_hypernet.network import VoiceNetwork

_log = logging.getLogger(__name__)

KIND = "voice-hypernet"
SHIPPED = "jepa-tts"
"""Name of the checkpoint that comes with the package: the base that it makes voices for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypernet:
    """A hypernetwork, the base that its adapters fit, and what it was made from.

    ``held_out`` names the voices of the training set that it never heard; ``strength`` is what
    voices made of words alone are given, where none is asked for.
    """

    network: VoiceNetwork
    base: str
    base_sha256: str
    sample_rate: int
    data_sha256: str = ""
    licence: str = ""
    consent: str = ""
    encoder: str = ""
    held_out: tuple[str, ...] = ()
    strength: float = 1.0

    @property
    def groups(self) -> tuple[Group, ...]:
        """The layers that adapters are made for."""
        return self.network.hypernet.groups


def save_hypernet(
    folder: str | os.PathLike[str], hypernet: Hypernet, *, card: str = "", half: bool = False
) -> str:
    """Write the folder, whole or not at all; ``half`` stores the weights in half precision.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    import torch

    state = hypernet.network.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    if half:
        tensors = {n: v.half() if v.dtype == torch.float32 else v for n, v in tensors.items()}
    provenance = Provenance(
        sample_rate=hypernet.sample_rate,
        licence=hypernet.licence or "unknown",
        consent=hypernet.consent,
        base_sha256=hypernet.base_sha256,
        data_manifest_sha256=hypernet.data_sha256,
        command="t2a-train",
    )
    config = {
        "model": asdict(hypernet.network.config),
        "groups": [asdict(group) for group in hypernet.groups],
        "base": hypernet.base,
        "encoder": hypernet.encoder,
        "held_out": list(hypernet.held_out),
        "strength": hypernet.strength,
    }
    return save_artefact(folder, config, tensors, card or _card(hypernet), provenance, kind=KIND)


def load_hypernet(folder: str | os.PathLike[str] | None = None) -> Hypernet:
    """Read a folder; without one, the checkpoint that comes with the package.

    Raises:
        ArtefactError: if it is missing, damaged, or no hypernetwork.
    """
    from voice_hypernet.network import VoiceNetwork

    path = shipped() if folder is None else Path(folder)
    found = load_artefact(path, kind=KIND)
    config, groups = read_config(path, found.config)
    neutral = {
        name.removeprefix("neutral_"): value.float() if value.is_floating_point() else value
        for name, value in found.tensors.items()
        if name.startswith("neutral_")
    }
    network = VoiceNetwork(config, groups, neutral)
    kinds = {name: value.dtype for name, value in network.state_dict().items()}
    network.load_state_dict({name: value.to(kinds[name]) for name, value in found.tensors.items()})
    network.requires_grad_(False).eval()
    return Hypernet(
        network=network,
        base=found.config["base"],
        base_sha256=found.provenance.base_sha256,
        sample_rate=found.provenance.sample_rate,
        data_sha256=found.provenance.data_manifest_sha256,
        licence=found.provenance.licence,
        consent=found.provenance.consent,
        encoder=found.config["encoder"],
        held_out=tuple(found.config.get("held_out", ())),
        strength=found.config.get("strength", 1.0),
    )


def take_over(network: VoiceNetwork, folder: str | os.PathLike[str]) -> None:
    """Give a network every weight of a trained one that fits.

    Raises:
        ArtefactError: if the trained one is missing or damaged.
    """
    mine = network.state_dict()
    found = load_hypernet(folder).network.state_dict()
    fitting = {n: v for n, v in found.items() if n in mine and v.shape == mine[n].shape}
    network.load_state_dict({**mine, **fitting})
    _log.info("%d of %d tensors are taken from %s", len(fitting), len(mine), folder)


def read_config(path: Path, values: Mapping[str, Any]) -> tuple[VoiceConfig, tuple[Group, ...]]:
    """The shape and the layers that a folder's ``config.json`` declares.

    Raises:
        ArtefactError: if a key is missing or wrong.
    """
    try:
        config = from_mapping(VoiceConfig, values["model"], where=str(path))
        groups = tuple(from_mapping(Group, each, where=str(path)) for each in values["groups"])
    except (ConfigError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} does not describe a hypernetwork: {error}") from error
    return config, groups


def shipped() -> Path:
    """The folder of the checkpoint that comes with the package."""
    return Path(str(resources.files("voice_hypernet") / "checkpoints" / SHIPPED))


def _card(hypernet: Hypernet) -> str:
    return (
        f"# A hypernetwork for {hypernet.base}\n\n"
        "From a description or a clip to the adapter of a voice, by `voice-hypernet generate`.\n"
        f"{hypernet.network.size():,} parameters; {len(hypernet.groups)} kinds of layers; adapters "
        f"of rank {hypernet.network.config.hypernet.lora.rank}.\n"
    )
