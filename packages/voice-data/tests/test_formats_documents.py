from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from voice_data.audio import read
from voice_data.formats import from_rows, read_dataset, to_rows
from voice_data.manifest import ManifestError, Utterance


def test_json_list(tmp_path: Path) -> None:
    rows = [{"audio": "x/a.wav", "text": "Hi"}, {"audio": "./b.wav", "text": "Ho", "age": 9}]
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=2))
    assert read_dataset(tmp_path / "list.json") == [
        Utterance(id="x/a", audio="x/a.wav", text="Hi"),
        Utterance(id="b", audio="b.wav", text="Ho", extra={"age": 9}),
    ]


@pytest.mark.parametrize("content", ["[]", " [ ]\n"])
def test_empty_json_list(tmp_path: Path, content: str) -> None:
    (tmp_path / "list.json").write_text(content)
    assert read_dataset(tmp_path / "list.json", "json") == []


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('{"audio": "a"}', 1, r"'\[' is needed here, not '\{'"),
        ('[{"audio": "a.wav", "text": "x"}\n{"audio": "b.wav"}]', 2, "',' is needed here"),
        ('[{"audio": "a.wav", "text": "x"},\n\n{"audio": "b.wav"}]', 3, "no column for the text"),
        ('[{"audio": "a.wav", "text": "x"},\n{"audio": oops}]', 2, "not JSON"),
        ('[{"audio": "a.wav", "text": "x"},\n 7]', 2, "an object is needed, not 7"),
        ('[{"audio": "a.wav", "text": "x"}', 1, "the end of the file"),
        ('[{"audio": 7, "text": "x"}]', 1, "must be given by a path, not by int"),
        ('[{"audio": "a", "text": 5}]', 1, "text must be text, not 5"),
        ('[{"audio": "a", "text": "", "extra": 5}]', 1, "extra must be an object, not 5"),
        ('[{"audio": "../a", "text": ""}]', 1, "leaves the data folder"),
    ],
)
def test_json_errors_name_file_and_line(
    tmp_path: Path, content: str, line: int, message: str
) -> None:
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(ManifestError, match=message) as caught:
        read_dataset(path, "json")
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_json_lines_of_others(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(
        '{"audio_filepath": "a.wav", "duration": 2, "text": "Hi", "lang": "en", "snr": null}\n'
    )
    assert read_dataset(tmp_path / "m.jsonl") == [
        Utterance(id="a", audio="a.wav", text="Hi", duration=2.0, language="en")
    ]


def test_json_lines_errors_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"audio": "a.wav", "text": "x"}\n{"audio": "b.wav" "text"}\n')
    with pytest.raises(ManifestError, match="not JSON") as caught:
        read_dataset(path)
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", '{"file_name": "a/x.wav", "transcription": "Hi", "age": "9"}\n'),
        ("metadata.csv", "file_name,transcription,age\na/x.wav,Hi,9\n"),
    ],
)
def test_audio_folders_of_datasets(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_dataset(tmp_path) == [
        Utterance(id="a/x", audio="a/x.wav", text="Hi", extra={"age": "9"})
    ]


def test_rows_with_bytes_become_files_and_rows_again(
    tmp_path: Path, clip: Callable[..., Path]
) -> None:
    content = clip(tmp_path / "source.wav", 1.0).read_bytes()
    rows = [
        {"audio": {"path": "/elsewhere/a.wav", "bytes": content}, "sentence": "Hi", "age": 9},
        {"audio": {"path": None, "bytes": content}, "sentence": "Ho", "id": "b"},
        {"audio": {"path": None, "bytes": content}, "sentence": "Hu", "snr": None},
    ]
    items = from_rows(rows, tmp_path / "out")
    assert [(item.id, item.audio) for item in items] == [
        ("a", "wavs/a.wav"),
        ("b", "wavs/b.wav"),
        ("000003", "wavs/000003.wav"),
    ]
    assert read(tmp_path / "out/wavs/a.wav").duration == 1.0
    back = list(to_rows(items, tmp_path / "out"))
    assert back[0] == {
        "audio": {"path": "wavs/a.wav", "bytes": content},
        "id": "a",
        "text": "Hi",
        "age": 9,
    }
    assert from_rows(back, tmp_path / "again") == items


def test_rows_with_paths_stay_where_they_are(tmp_path: Path) -> None:
    rows = [{"audio": {"path": "x/a.wav", "bytes": None}, "text": "Hi"}]
    assert from_rows(rows, tmp_path) == [Utterance(id="x/a", audio="x/a.wav", text="Hi")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"audio": {"path": "../a.wav"}, "text": "x"}, "rows:1: .*leaves the data folder"),
        ({"audio": {"path": "wavs/../../a.wav", "bytes": b"x"}, "text": "x"}, "leaves the data"),
        ({"audio": {"path": "a.wav", "bytes": b"x"}}, "rows:1: .*no column for the text"),
        ({"text": "x"}, "rows:1: .*no column for the audio"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        from_rows([row], tmp_path / "out")


def test_extra_that_hides_a_column_is_refused(tmp_path: Path, clip: Callable[..., Path]) -> None:
    clip(tmp_path / "a.wav")
    item = Utterance(id="a", audio="a.wav", text="x", extra={"text": "y"})
    with pytest.raises(ManifestError, match="a: extra has a key 'text' like a column's: rename it"):
        list(to_rows([item], tmp_path))


def test_rows_pass_through_datasets(tmp_path: Path, clip: Callable[..., Path]) -> None:
    import datasets

    clip(tmp_path / "a.wav", 1.0)
    items = [Utterance(id="a", audio="a.wav", text="Hi", speaker="s")]
    table = datasets.Dataset.from_list(list(to_rows(items, tmp_path)))
    table = table.cast_column("audio", datasets.Audio(decode=False))
    back = from_rows(table, tmp_path / "out")
    assert [(item.id, item.text, item.speaker) for item in back] == [("a", "Hi", "s")]
    assert (tmp_path / "out" / back[0].audio).read_bytes() == (tmp_path / "a.wav").read_bytes()
