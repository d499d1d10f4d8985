"""Who reads descriptions: the encoder that ships, another folder of ours, or a transformers model.

Letters: B batch, N tokens, W encoded text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from voice_data.artefact import ArtefactError
from voice_hypernet import grams
from voice_hypernet.plain_words import PLAIN_SHARE, PlainWords, plain_sentences
from voice_hypernet.understanding import Understanding, understood

if TYPE_CHECKING:
    from voice_hypernet.numpy_text import NumpyTextEncoder

SHIPPED = "text"
KIND = "text-encoder"
LONGEST_TOKENS = 256
"""Tokens of a description that a transformers model reads."""
_SOME = 64
"""Descriptions that are encoded at once."""
_SMALL_WORDS = (
    "ein eine einer der die das und mit stimme mann frau une un le la les et avec voix homme femme "
    "una el los las con voz hombre mujer de y di voce uomo donna het een stem met uma um com "
    "homem mulher e en från och röst med glas muž žena hlas"
)
_ELSEWHERE = frozenset(_SMALL_WORDS.split())
"""Words by which other languages in Latin letters are told."""
_PLAIN = 0.8
"""How sure the encoder is, at least, of what is more than a guess."""


class DescriptionEncoder(Protocol):
    """What reads descriptions. Nobody needs to inherit."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Descriptions -> [B, W], float32.

        Raises:
            DescriptionError: if one of them holds no word.
        """
        ...

    def understand(self, encoded: np.ndarray) -> list[Understanding] | None:
        """What each of [B, W] names; None from an encoder that does not tell."""
        ...


class OwnEncoder:
    """An encoder of :mod:`voice_hypernet.text_encoder`, run without torch."""

    def __init__(self, encoder: NumpyTextEncoder) -> None:
        self._encoder = encoder

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Descriptions -> [B, W].

        Raises:
            DescriptionError: if one of them holds no word.
        """
        parts = [texts[at : at + _SOME] for at in range(0, len(texts), _SOME)]
        return np.concatenate([self._encoder.encode(part) for part in parts]).astype(np.float32)

    def understand(self, encoded: np.ndarray) -> list[Understanding]:
        """What each of [B, W] says of a voice."""
        weights = self._encoder.weights
        return understood(encoded @ weights["tags.weight"].T + weights["tags.bias"])


class TransformersEncoder:
    """The mean of a pretrained model's last states, such as ``klue/roberta-large``'s."""

    def __init__(self, name: str) -> None:
        """Load a folder or a hub id.

        Raises:
            ImportError: without the extra ``[transformers]``.
            OSError: if there is no such model.
        """
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise ImportError(
                f"reading descriptions with {name!r} needs transformers: "
                "pip install 'voice-hypernet[transformers]'"
            ) from error
        self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model: Any = AutoModel.from_pretrained(name, use_safetensors=True)
        # of an encoder and a decoder only the first reads
        self._model = model.get_encoder() if model.config.is_encoder_decoder else model
        self._model.requires_grad_(False).eval()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Descriptions -> [B, W].

        Raises:
            DescriptionError: if one of them holds no word.
        """
        for text in texts:
            grams.read(text)
        parts = [self._some(texts[at : at + _SOME]) for at in range(0, len(texts), _SOME)]
        return np.concatenate(parts)

    def understand(self, encoded: np.ndarray) -> None:  # noqa: ARG002
        """Nothing: it was not trained to tell."""
        return

    def _some(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        given = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=LONGEST_TOKENS,
            return_tensors="pt",
        )  # fmt: skip
        with torch.inference_mode():
            states = self._model(**given).last_hidden_state  # [B, N, W]
        mask = given["attention_mask"][..., None].to(states.dtype)
        return ((states * mask).sum(1) / mask.sum(1)).float().numpy()


def load_encoder(reference: str = "") -> DescriptionEncoder:
    """``""`` is the encoder that ships; else a folder of ours, or a transformers folder or hub id.

    Raises:
        ArtefactError: if a folder of ours is missing or damaged.
        ImportError: for a transformers model without the extra ``[transformers]``.
    """
    folder = shipped() if not reference else Path(reference)
    if not reference or _is_ours(folder):
        from voice_hypernet.numpy_text import NumpyTextEncoder

        return OwnEncoder(NumpyTextEncoder.from_pretrained(folder))
    return TransformersEncoder(reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A description as it is used: ``said`` is encoded, ``tags`` are the attributes it names."""

    text: str
    said: str
    tags: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def consider(
    encoder: DescriptionEncoder,
    texts: Sequence[str],
    plain: PlainWords | None = None,
    *,
    guessing: bool = True,
) -> tuple[list[Description], np.ndarray]:
    """What each text says and what is odd about it, and all of them encoded, [B, W].

    Of words that exclude each other one is taken, and said plainly in place of the text. With
    ``plain`` words every text is heard together with what was understood of it. Without
    ``guessing`` what the text only hints at is left to a clip.

    Raises:
        DescriptionError: if a text holds no word.
    """
    odd = [grams.oddities(text) for text in texts]
    encoded = encoder.encode(texts)
    found = encoder.understand(encoded) or [None] * len(texts)
    made = [_considered(*each, guessing) for each in zip(texts, found, odd, strict=True)]
    changed = [row for row, each in enumerate(made) if each.said != each.text]
    if changed:
        encoded[changed] = encoder.encode([made[row].said for row in changed])
    for row, each in enumerate(made):
        again = plain.of(each.tags) if plain is not None else None
        if again is not None:
            encoded[row] += PLAIN_SHARE * (again - encoded[row])
    return made, encoded


def _considered(
    text: str, found: Understanding | None, warnings: tuple[str, ...], guessing: bool
) -> Description:
    from voice_data.describe import parse

    parsed = parse(" ".join(text.split()[: grams.MOST_WORDS]))
    plain = {_name(name): value for name, value in parsed.tags.mentioned.items()}
    if found is None or _elsewhere(text) or grams.foreign_share(text) > grams.MOST_FOREIGN:
        found = Understanding(tags=plain, confidence={})  # the encoder knows two languages
    sure = {name for name, chance in found.confidence.items() if chance >= _PLAIN}
    tags = {n: v for n, v in found.tags.items() if guessing or n in plain or n in sure}
    said, told = text, [*warnings]
    if parsed.contradictions:
        tags |= {_name(each.tag): each.values[0] for each in parsed.contradictions}
        told += [str(each) for each in parsed.contradictions]
    elif found.contradictions:
        told += found.warnings
    if parsed.contradictions or found.contradictions:
        said = plain_sentences(tags, [parsed.language or "en"])[0]
        told.append(f"it is read as {said!r}")
    elif _elsewhere(text):
        told.append("the description seems to be neither English nor Korean: check what you hear")
    elif not tags:
        told.append("no attribute of a voice was recognised: the voice may be arbitrary")
    elif not plain and not sure:
        told.append("no plain word for a voice was found: what is understood is a guess")
    return Description(text=text, said=said, tags=tags, warnings=tuple(dict.fromkeys(told)))


def _elsewhere(text: str) -> bool:
    """Whether a third of the words are small ones of other languages, and two at least."""
    words = text.lower().replace(",", " ").split()[: grams.MOST_WORDS]
    found = sum(word in _ELSEWHERE for word in words)
    return found > 1 and 3 * found >= len(words)


def _name(tag: str) -> str:
    return "pitch" if tag == "relative_pitch" else tag


def shipped() -> Path:
    """The folder of the encoder that comes with the package."""
    return Path(str(resources.files("voice_hypernet") / "checkpoints" / SHIPPED))


def _is_ours(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds an encoder of ours; transformers folders have a config.json too."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        return False
    try:
        return json.loads(path.read_text("utf-8")).get("kind") == KIND
    except (OSError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}): copy the folder again") from error
