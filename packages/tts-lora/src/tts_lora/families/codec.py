"""Codecs: sound as a few streams of codes, and back. What language models of speech are built on.

Letters: S samples, Q codes per frame, T frames.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Protocol

from tts_lora.families.weights import evaluating, seeded
from voice_data.speech import SpeechModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CONFIG, WEIGHTS, PICKLED = "config.json", "model.safetensors", "pytorch_model.bin"


class Codec(Protocol):
    """What a family needs of a codec. A frame has one code of each codebook, in a fixed order."""

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and gives back."""
        ...

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of the codebook that each of the Q codes of a frame is from."""
        ...

    def to(self, device: str | torch.device) -> None:
        """Move the weights."""
        ...

    def encode(self, samples: Tensor) -> Tensor:
        """Codes [Q, T] int64 of ``samples`` [S] float32; the last frame is filled with silence."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """``samples`` [S] float32 of ``codes`` [Q, T]; equal codes give equal samples."""
        ...

    def save(self, folder: Path) -> None:
        """Write what the family's ``load`` reads again."""
        ...


class SnacCodec:
    """SNAC (Siuzdak et al. 2024, arXiv:2410.14411): levels of codes, each twice as fast or more.

    A frame is one code of the slowest level and all that are under it, each code before those that
    refine it: for the 24 kHz model Q is 7, of the levels 0 1 2 2 1 2 2.
    """

    def __init__(self, model: Any, config: Mapping[str, Any]) -> None:
        """``model`` is the ``snac.SNAC`` that ``config``, its arguments by name, describes.

        Raises:
            SpeechModelError: if a level is not a whole number of times as fast as the one before.
        """
        strides = [int(stride) for stride in model.vq_strides]
        if not strides or any(slow % fast for slow, fast in pairwise(strides)):
            raise SpeechModelError(f"SNAC levels with the strides {strides} make no frames")
        self.model = model.requires_grad_(False).eval()
        self._config, self._strides = dict(config), strides
        self._order = _tree(strides)

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and gives back."""
        return int(self.model.sampling_rate)

    @property
    def frame_rate(self) -> float:
        """Frames per second, of the slowest level."""
        return self.sample_rate / (int(self.model.hop_length) * self._strides[0])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of the codebook of each of the Q codes of a frame."""
        return (int(self.model.codebook_size),) * len(self._order)

    def to(self, device: str | torch.device) -> None:
        """Move the weights."""
        self.model.to(device)

    def encode(self, samples: Tensor) -> Tensor:
        """Codes [Q, T] int64 of ``samples`` [S] float32; the last frame is filled with silence."""
        import torch

        with torch.no_grad(), evaluating(self.model):
            levels = self.model.encode(samples.to(self._device)[None, None])
        frames = [
            level[0].reshape(-1, self._strides[0] // stride)  # [T, codes per frame]
            for level, stride in zip(levels, self._strides, strict=True)
        ]
        return torch.stack([frames[level][:, place] for level, place in self._order]).cpu()

    def decode(self, codes: Tensor) -> Tensor:
        """``samples`` [S] float32 of ``codes`` [Q, T]; its noise is the same every time.

        Raises:
            SpeechModelError: if the codes have another Q, or one is not in its codebook.
        """
        import torch

        check_codes(codes, self.sizes)
        if codes.shape[1] == 0:
            return torch.zeros(0)
        codes = codes.to(self._device, torch.int64)
        levels = []
        for level in range(len(self._strides)):
            rows = [row for row, (found, _) in enumerate(self._order) if found == level]
            levels.append(codes[rows].T.reshape(1, -1))
        with torch.no_grad(), evaluating(self.model), seeded(0):
            return self.model.decode(levels)[0, 0].float().cpu()

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(json.dumps(self._config, indent=2) + "\n", encoding="utf-8")
        tensors = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        save_file(tensors, folder / WEIGHTS)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def load_snac(reference: str | Path) -> SnacCodec:
    """A SNAC from a folder or a hub id: ``config.json`` beside ``model.safetensors``.

    The published repositories hold a pickle, ``pytorch_model.bin``: torch reads the tensors in it
    and refuses everything else.

    Raises:
        SpeechModelError: if the package snac is missing, or a file is, or they do not fit.
    """
    folder = located(reference, (CONFIG, WEIGHTS, PICKLED))
    codec = new_snac(read_object(folder / CONFIG))
    try:
        codec.model.load_state_dict(_tensors(folder))
    except (ValueError, RuntimeError, OSError, UnpicklingError) as error:
        raise SpeechModelError(
            f"{folder} holds no SNAC weights ({first_line(error)}): copy or download it again"
        ) from error
    return codec


def new_snac(config: Mapping[str, Any]) -> SnacCodec:
    """A SNAC with random weights; ``config`` are the arguments of ``snac.SNAC``, all by name.

    Raises:
        SpeechModelError: if the package snac is missing or refuses the arguments.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it scripts a function on import
            from snac import SNAC
    except ImportError as error:
        raise SpeechModelError(
            "the codec SNAC needs the package snac: pip install 'tts-lora[orpheus]'"
        ) from error
    try:
        return SnacCodec(SNAC(**config), config)
    except TypeError as error:
        raise SpeechModelError(f"{CONFIG} describes no SNAC codec: {first_line(error)}") from error


def check_codes(codes: Tensor, sizes: Sequence[int]) -> None:
    """Refuse codes that no codebook has.

    Raises:
        SpeechModelError: unless ``codes`` is [Q, T] with ``0 <= codes[q] < sizes[q]``.
    """
    if codes.dim() != 2 or len(codes) != len(sizes):
        raise SpeechModelError(f"codes must be [{len(sizes)}, T], not {list(codes.shape)}")
    for row, size in zip(codes, sizes, strict=True):
        wrong = row[(row < 0) | (row >= size)]
        if len(wrong):
            raise SpeechModelError(f"the code {int(wrong[0])} is not in a codebook of {size}")


def located(reference: str | Path, patterns: Sequence[str]) -> Path:
    """The folder ``reference``, or the files of a hub id that match ``patterns``, fetched once.

    Raises:
        SpeechModelError: if it is neither, or cannot be fetched.
    """
    if Path(reference).is_dir():
        return Path(reference)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(reference), allow_patterns=list(patterns)))
    except (OSError, ValueError) as error:
        raise SpeechModelError(
            f"{str(reference)!r} is no folder, and no hub id that can be fetched now "
            f"({first_line(error)}): check the name and the connection"
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        SpeechModelError: if there is no such file or it holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpeechModelError(
            f"{path} cannot be read ({first_line(error)}): check the path"
        ) from error
    if not isinstance(values, dict):
        raise SpeechModelError(f"{path} must hold a JSON object, not {type(values).__name__}")
    return values


def _tensors(folder: Path) -> Mapping[str, Any]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / WEIGHTS).is_file():
        return torch.load(folder / PICKLED, map_location="cpu", weights_only=True)
    try:
        return load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{WEIGHTS}: {error}") from error


def _tree(strides: Sequence[int]) -> list[tuple[int, int]]:
    """Level and place within the frame of each of the Q codes, parents before children.

    >>> [level for level, _ in _tree([4, 2, 1])]
    [0, 1, 2, 2, 1, 2, 2]
    """

    def under(level: int, place: int) -> list[tuple[int, int]]:
        order = [(level, place)]
        if level + 1 < len(strides):
            ratio = strides[level] // strides[level + 1]
            for child in range(place * ratio, (place + 1) * ratio):
                order.extend(under(level + 1, child))
        return order

    return under(0, 0)


def first_line(error: Exception) -> str:
    """What an error says, for a message of one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
