"""Folders that are opened without following links, and our files in them; see `storage.own_files`.

Our files are marked: the last digits of their modification time are a checksum of the other digits and of the size. A
file that another program creates or changes has such a time by chance once in 99,999 times. File systems that store
only full seconds lose the marks; there, our files are recognized by their names.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dasksom.errors import InputError

UNFINISHED, PARTIAL = ".unfinished-", ".partial-"
"""Prefix of the working folders and files of a run."""
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_BY_HANDLE = os.open in os.supports_dir_fd
_HEAD_BYTES = 1 << 20
_HUNDREDTH, _UNIT = 10**7, 100
"""Nanoseconds of the part of a modification time that is kept, and of the last digit of our checksum of it."""
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.new", re.DOTALL)

IsOurs = Callable[[bytes], bool]
"""Returns whether a file without a mark is ours; takes its first MiB."""


class ForeignFileError(InputError):
    """A foreign file has the name of a file that is to be written or deleted."""

    def __init__(self, path: Path | str, what: str = "is not a file that dasksom wrote") -> None:
        super().__init__(f"{path}: {what}; it is never changed or deleted: move it away, then run again")


def marked_time(size: int, now: int) -> int:
    """Return the modification time, in ns, of a file of ours that is written now."""
    hundredths = now // _HUNDREDTH
    checksum = zlib.crc32(f"dasksom {size} {hundredths}".encode()) % 99_999 + 1
    return hundredths * _HUNDREDTH + checksum * _UNIT


def is_marked(status: os.stat_result) -> bool:
    """Return whether a file has the modification time that only our files have."""
    time = status.st_mtime_ns
    return time // _UNIT == marked_time(status.st_size, time) // _UNIT


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

    def is_ours(self, name: str, is_ours: IsOurs | None = None) -> bool:
        """Return whether a regular file has our mark or content."""
        state = self.stat(name)
        if state is None or not stat.S_ISREG(state.st_mode):
            return False
        if is_marked(state) or is_ours is None:
            return is_marked(state)
        with self.open(name, os.O_RDONLY, "rb") as file:
            return is_ours(file.read(_HEAD_BYTES))

    def mark(self, name: str) -> bool:
        """Mark a complete file as ours; return whether its file system stores the mark."""
        state = os.stat(self.named(name), dir_fd=self.handle)
        times = state.st_atime_ns, marked_time(state.st_size, time.time_ns())
        os.utime(self.named(name), ns=times, dir_fd=self.handle)
        return is_marked(os.stat(self.named(name), dir_fd=self.handle))

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
        yield _open_by_path(path, ours, make)
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


def _open_by_path(path: Path, ours: int, make: bool) -> OpenFolder:
    """Check that no folder from our first path component on is a link, where folders cannot be opened (Windows)."""
    for number in range(ours, len(path.parts) + 1):
        folder = Path(*path.parts[:number])
        if make:
            with suppress(FileExistsError):
                folder.mkdir(parents=number == ours)
        status = os.lstat(folder)
        is_junction = getattr(status, "st_reparse_tag", 0) != 0
        if number > ours and (is_junction or not stat.S_ISDIR(status.st_mode)):
            raise ForeignFileError(folder, "is not a folder of its own")
    return OpenFolder(path, None)


@contextmanager
def locked_folder(path: Path, seconds: float = 10.0) -> Iterator[None]:
    """Exclude others who lock the same folder, where the system has such locks; TimeoutError after some seconds."""
    with open_folder(path) as folder:
        end = time.monotonic() + seconds
        while not _lock(folder):
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, "locked by another process", str(path))
            time.sleep(0.01)
        yield  # closing the folder ends the lock


def _lock(folder: OpenFolder) -> bool:
    """Lock a folder; return False if another one has locked it."""
    if folder.handle is None:
        return True
    try:
        import fcntl

        fcntl.flock(folder.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows; a file system without locks
        return True
    return True


def temporary_name(name: str) -> str:
    """Return an unused name for a file that is being written."""
    end = os.fsdecode(os.fsencode(name)[-60:])  # names have at most 255 bytes
    return f".{end}.{secrets.token_hex(8)}.new"


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a temporary file left by an interrupted write."""
    return _TEMPORARY.fullmatch(name) is not None
