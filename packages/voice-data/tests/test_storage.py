from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from voice_data.storage import (
    PathError,
    check_relative,
    file_sha256,
    inside,
    replacing,
    write_failure,
    write_files,
    write_text,
)


def fail_with(code: int) -> object:
    def fail(*args: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_text_replaces_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    write_text(tmp_path / "a.txt", "नमस्ते\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "नमस्ते\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EROFS, "read-only disk: choose a folder"),
        (errno.EACCES, "permission denied: choose a folder"),
    ],
)
def test_failed_write_names_file_and_remedy_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", fail_with(code))
    with pytest.raises(OSError, match=rf"{remedy}.*a\.txt") as caught:
        write_text(tmp_path / "a.txt", "new")
    assert caught.value.errno == code
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_read_only_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "touch", fail_with(errno.EACCES))  # root is let in everywhere
    with pytest.raises(PermissionError, match=r"permission denied: choose a folder .*a\.txt"):
        write_text(tmp_path / "a.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match="a folder of that name exists"):
        write_text(tmp_path / "a", "new")


def test_any_exception_removes_the_temporary_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    def race() -> None:
        with replacing(tmp_path / "a", overwrite=False) as temporary:
            temporary.write_text("mine")
            (tmp_path / "a").write_text("theirs")

    with pytest.raises(FileExistsError):
        race()
    assert (tmp_path / "a").read_text() == "theirs"


def test_unknown_failure_keeps_its_own_words() -> None:
    error = write_failure("a", OSError(errno.ELOOP, "too many links"))
    assert "too many links" in str(error)


def test_hash_equals_that_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


@pytest.mark.parametrize("path", ["a.wav", "wavs/a b.wav", "a..b/c.wav", "음성/é.wav"])
def test_ordinary_paths_pass(path: str) -> None:
    assert check_relative(path) == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "names no file"),
        (".", "names no file"),
        ("/etc/passwd", "is absolute"),
        ("C:/a.wav", "is absolute"),
        ("\\\\host\\a.wav", "is absolute"),
        ("../a.wav", "leaves the data folder"),
        ("a/../../b.wav", "leaves the data folder"),
        ("a\\b.wav", "backslash"),
        ("a\0.wav", "control character"),
        ("a\n.wav", "control character"),
    ],
)
def test_paths_that_leave_or_confuse_are_refused(path: str, reason: str) -> None:
    with pytest.raises(PathError, match=reason):
        check_relative(path)


def test_symbolic_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_text("x")
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.wav").symlink_to(tmp_path / "secret.wav")
    (data / "within.wav").symlink_to(data / "b.wav")
    (data / "up").symlink_to(tmp_path)
    assert inside(data, "within.wav") == data / "within.wav"
    for path in ("a.wav", "up/secret.wav"):
        with pytest.raises(PathError, match=rf"{path}' leaves the data folder .*symbolic link"):
            inside(data, path)


def test_files_of_a_folder_are_written_together(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write_files(folder, {"a": b"1", "b": b"2"})
    write_files(folder, {"a": b"3"}, without=("b", "nothing"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"3"}
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_files_take_their_names_in_order_once_all_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        assert len(list(tmp_path.glob(".*.partial*"))) == 3 - len(renamed)
        renamed.append(Path(target).name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_files(tmp_path, {"c": b"1", "a": b"2", "b": b"3"})
    assert renamed == ["c", "a", "b"]


@pytest.mark.parametrize("there", [False, True])
def test_no_file_changes_when_one_cannot_be_written(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "folder"
    if there:
        write_files(folder, {"a": b"old"})
    with pytest.raises(OSError, match=r"too long.*folder") as caught:
        write_files(folder, {"a": b"new", "x" * 300: b"", "b": b"new"})
    assert caught.value.errno == errno.ENAMETOOLONG
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == ({"a": b"old"} if there else {})
    assert folder.exists() == there
