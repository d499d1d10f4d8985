from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from voice_data.manifest import (
    ManifestError,
    Utterance,
    manifest_hash,
    read_manifest,
    write_manifest,
)

HASH = "0" * 64
FULL = Utterance(
    id="a",
    audio="wavs/a.wav",
    text='He said "नमस्ते"\u2028and left.',
    speaker="s1",
    language="en",
    duration=1.5,
    rate=24_000,
    sha256=HASH,
    licence="CC0-1.0",
    consent="granted",
    source="book.flac",
    split="train",
    extra={"age": 30, "tags": ["x", 1], "ok": True, "snr": 1.5, "note": "n"},
)


def one(**changes: Any) -> Utterance:
    return Utterance(**{"id": "a", "audio": "a.wav", "text": "Hello.", **changes})


def test_everything_comes_back(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [FULL, one(id="b")])
    assert read_manifest(tmp_path / "m.jsonl") == [FULL, one(id="b")]


def test_lines_hold_only_what_is_set_as_plain_json(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [one(text="नमस्ते")])
    line = (tmp_path / "m.jsonl").read_text(encoding="utf-8")
    assert json.loads(line) == {"id": "a", "audio": "a.wav", "text": "नमस्ते"}
    assert "नमस्ते" in line


def test_same_utterances_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_manifest(tmp_path / name, [FULL])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_hash_ignores_order_and_spacing_but_no_value(tmp_path: Path) -> None:
    items = [FULL, one(id="b", duration=2.0)]
    loose = "\ufeff" + "\r\n\n".join(
        json.dumps(item.to_dict(), ensure_ascii=True, indent=None, separators=(" , ", " : "))
        for item in reversed(items)
    )
    (tmp_path / "m.jsonl").write_text(loose, encoding="utf-8", newline="")
    expected = manifest_hash(items)
    assert manifest_hash(tmp_path / "m.jsonl") == manifest_hash(items[::-1]) == expected
    assert manifest_hash([FULL, one(id="b", duration=2)]) == expected
    for changes in ({"text": "x"}, {"duration": 2.5}, {"extra": {"a": 1}}):
        assert manifest_hash([FULL, one(**{"id": "b", "duration": 2.0, **changes})]) != expected


def test_utterances_cross_process_borders() -> None:
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert Utterance(**asdict(FULL)) == FULL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "id '' is empty"),
        ({"id": " a"}, "white space"),
        ({"id": "a\nb"}, "white space"),
        ({"audio": "../a.wav"}, r"audio: the path '\.\./a\.wav' leaves the data folder"),
        ({"audio": "/a.wav"}, "is absolute"),
        ({"text": None}, "text must be text, not None"),
        ({"text": "\ud800"}, "lone surrogate"),
        ({"speaker": 3}, "speaker must be text, not 3"),
        ({"duration": -1}, r"seconds \(0 or more\), not -1"),
        ({"duration": float("nan")}, "not nan"),
        ({"duration": True}, "not True"),
        ({"duration": "1"}, "not '1'"),
        ({"rate": 24e3}, "positive int in Hz, not 24000.0"),
        ({"rate": 0}, "not 0"),
        ({"sha256": "xyz"}, "64 lower-case hexadecimal digits"),
        ({"extra": []}, r"an object, not \[\]"),
        ({"extra": {"a": None}}, r"extra\['a'\] must be text, a number"),
        ({"extra": {"a": {"b": 1}}}, r"extra\['a'\] must be text"),
        ({"extra": {"a": float("inf")}}, "cannot be written as JSON"),
        ({"extra": {"a": [object()]}}, "cannot be written as JSON"),
        ({"extra": {1: "a"}}, "a key of extra must be text, not 1"),
    ],
)
def test_bad_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        one(**changes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b", "audio": "b.wav"}', "the key 'text' is missing"),
        (
            '{"id": "b", "audio": "b.wav", "text": "", "speakr": "x"}',
            "unknown key 'speakr'.*speaker",
        ),
        ('{"id": "b", "audio": "../b.wav", "text": ""}', "leaves the data folder"),
        ('{"id": "b", "audio": "b.wav", "text": "x}', "not JSON .* at column 39"),
        ('["b"]', "a JSON object is needed, not list"),
        ('{"id": "a", "audio": "b.wav", "text": ""}', "'a' was used on line 1: make ids unique"),
        ('{"id": "b", "id": "c", "audio": "b.wav", "text": ""}', "the key 'id' stands twice"),
        ('{"id": "b", "audio": "b", "text": "", "duration": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"id": "a", "audio": "a.wav", "text": ""}}\n\n{line}\n')
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}:3: ")


def test_latin_1_is_named_with_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"id": "a", "audio": "a", "text": ""}\n{"id": "caf\xe9"}')
    with pytest.raises(ManifestError, match=r":2: byte 0xe9 at position 12 is not UTF-8: save"):
        read_manifest(path)


def test_writing_refuses_an_id_twice(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'a' is used twice"):
        write_manifest(tmp_path / "m.jsonl", [one(), one()])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ManifestError, match="'a' is used twice"):
        manifest_hash([one(), one()])


def test_empty_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [])
    assert read_manifest(tmp_path / "m.jsonl") == []


def test_file_in_the_folder_and_link_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(ManifestError, match=r"a: the path 'a\.wav' leaves .* symbolic link"):
        one().path_in(tmp_path / "data")
    assert one(audio="b.wav").path_in(tmp_path / "data") == tmp_path / "data" / "b.wav"
