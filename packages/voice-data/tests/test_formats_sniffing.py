from __future__ import annotations

from pathlib import Path

import pytest

from voice_data.formats import sniff
from voice_data.manifest import ManifestError


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("metadata.csv", "LJ1|Hi.|Hi.\n", "ljspeech"),
        ("metadata.csv", "a.wav|Hi, you.\n", "pipe"),
        ("metadata.csv", "audio_file|text\na|b\n", "csv"),
        ("metadata.csv", '"audio","text"\na,b\n', "csv"),
        ("metadata.csv", "wav_filename;transcript\na;b\n", "csv"),
        ("metadata.csv", "audio,words\na,b\n", "csv"),
        ("metadata.csv", "file_name,text\na,b\n", "hf"),
        ("metadata.txt", "a.wav\tHi.\n", "tab"),
        ("metadata.json", '[{"audio": "a"}]', "json"),
        ("metadata.json", "[\n", "json"),
        ("manifest.jsonl", '{"audio": "a"}\n', "jsonl"),
        ("metadata.jsonl", '{"file_name": "a"}\n', "hf"),
        ("train.tsv", "client_id\tpath\tsentence\n", "commonvoice"),
        ("84/121/84-121.trans.txt", "84-121-0000 GO\n", "librispeech"),
    ],
)
def test_each_dialect_is_told_from_file_and_folder(
    tmp_path: Path, name: str, content: str, dialect: str
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    assert sniff(tmp_path / name) == sniff(tmp_path) == dialect


def test_the_only_list_of_a_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "my words.txt").write_text("a.wav|Hi\n")
    (tmp_path / "a.wav").touch()
    assert sniff(tmp_path) == "pipe"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "which file lists the clips.* There is no list at all"),
        ({"a.txt": "a|b", "b.csv": "a|b"}, r"There is a\.txt, b\.csv: name the file"),
        ({"metadata.csv": ""}, r"metadata\.csv:1: the file is empty"),
        ({"metadata.csv": "hello there\n"}, r"csv:1: cannot tell the dialect from 'hello there'"),
        ({"manifest.jsonl": '{"a": \n'}, r"jsonl:1: not JSON"),
        ({"metadata.csv": "caf\udce9|x\n"}, r"csv:1: byte 0xe9"),
    ],
)
def test_what_cannot_be_told_is_said(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ManifestError, match=message):
        sniff(tmp_path)


def test_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no:1: no such file or folder: check the path"):
        sniff(tmp_path / "no")
