from __future__ import annotations

from pathlib import Path

import pytest

from voice_data.formats import read_dataset
from voice_data.manifest import ManifestError, Utterance


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_librispeech_with_subsets(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        {
            "dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO DO YOU HEAR\n84-121-0001 BUT\n",
            "test-clean/7/1/7-1.trans.txt": "7-1-0000 HELLO\n",
            "test-clean/7/1/7-1-0000.wav": "",
        },
    )
    assert read_dataset(root) == [
        Utterance(
            id="84-121-0000",
            audio="dev-clean/84/121/84-121-0000.flac",
            text="GO DO YOU HEAR",
            speaker="84",
            split="dev-clean",
        ),
        Utterance(
            id="84-121-0001",
            audio="dev-clean/84/121/84-121-0001.flac",
            text="BUT",
            speaker="84",
            split="dev-clean",
        ),
        Utterance(
            id="7-1-0000",
            audio="test-clean/7/1/7-1-0000.wav",
            text="HELLO",
            speaker="7",
            split="test-clean",
        ),
    ]


@pytest.mark.parametrize(
    ("start", "audio"),
    [
        ("dev-clean", "84/121/84-121-0000.flac"),
        ("dev-clean/84", "121/84-121-0000.flac"),
        ("dev-clean/84/121/84-121.trans.txt", "84-121-0000.flac"),
    ],
)
def test_librispeech_from_any_level(tmp_path: Path, start: str, audio: str) -> None:
    make(tmp_path, {"dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO\n"})
    (item,) = read_dataset(tmp_path / start)
    assert (item.audio, item.speaker, item.split) == (audio, "84", "")


def test_librispeech_errors_name_file_and_line(tmp_path: Path) -> None:
    make(tmp_path, {"84/121/84-121.trans.txt": "84-121-0000 GO\nhello there\n"})
    with pytest.raises(ManifestError, match=r"84-121\.trans\.txt:2: the id 'hello' is not of"):
        read_dataset(tmp_path)
    with pytest.raises(ManifestError, match=r"no \*\.trans\.txt in this folder"):
        read_dataset(make(tmp_path / "empty", {"a": ""}), "librispeech")


HEADER = "client_id\tpath\tsentence\tup_votes\tage\tlocale\n"


def test_common_voice_splits(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        {
            "train.tsv": f'{HEADER}s1\ta.mp3\tHe said "no\t2\t\thi\n',
            "dev.tsv": f"{HEADER}s2\tb.mp3\tHo.\t1\ttwenties\thi\n",
            "validated.tsv": f"{HEADER}s1\ta.mp3\tHi.\t2\t\thi\n",
        },
    )
    assert read_dataset(root) == [
        Utterance(
            id="a",
            audio="clips/a.mp3",
            text='He said "no',
            speaker="s1",
            language="hi",
            split="train",
            extra={"up_votes": "2"},
        ),
        Utterance(
            id="b",
            audio="clips/b.mp3",
            text="Ho.",
            speaker="s2",
            language="hi",
            split="validation",
            extra={"up_votes": "1", "age": "twenties"},
        ),
    ]


def test_common_voice_without_splits_and_single_tables(tmp_path: Path) -> None:
    table = f"{HEADER}s1\ta.mp3\tHi.\t2\t\thi\n"
    root = make(tmp_path, {"validated.tsv": table, "other.tsv": table})
    assert [item.split for item in read_dataset(root)] == [""]
    assert [item.split for item in read_dataset(root / "other.tsv")] == ["other"]


def test_common_voice_errors_name_file_and_line(tmp_path: Path) -> None:
    root = make(tmp_path, {"train.tsv": f"{HEADER}s1\ta.mp3\n"})
    with pytest.raises(ManifestError, match=r"train\.tsv:2: 2 columns where the header has 6"):
        read_dataset(root)
    with pytest.raises(ManifestError, match=r"none of train\.tsv, dev\.tsv"):
        read_dataset(make(tmp_path / "empty", {"a": ""}), "commonvoice")
    missing = make(tmp_path / "missing", {"train.tsv": "client_id\tsentence\ns\tHi\n"})
    with pytest.raises(ManifestError, match=r"train\.tsv:1: there is no column for the audio"):
        read_dataset(missing)
