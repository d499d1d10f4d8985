"""A frozen causal language model: found by name, never trained, its hidden states within reach.

Letters: B batch, N tokens, L layers, H width.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_projector.gguf_header import check_gguf
from audio_projector.place import LanguageModelError, Place, locate
from audio_projector.unpacked import unpack, unpacked
from voice_data.storage import file_sha256

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A tokenised text: ``ids`` and, for each, the UTF-8 bytes [start, end) that it stands for."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class _EnoughError(Exception):
    """All layers that are wanted have run."""


class LanguageModel:
    """A causal language model in evaluation mode, frozen, with its fast tokenizer.

    >>> LanguageModel.from_pretrained().width      # doctest: +SKIP
    576
    """

    def __init__(self, network: Any, tokenizer: Any, *, weights_sha256: str, name: str) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise LanguageModelError(
                f"the tokenizer of {name!r} does not say which characters its tokens stand for: "
                "convert it to a fast one (tokenizer.json)"
            )
        self.network = network.eval().requires_grad_(False)
        self.tokenizer, self.name = tokenizer, name
        self.weights_sha256 = weights_sha256
        self._blocks = _blocks(network)

    @classmethod
    def from_pretrained(cls, reference: str | os.PathLike[str] = "") -> LanguageModel:
        """Load ``""`` (the one that ships), a ``.gguf`` file, a folder, or a hub id.

        Weights are kept in float32; those of a GGUF are dequantised.

        Raises:
            LanguageModelError: if there is nothing there, or it is damaged or no causal model.
            ImportError: for a GGUF without the ``gguf`` package, naming the extra.
        """
        place = locate(reference)
        if place.gguf and find_spec("gguf") is None:
            raise ImportError("reading a GGUF needs gguf: pip install 'audio-projector[gguf]'")
        name = str(reference) or place.gguf
        if place.file is None:
            network, tokenizer = _load(place)
            return cls(network, tokenizer, weights_sha256=_hash(place, network), name=name)
        check_gguf(place.file)
        digest = file_sha256(place.file)
        kept = unpacked(digest)
        network, tokenizer = _load(place if kept is None else Place(folder=str(kept)))
        if kept is None:
            unpack(network, tokenizer, digest)
        return cls(network, tokenizer, weights_sha256=digest, name=name)

    @property
    def width(self) -> int:
        """H, the width of a hidden state."""
        return int(self.network.config.get_text_config().hidden_size)

    @property
    def layers(self) -> int:
        """Number of blocks; states 0 (the input embeddings) to this one can be captured."""
        return len(self._blocks)

    @cached_property
    def tokenizer_sha256(self) -> str:
        """Hash of the tokenizer's whole definition."""
        return hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()

    def tokens(self, text: str) -> Tokens:
        """``text`` cut into tokens, none added.

        >>> LanguageModel.from_pretrained().tokens("A fox.").spans  # doctest: +SKIP
        ((0, 1), (1, 5), (5, 6))
        """
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        before = [0]
        for character in text:
            before.append(before[-1] + len(character.encode("utf-8")))
        spans = tuple((before[a], before[b]) for a, b in found["offset_mapping"])
        return Tokens(ids=tuple(found["input_ids"]), spans=spans)

    def check_layers(self, layers: Sequence[int]) -> None:
        """Refuse layers that there are not.

        Raises:
            LanguageModelError: naming the layer and the range.
        """
        if not layers:
            raise LanguageModelError("no layer is chosen: give at least one")
        for layer in layers:
            if not 0 <= layer <= self.layers:
                raise LanguageModelError(
                    f"{self.name!r} has no layer {layer}: choose from 0 (the input embeddings) "
                    f"to {self.layers}"
                )

    def states(self, rows: Sequence[Sequence[int]], layers: Sequence[int]) -> list[Tensor]:
        """The states [N, L, H] of each row of token ids; blocks beyond the last layer do not run.

        Raises:
            LanguageModelError: if a layer does not exist.
        """
        import torch

        self.check_layers(layers)
        device = next(self.network.parameters()).device
        pad = torch.nn.utils.rnn.pad_sequence
        ids = pad([torch.tensor(row) for row in rows], batch_first=True).to(device)
        mask = pad([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
        with torch.inference_mode(), self.watched(layers) as seen:
            with suppress(_EnoughError):
                self.network.base_model(
                    input_ids=ids, attention_mask=mask.to(device), use_cache=False
                )
            found = seen.take()
        return [found[row, : len(each)].clone() for row, each in enumerate(rows)]

    @contextmanager
    def watched(self, layers: Sequence[int], *, whole: bool = False) -> Iterator[Watch]:
        """Record the states of ``layers`` in every forward pass inside the block.

        Unless ``whole``, a pass ends by raising once the last wanted layer has run.
        """
        self.check_layers(layers)
        watch = Watch(layers)
        last = max(layers)
        handles = []
        for number in set(layers):
            if number == 0:
                hook = watch.entering(stop=not whole and last == 0)
                handles.append(self._blocks[0].register_forward_pre_hook(hook, with_kwargs=True))
            elif number < self.layers:
                hook = watch.leaving(number, stop=not whole and number == last)
                handles.append(self._blocks[number - 1].register_forward_hook(hook))
            else:  # the last state is what the head reads, after the final norm
                hook = watch.leaving(number, stop=False)
                handles.append(self.network.base_model.register_forward_hook(hook))
        try:
            yield watch
        finally:
            for handle in handles:
                handle.remove()


class Watch:
    """The states of the last forward pass."""

    def __init__(self, layers: Sequence[int]) -> None:
        self._layers, self._found = tuple(layers), {}

    def take(self) -> Tensor:
        """[B, N, L, H] of the last pass, in the order in which the layers were asked for."""
        import torch

        return torch.stack([self._found[layer] for layer in self._layers], dim=2).float()

    def entering(self, *, stop: bool) -> Any:
        """A hook that keeps what goes into the first block."""

        def keep(_module: Any, args: Any, kwargs: Any) -> None:
            self._found[0] = (args[0] if args else kwargs["hidden_states"]).detach()
            if stop:
                raise _EnoughError

        return keep

    def leaving(self, number: int, *, stop: bool) -> Any:
        """A hook that keeps what leaves a block, or the whole model."""

        def keep(_module: Any, _args: Any, output: Any) -> None:
            value = output if hasattr(output, "detach") else output[0]
            self._found[number] = value.detach()
            if stop:
                raise _EnoughError

        return keep


def _load(place: Place) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"gguf_file": place.gguf} if place.gguf else {}
    try:
        with redirect_stderr(StringIO()):  # progress bars that no setting of transformers ends
            network = AutoModelForCausalLM.from_pretrained(
                place.folder, dtype=torch.float32, **options
            )
            tokenizer = AutoTokenizer.from_pretrained(place.folder, **options)
    except (OSError, ValueError, KeyError) as error:
        raise LanguageModelError(
            f"{place.folder} {place.gguf} is no causal language model that can be read: {error}"
        ) from error
    if place.gguf:  # dequantised: plain weights, which can be saved
        network.hf_quantizer = None
        network.config.__dict__.pop("quantization_config", None)
    return network, tokenizer


def _blocks(network: Any) -> Any:
    """The module list of the network's blocks, whatever the family calls it."""
    from torch import nn

    count = int(network.config.get_text_config().num_hidden_layers)
    for module in network.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise LanguageModelError(
        f"{type(network).__name__} has no list of its {count} blocks: it is not supported"
    )


def _hash(place: Place, network: Any) -> str:
    """Of all safetensors files of a folder, or of the weights themselves."""
    files = sorted(Path(place.folder).glob("*.safetensors"))
    digest = hashlib.sha256()
    if files:
        for path in files:
            digest.update(file_sha256(path).encode())
    else:
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
