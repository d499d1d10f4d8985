"""What families of codec language models differ in: tokenizer, codec, and the order of tokens.

Letters: U audio tokens with the stop, Q codes per frame, T frames, S samples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tts_lora.families.codec import first_line, read_object
from voice_data.speech import Condition, Encoded, SpeechModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from voice_data.dataset import Example

T = TypeVar("T")

SETTINGS = "speech.json"
"""What is beside a language model: the family's settings, where they are not the published ones."""


class Layout(Protocol):
    """What families differ in: tokenizer, codec, and the order of tokens in a clip."""

    @property
    def sample_rate(self) -> int:
        """Hz of what it encodes and decodes."""
        ...

    @property
    def tokens_per_second(self) -> float:
        """Audio tokens."""
        ...

    @property
    def stops(self) -> tuple[int, ...]:
        """Tokens that end the speech; the first is the one that is trained."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the tensors of a condition, which are also in every encoded clip."""
        ...

    def encode(self, example: Example) -> Encoded:
        """``text`` (UTF-8 bytes), ``codes`` [Q, T] and the clip's own condition."""
        ...

    def condition(self, voices: Sequence[Condition]) -> Condition:
        """One voice for several clips of a speaker."""
        ...

    def named(self, voice: str | None) -> Condition:
        """The voice of a name, or the default one."""
        ...

    def prompt(self, text: str, condition: Condition) -> list[int]:
        """All tokens before the first audio token."""
        ...

    def tokens(self, codes: Tensor) -> Tensor:
        """Audio tokens [U - 1] of ``codes`` [Q, T]."""
        ...

    def codes(self, tokens: Sequence[int]) -> Tensor:
        """``codes`` [Q, T] of generated tokens; what is no whole frame is dropped."""
        ...

    def sound(self, codes: Tensor, condition: Condition) -> Tensor:
        """``samples`` [S] float32."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the codec."""
        ...

    def save(self, folder: Path) -> None:
        """Write tokenizer, codec and settings beside the language model."""
        ...


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in ``folder``.

    Raises:
        SpeechModelError: if there is none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpeechModelError(
            f"{folder} holds no tokenizer ({first_line(error)}): it needs tokenizer.json and "
            "tokenizer_config.json"
        ) from error


def text_ids(tokenizer: Any, text: str, is_control: Callable[[int], bool]) -> list[int]:
    """The tokens of ``text`` alone.

    Raises:
        SpeechModelError: if it has none, or one of them is a control or audio token: a text that
            spells them out would take over the prompt.
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise SpeechModelError(f"the text {text!r} has no tokens: give at least one word")
    control = [token for token in ids if is_control(token)]
    if control:
        name = tokenizer.convert_ids_to_tokens(control[0])
        raise SpeechModelError(f"the text spells the control token {name!r}: remove it")
    return list(ids)


def read_settings(cls: type[T], folder: Path, family: str) -> T:
    """The family's configuration: the published one unless ``folder`` has a file of its own.

    Raises:
        SpeechModelError: if the file is of another family, or has an unknown key or a wrong value.
    """
    from voice_data.config import ConfigError, from_mapping

    path = folder / SETTINGS
    values = read_object(path) if path.is_file() else {"family": family}
    if values.pop("family", None) != family:
        raise SpeechModelError(f"{path} is not of the family {family!r}: load it as its own")
    try:
        return from_mapping(cls, values, where=str(path))
    except ConfigError as error:
        raise SpeechModelError(str(error)) from error


def write_settings(folder: Path, family: str, config: Any) -> None:
    """What :func:`read_settings` reads; ``config`` is a dataclass."""
    text = json.dumps({"family": family, **asdict(config)}, indent=2)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def to_bytes(text: str) -> Tensor:
    """UTF-8 as a uint8 tensor, so that a text is cached beside the codes."""
    import torch

    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def from_bytes(encoded: Tensor) -> str:
    """The text again."""
    return bytes(encoded.tolist()).decode()
