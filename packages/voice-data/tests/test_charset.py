from __future__ import annotations

import json
from pathlib import Path

import pytest

from voice_data.charset import charset_of


class Tokenizer:
    """What a Hugging Face tokenizer offers."""

    def __init__(self, vocabulary: dict[str, int], description: str = "") -> None:
        self.vocabulary, self.backend_tokenizer = vocabulary, description

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary


def test_characters_are_the_tokens_of_one_character() -> None:
    expected = {" ", "a", "b", "é"}
    vocabulary = {"<pad>": 0, "a": 1, "\u2581b": 2, "##é": 3, "ab": 4}
    assert charset_of(vocabulary) == charset_of(Tokenizer(vocabulary)) == expected
    assert charset_of("abé") == charset_of(["a", "b", "é"]) == expected


def test_tokenizers_over_bytes_take_everything() -> None:
    assert charset_of({"<0x00>": 0, "a": 1}) is None
    assert charset_of(Tokenizer({"a": 1}, "ByteLevel(add_prefix_space=False)")) is None


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"vocab": {"a": 0, "b": 1}}, "pre_tokenizer": {"type": "Whitespace"}},
        {"model": {"vocab": [["a", -1.5], ["b", -2.0]]}},
        {"a": 0, "b": 1},
        {"symbols": ["a", "b"]},
        ["a", "b"],
        "ab",
    ],
)
def test_files_of_many_kinds(tmp_path: Path, content: object) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert charset_of(tmp_path / "tokenizer.json") == {" ", "a", "b"}


def test_byte_level_file_takes_everything(tmp_path: Path) -> None:
    content = {"model": {"vocab": {"a": 0}}, "pre_tokenizer": {"type": "ByteLevel"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert charset_of(tmp_path / "tokenizer.json") is None


def test_text_file_holds_the_characters(tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_text("ab\né\n", encoding="utf-8")
    assert charset_of(tmp_path / "symbols.txt") == {" ", "a", "b", "é"}


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "holds no vocabulary: give"), ("{", r"tokenizer\.json:1: not JSON")],
)
def test_files_without_vocabulary_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        charset_of(tmp_path / "tokenizer.json")


def test_other_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="int is no tokenizer: give its vocabulary or its file"):
        charset_of(3)
