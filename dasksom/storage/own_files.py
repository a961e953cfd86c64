"""All file creations, renames and overwrites of the package: files of other programs are never modified or deleted.

Our files are those that this run created under an unused name and, inside a run folder with our marker
(``owner.json``), regular files with the names that a run uses. Everything else is foreign: symbolic links, which are
neither followed nor removed; other names; other file types; files that appear under an output's name during a run.

| what | where | how |
| --- | --- | --- |
| create a chunk, tile, small file | `write_file`, `create` | new names only; an identical file is accepted |
| overwrite a record, an owner, metadata | `replace_file` | regular files only; atomic |
| publish an output | `take_name`, `rename_new` | the name is free, or unchanged since the run began |
| remove one file, a folder | `own_removal.remove_file`, `remove_tree` | regular files with known names; empty folders |
| the same on object stores | `storage.publish.own_objects` | conditional puts; objects of known keys |

A test fails if other modules call such functions (tests/storage/test_own_files.py).
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dasksom.errors import InputError

UNFINISHED, PARTIAL = ".unfinished-", ".partial-"
"""Prefix of the working folders and files of a run."""
FileIdentity = tuple[int, ...] | None
"""Device, inode, size and modification time of a file, folder or link; None if it does not exist."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_BY_HANDLE = os.open in os.supports_dir_fd
_COMPARED_BYTES = 4 << 20


class ForeignFileError(InputError):
    """A foreign file has the name of a file that is to be written or deleted."""

    def __init__(self, path: Path | str, what: str = "is not a file that dasksom wrote") -> None:
        super().__init__(f"{path}: {what}; it is never changed or deleted: move it away, then run again")


class OpenFolder:
    """An open folder, reached without following links from the first path component that dasksom created."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path, self.handle = path, handle

    def named(self, name: str) -> str:
        """Return the path of a file for functions of `os`."""
        return name if self.handle is not None else str(self.path / name)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of a file, folder or link; None if it does not exist."""
        try:
            return os.stat(self.named(name), dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int, mode: str) -> BinaryIO:
        """Open a file; fail on links."""

        def opener(_: str, __: int) -> int:
            return os.open(self.named(name), flags | _NO_FOLLOW, 0o666, dir_fd=self.handle)

        return open(self.path / name, mode, opener=opener)  # type: ignore[return-value]

    def check_regular(self, name: str) -> bool:
        """Return whether a regular file exists; ForeignFileError for any other kind."""
        state = self.stat(name)
        if state is not None and not stat.S_ISREG(state.st_mode):
            raise ForeignFileError(self.path / name)
        return state is not None

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self.named(name), dir_fd=self.handle)

    def replace(self, old: str, new: str) -> None:
        """Rename a file, replacing any file with the new name."""
        os.replace(self.named(old), self.named(new), src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def link(self, old: str, new: str) -> None:
        """Create a hard link to a file; fail if the name is taken."""
        os.link(self.named(old), self.named(new), src_dir_fd=self.handle, dst_dir_fd=self.handle, follow_symlinks=False)


@contextmanager
def open_folder(path: Path, *, make: bool = False) -> Iterator[OpenFolder]:
    """Open a folder without following links from our first path component on (at least the last component)."""
    parts = path.parts
    ours = next((at for at, part in enumerate(parts) if part.startswith((UNFINISHED, PARTIAL))), len(parts) - 1)
    ours = max(1, ours)
    if not _BY_HANDLE:
        if make:
            path.mkdir(parents=True, exist_ok=True)
        yield OpenFolder(path, None)
        return
    start = Path(*parts[:ours])
    if make:
        start.mkdir(parents=True, exist_ok=True)
    handle = os.open(start, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number, part in enumerate(parts[ours:], ours + 1):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise ForeignFileError(Path(*parts[:number]), "is not a folder of its own") from None
                error.filename = str(path)
                raise
            os.close(handle)
            handle = inner
        yield OpenFolder(path, handle)
    finally:
        os.close(handle)


# -------------------------------------------------------------------------------------------------------------- writing


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """Create a file for reading and writing; ForeignFileError if the name is taken."""
    with open_folder(path.absolute().parent) as folder:
        try:
            file = folder.open(path.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, "w+b")
        except FileExistsError:
            raise ForeignFileError(path, "has appeared during the run") from None
        with file:
            yield file


def write_file(path: Path, content: Iterable[bytes | memoryview], replace: bool = False) -> None:
    """Create a file atomically under a new name, with its parent folders; accept an existing identical file.

    Parameters
    ----------
    replace : replace an existing regular file, written by an earlier process of this run

    Raises
    ------
    ForeignFileError
        The name is taken by another file, or one of its folders is a link.
    """
    temporary = _temporary(path.name)
    with open_folder(path.absolute().parent, make=True) as folder:
        try:
            with folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
                for part in content:
                    file.write(part)
            if replace and folder.check_regular(path.name):
                folder.replace(temporary, path.name)
            else:
                _name(folder, temporary, path.name)
        finally:
            if folder.stat(temporary) is not None:
                folder.remove(temporary)


def _name(folder: OpenFolder, temporary: str, name: str) -> None:
    try:
        folder.link(temporary, name)  # unlike a rename, this never replaces a file
    except FileExistsError:
        if not _equal(folder, temporary, name):
            raise ForeignFileError(folder.path / name) from None
    except OSError:  # a file system without hard links
        if folder.stat(name) is None:
            folder.replace(temporary, name)
        elif not _equal(folder, temporary, name):
            raise ForeignFileError(folder.path / name) from None


def _equal(folder: OpenFolder, one: str, other: str) -> bool:
    sizes = [found.st_size if found and stat.S_ISREG(found.st_mode) else -1 for found in map(folder.stat, (one, other))]
    if sizes[0] != sizes[1]:
        return False
    with folder.open(one, os.O_RDONLY, "rb") as first, folder.open(other, os.O_RDONLY, "rb") as second:
        heads = first.read(10), second.read(10)
        if heads[0].startswith(b"\x1f\x8b\x08"):  # a gzip member (RFC 1952), whose bytes 4 to 8 are the time
            heads = heads[0][:4] + heads[0][8:], heads[1][:4] + heads[1][8:]
        equal = heads[0] == heads[1]
        while equal and (block := first.read(_COMPARED_BYTES)):
            equal = block == second.read(_COMPARED_BYTES)
    return equal


def replace_file(path: Path, content: bytes, *, previous: str | None = None, sync: bool = False) -> None:
    """Write a small file atomically, replacing a regular file of that name.

    Parameters
    ----------
    previous : name under which the old file is kept, in the same folder
    sync : flush the content to the disk before returning
    """
    temporary = _temporary(path.name)
    with open_folder(path.absolute().parent, make=True) as folder:
        exists = folder.check_regular(path.name)
        try:
            with folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if exists and previous is not None:
                folder.check_regular(previous)
                folder.replace(path.name, previous)
            folder.replace(temporary, path.name)
        finally:
            if folder.stat(temporary) is not None:
                folder.remove(temporary)
        if sync and folder.handle is not None:
            os.fsync(folder.handle)


def _temporary(name: str) -> str:
    return f".{name[-60:]}.{secrets.token_hex(8)}.new"


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a temporary file left by an interrupted `write_file` or `replace_file`."""
    return name.startswith(".") and name.endswith(".new")


# --------------------------------------------------------------------------------------------------------------- names


def identity(path: Path) -> FileIdentity:
    """Return the identity of the file, folder or link at a path."""
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def is_same_file(one: FileIdentity, other: FileIdentity) -> bool:
    """Return whether two identities are of the same file or folder; its content may have changed."""
    return one is not None and other is not None and one[:2] == other[:2]


def rename_new(source: Path, target: Path) -> None:
    """Rename a file or folder to an unused name; ForeignFileError if the name is taken."""
    if os.path.lexists(target):
        raise ForeignFileError(target, "exists already: it appeared during the run")
    if source.is_dir():
        os.rename(source, target)  # can only replace an empty folder
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise ForeignFileError(target, "exists already: it appeared during the run") from None
    except OSError:  # a file system without hard links
        os.rename(source, target)
        return
    os.unlink(source)


def take_name(source: Path, final: Path, aside: Path, before: FileIdentity) -> None:
    """Rename a complete output to its final name.

    Parameters
    ----------
    source : path of the complete output
    final : its final path
    aside : path to which an older folder is moved; it is not deleted
    before : identity of the only file or folder that may be replaced: the one at `final` when the run began

    Raises
    ------
    ForeignFileError
        The final name is taken by another file.
    """
    now = identity(final)
    if now is None:
        rename_new(source, final)
        return
    if is_same_file(now, identity(source)):  # killed between the two steps of a rename
        os.unlink(source)
        return
    if now != before:
        raise ForeignFileError(final, "exists already, and appeared or changed during the run")
    if not stat.S_ISDIR(os.lstat(final).st_mode):
        os.replace(source, final)  # atomic
        return
    rename_new(final, aside)  # a folder cannot be replaced atomically
    try:
        rename_new(source, final)
    except BaseException:
        rename_new(aside, final)
        raise
