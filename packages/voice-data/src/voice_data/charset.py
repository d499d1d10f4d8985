"""The characters that a tokenizer can write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_WORD_MARKS = ("\u2581", "\u0120", "##", "</w>")
_BYTE_TOKEN = "<0x00>"  # noqa: S105 (a vocabulary entry)


def charset_of(tokenizer: object) -> frozenset[str] | None:
    """The characters that ``tokenizer`` knows, with space; None if it takes any text (bytes).

    ``tokenizer`` is a Hugging Face tokenizer, a mapping from token to number, an iterable of tokens
    or a string of characters, or the path of a ``tokenizer.json``, a JSON vocabulary, or a text
    file that simply holds the characters.

    >>> sorted(charset_of({"a": 0, "b": 1, "<pad>": 2}))
    [' ', 'a', 'b']

    Raises:
        ValueError: if the file holds no vocabulary.
        OSError: if the file cannot be read.
    """
    if isinstance(tokenizer, os.PathLike):
        return _from_file(Path(tokenizer))
    if hasattr(tokenizer, "get_vocab"):
        if _is_byte_level(str(getattr(tokenizer, "backend_tokenizer", ""))):
            return None
        tokenizer = tokenizer.get_vocab()  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(tokenizer, Iterable):
        raise ValueError(
            f"{type(tokenizer).__name__} is no tokenizer: give its vocabulary or its file"
        )
    return _from_tokens(tokenizer)


def _from_file(path: Path) -> frozenset[str] | None:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return _from_tokens(text.replace("\n", ""))
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    vocabulary = _vocabulary(content)
    if not vocabulary:
        raise ValueError(
            f"{path} holds no vocabulary: give a tokenizer.json, or a list of characters"
        )
    if isinstance(content, dict) and _is_byte_level(json.dumps(content.get("pre_tokenizer"))):
        return None
    return _from_tokens(vocabulary)


def _vocabulary(content: Any) -> list[str]:
    if isinstance(content, dict):
        content = content.get("model", content)
        content = content.get("vocab", content.get("symbols", content))
    if isinstance(content, dict):
        return [token for token, number in content.items() if isinstance(number, int)]
    if isinstance(content, list):
        entries = [entry[0] if isinstance(entry, list) and entry else entry for entry in content]
        return [entry for entry in entries if isinstance(entry, str)]
    return list(content) if isinstance(content, str) else []


def _from_tokens(tokens: Iterable[Any]) -> frozenset[str] | None:
    found = {" "}
    for token in tokens:
        if token == _BYTE_TOKEN:
            return None
        for mark in _WORD_MARKS:
            token = token.removeprefix(mark).removesuffix(mark)
        if len(token) == 1:
            found.add(token)
    return frozenset(found)


def _is_byte_level(description: str) -> bool:
    return "ByteLevel" in description
