"""An adapter as a folder: a plain PEFT directory, ``voice.json``, and the voice's condition.

Letters: I in features, O out features, R rank.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lora.card import CONDITION, CONFIG, VOICE, WEIGHTS, VoiceCard
from tts_lora.settings import AdapterSettings
from tts_lora.targets import AdapterError, adaptable, lora_shapes, near
from voice_data.storage import write_files

if TYPE_CHECKING:
    from torch import Tensor, nn

    from voice_data.speech import Condition, SpeechModel

PREFIX = "base_model.model."
_PARTS = (
    "lora_A.weight", "lora_B.weight", "lora_magnitude_vector",
    "lora_embedding_A", "lora_embedding_B",
)  # fmt: skip
_PICKLES = (b"\x80", b"PK\x03\x04")  # a bare pickle, and the archive that torch.save writes
_HEADER_BYTES = 8  # a safetensors file starts with the length of its header


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A verified adapter. ``tensors`` have PEFT's names; ``condition`` is the voice to speak in.

    The tensors of a linear layer are ``lora_A`` [R, I] and ``lora_B`` [O, R]; with DoRA there is a
    ``lora_magnitude_vector`` [O].
    """

    settings: AdapterSettings
    tensors: Mapping[str, Tensor]
    card: VoiceCard
    condition: Condition | None = None

    @property
    def layers(self) -> dict[str, dict[str, Tensor]]:
        """Name of a layer -> its tensors by the end of their names (``lora_A.weight``, ...)."""
        found: dict[str, dict[str, Tensor]] = {}
        for key, tensor in self.tensors.items():
            layer, part = _split(key)
            if part in _PARTS:
                found.setdefault(layer, {})[part] = tensor
        return found

    @property
    def whole(self) -> dict[str, Tensor]:
        """Name of a parameter -> its value, for the modules that are stored whole."""
        return {
            key.removeprefix(PREFIX): tensor
            for key, tensor in self.tensors.items()
            if _split(key)[1] not in _PARTS
        }

    def check(self, model: SpeechModel) -> None:
        """Check that the adapter fits ``model``: same base, same rate, the right tensors.

        Raises:
            AdapterError: naming what differs, or the first tensor that is missing, extra, not
                finite or of another shape.
        """
        self.card.require(model)
        self.check_tensors(model.network)

    def check_tensors(
        self, network: nn.Module, there: Mapping[str, nn.Module] | None = None
    ) -> None:
        """The part of :meth:`check` that needs only the network; ``there`` are its layers.

        Raises:
            AdapterError: as :meth:`check`.
        """
        wanted = dict(self._wanted(network, adaptable(network) if there is None else there))
        for key, shape in wanted.items():
            if key not in self.tensors:
                raise AdapterError(f"the tensor {key} is missing: copy the adapter again")
            found = tuple(self.tensors[key].shape)
            if found != shape:
                raise AdapterError(f"the tensor {key} has the shape {found} and not {shape}")
        for key in self.tensors:
            if key not in wanted:
                names = [name.removeprefix(PREFIX) for name in wanted]
                hint = near(key.removeprefix(PREFIX), names)
                raise AdapterError(
                    f"the tensor {key} belongs to nothing in this network; near: {', '.join(hint)}"
                )
        if broken := _not_finite(self.tensors):
            raise AdapterError(f"the tensor {broken} holds NaN or infinity: train it anew")

    def _wanted(
        self, network: nn.Module, there: Mapping[str, nn.Module]
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        also = self.settings.train_also
        for name in self._targeted(there):
            shapes = lora_shapes(there[name], self.settings.rank_of(name), dora=self.settings.dora)
            yield from ((f"{PREFIX}{name}.{part}", shape) for part, shape in shapes.items())
        for name, parameter in _plain_parameters(network) if also else ():
            module = name.rpartition(".")[0]
            if any(within(module, target) for target in also):
                yield f"{PREFIX}{name}", tuple(parameter.shape)

    def _targeted(self, there: Mapping[str, nn.Module]) -> list[str]:
        targets, also = self.settings.targets, self.settings.train_also
        if targets is None:
            return [name for name in self.layers if name in there]
        ends, exact = tuple(f".{target}" for target in targets), set(targets)
        found = [name for name in there if name in exact or name.endswith(ends)]
        for target in targets:
            if not any(name == target or name.endswith(f".{target}") for name in found):
                raise AdapterError(
                    f"the adapter targets {target!r} and this network has no such layer; near: "
                    f"{', '.join(near(target, there))}"
                )
        return [name for name in found if not any(within(name, module) for module in also)]


def within(name: str, module: str) -> bool:
    """Whether ``name`` is a module that ``module`` (the end of a name) means, or lies in one."""
    return f".{module}." in f".{name}."


def read_adapter(folder: str | os.PathLike[str]) -> Adapter:
    """Read a folder after checking every byte of it against ``voice.json``. Nothing is unpickled.

    Raises:
        AdapterError: if a file is missing, cut, changed or a pickle, or a setting is not valid.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AdapterError(f"{folder} is not a folder: check the path of the adapter")
    card = VoiceCard.read(folder)
    for name in (CONFIG, WEIGHTS):
        if name not in card.files:
            raise AdapterError(f"{folder / VOICE} does not list {name}: copy the adapter again")
    text = _checked(folder / CONFIG, card.files[CONFIG]).decode("utf-8", "replace")
    condition = None
    if CONDITION in card.files:
        condition = _tensors(folder / CONDITION, card.files[CONDITION])
    return Adapter(
        settings=AdapterSettings.read(text, str(folder / CONFIG)),
        tensors=_tensors(folder / WEIGHTS, card.files[WEIGHTS]),
        card=card,
        condition=condition,
    )


def write_adapter(
    folder: str | os.PathLike[str], adapter: Adapter, config: Mapping[str, Any]
) -> Adapter:
    """Write a folder whole or not at all; ``config`` is what PEFT wants in its own file.

    Returns the adapter with the hashes of its files. Equal adapters give equal bytes.

    Raises:
        AdapterError: if a tensor is not finite, or something cannot be stored.
        OSError: if the folder cannot be written; the message says what to do.
    """
    if broken := _not_finite(adapter.tensors):
        raise AdapterError(f"the tensor {broken} holds NaN or infinity: nothing was saved")
    files = {
        CONFIG: (json.dumps(config, indent=2, sort_keys=True) + "\n").encode(),
        WEIGHTS: _serialized(adapter.tensors),
    }
    if adapter.condition is not None:
        files[CONDITION] = _serialized(adapter.condition)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = replace(adapter.card, files=hashes)
    without = () if CONDITION in files else (CONDITION,)
    write_files(folder, {**files, VOICE: card.to_json().encode()}, without=without)
    return replace(adapter, card=card)


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    import torch

    if not tensors or bool(
        torch.cat([t.flatten().float() for t in tensors.values()]).isfinite().all()
    ):
        return None
    return next(key for key, tensor in tensors.items() if not bool(tensor.isfinite().all()))


def _split(key: str) -> tuple[str, str]:
    """``base_model.model.a.b.lora_A.weight`` -> ``a.b`` and ``lora_A.weight``."""
    name = key.removeprefix(PREFIX)
    for part in _PARTS:
        if name.endswith(f".{part}"):
            return name[: -len(part) - 1], part
    return name, ""


def _plain_parameters(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The state of the base network, by names without PEFT's wrappers."""
    for name, value in network.state_dict(keep_vars=True).items():
        if ".lora_" not in name and ".modules_to_save." not in name:
            yield name.replace(".base_layer.", ".").replace(".original_module.", "."), value


def _checked(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AdapterError(f"{path} cannot be read ({error}): copy the adapter again") from error
    if path.suffix == ".safetensors" and data.startswith(_PICKLES):
        raise AdapterError(
            f"{path} is a pickle under another name, which could run any code: it was not opened; "
            "ask for a safetensors file"
        )
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        promised = _promised(data)
        cut = f" (cut short: {len(data)} of {promised} bytes)" if promised > len(data) else ""
        raise AdapterError(
            f"{path} is damaged or was replaced{cut}: its SHA-256 is {found[:12]}… and {VOICE} "
            f"promises {expected[:12]}…; copy the adapter again"
        )
    return data


def _promised(data: bytes) -> int:
    """The size that a safetensors header implies, 0 where it cannot be read."""
    try:
        length = int.from_bytes(data[:_HEADER_BYTES], "little")
        header = json.loads(data[_HEADER_BYTES : _HEADER_BYTES + length])
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        return _HEADER_BYTES + length + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return 0


def _tensors(path: Path, expected: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = _checked(path, expected)
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise AdapterError(f"{path} is not a safetensors file ({error})") from error


def _serialized(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    plain = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    try:
        return save(plain, {"format": "pt"})
    except (RuntimeError, ValueError, AttributeError) as error:
        raise AdapterError(f"the tensors cannot be stored as safetensors: {error}") from error
