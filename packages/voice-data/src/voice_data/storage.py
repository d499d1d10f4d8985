"""Files that are written whole or not at all, and paths that stay inside their folder."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space or choose a folder on another disk",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another folder",
    errno.EROFS: "the folder is on a read-only disk: choose a folder that you may write to",
    errno.EACCES: "permission denied: choose a folder that you may write to",
    errno.EPERM: "the system does not permit it: choose a folder that you may write to",
    errno.ENOENT: "its folder does not exist: create the folder first",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another path",
    errno.EISDIR: "a folder of that name exists: choose another file name",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}
_CHUNK_BYTES = 1 << 20
_CANNOT_WRITE = "cannot write the file"


class PathError(ValueError):
    """A path that is not allowed: absolute, or leaving the folder that it belongs to."""


def write_failure(path: str | os.PathLike[str], error: OSError) -> OSError:
    """The same error, with the file's name and what to do about it in the message.

    >>> write_failure("out.wav", OSError(errno.ENOSPC, "full")).errno == errno.ENOSPC
    True
    """
    reason = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    return OSError(error.errno or errno.EIO, f"{_CANNOT_WRITE}, {reason}", os.fspath(path))


@contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that becomes ``path`` when the block ends well.

    The data reaches the disk before the rename, so a crash leaves the old file or the new one.
    If the block raises, the temporary file is removed and ``path`` is as it was.

    Raises:
        FileExistsError: if ``path`` exists and ``overwrite`` is false.
        OSError: if the disk is full or the folder cannot be written; the message says what to do.
    """
    target = Path(path)
    _check_target(target, overwrite)
    temporary = target.with_name(f".{secrets.token_hex(8)}.partial{target.suffix[:16]}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _check_target(target, overwrite)
        temporary.replace(target)
    except OSError as error:
        if error.filename == os.fspath(target):
            raise  # already says which file and what to do
        raise write_failure(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    _sync_folder(target.parent)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, whole or not at all.

    Raises:
        OSError: as :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_files(
    folder: str | os.PathLike[str], files: Mapping[str, bytes], *, without: Iterable[str] = ()
) -> None:
    """Write files into a folder, all or none of them; a new folder appears when it is whole.

    Every file is on the disk before the first takes its name. They take them in the order given, so
    what describes the others should stand last. Files named ``without`` are removed.

    Raises:
        OSError: if the disk is full or the folder cannot be written; the message says what to do.
    """
    folder = Path(folder)
    if folder.is_dir():
        _replace_files(folder, files)
        for name in without:
            (folder / name).unlink(missing_ok=True)
        return
    temporary = folder.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        temporary.mkdir(parents=True)
        _replace_files(temporary, files)
        temporary.rename(folder)
    except OSError as error:
        if error.strerror and error.strerror.startswith(_CANNOT_WRITE):
            raise OSError(error.errno, error.strerror, os.fspath(folder)) from None
        raise write_failure(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        OSError: if the file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def check_relative(path: str) -> str:
    """Return ``path`` if it is a relative path with forward slashes that stays inside its folder.

    Raises:
        PathError: if it is empty, absolute, holds a ``..`` or ``\\`` or a control character.
    """
    advice = "give a path relative to the data folder, with forward slashes and no '..'"
    if not path or path == ".":
        raise PathError(f"the path {path!r} names no file: {advice}")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise PathError(f"the path {path!r} holds a control character: rename the file")
    windows = PureWindowsPath(path)
    if path.startswith("/") or windows.drive or windows.root:
        raise PathError(f"the path {path!r} is absolute: {advice}")
    if "\\" in path:
        raise PathError(f"the path {path!r} holds a backslash: {advice}")
    if ".." in PurePosixPath(path).parts:
        raise PathError(f"the path {path!r} leaves the data folder: {advice}")
    return path


def inside(folder: str | os.PathLike[str], path: str) -> Path:
    """The file ``path`` inside ``folder``, after following symbolic links. It need not exist.

    Raises:
        PathError: as :func:`check_relative`, or if a symbolic link leads out of ``folder``.
    """
    check_relative(path)
    root = Path(folder).resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(root):
        raise PathError(
            f"the path {path!r} leaves the data folder {os.fspath(folder)!r} through a symbolic "
            f"link to {os.fspath(target)!r}: copy the file into the folder"
        )
    return Path(folder) / path


def _replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    with ExitStack() as stack:  # it ends the other way round
        for name in reversed(list(files)):
            stack.enter_context(replacing(folder / name)).write_bytes(files[name])


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise write_failure(target, IsADirectoryError(errno.EISDIR, ""))
    if not overwrite and target.exists():
        raise FileExistsError(
            errno.EEXIST,
            "the file exists and is kept: remove it or choose another name",
            os.fspath(target),
        )


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the system can (Windows cannot open a folder)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
