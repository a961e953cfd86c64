"""All file creations, renames and overwrites of the package: files of other programs are never modified or deleted.

Our files are those that this run created under an unused name and, inside a run folder with our marker
(``owner.json``), regular files with the names that a run uses and with our mark (`storage.own_folders`) or content.
Everything else is foreign: symbolic links, which are neither followed nor removed; other names; other file types; files
of other programs under our names; files that appear under an output's name during a run.

| what | where | how |
| --- | --- | --- |
| create a chunk, tile, small file | `write_file`, `create` | new names only; an identical file is accepted |
| write a chunk or tile again | `write_file` | marked files and damaged copies of the same content; atomic |
| overwrite a record, an owner, metadata | `replace_file` | marked files and files of the same format; atomic |
| publish an output | `take_name`, `rename_new` | the name is free, or unchanged since the run began |
| remove a file, a folder | `own_removal.remove_file`, `remove_tree` | known names, our mark or content; empty folders |
| the same on object stores | `storage.publish.own_objects` | conditional puts; objects of known keys |

A test fails if other modules call such functions (tests/storage/test_own_files.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dasksom.storage.own_folders import ForeignFileError, IsOurs, OpenFolder, open_folder, temporary_name

_COMPARED_BYTES = 4 << 20
_BLOCK = 512
"""Bytes of a disk's block: a crash of the machine leaves blocks of zeros in files that were not flushed."""


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """Create a file for reading and writing, which gets its name when complete; ForeignFileError if that is taken."""
    temporary = temporary_name(path.name)
    with open_folder(path.absolute().parent) as folder:
        if folder.stat(path.name) is not None:
            raise ForeignFileError(path, "has appeared during the run")
        try:
            with folder.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, "w+b") as file:
                yield file
            folder.mark(temporary)
            _name(folder, temporary, path.name)
        finally:
            _discard(folder, temporary)


def write_file(path: Path, content: Iterable[bytes | memoryview], replace: bool = False) -> None:
    """Create a file atomically under a new name, with its parent folders; accept an existing identical file.

    Parameters
    ----------
    replace : replace what an earlier process of this run wrote: a marked file, or a damaged copy of this content

    Raises
    ------
    ForeignFileError
        The name is taken by another file, or one of its folders is a link.
    """
    temporary = temporary_name(path.name)
    with open_folder(path.absolute().parent, make=True) as folder:
        try:
            with folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
                for part in content:
                    file.write(part)
            are_marked = folder.mark(temporary)
            try:
                _name(folder, temporary, path.name)
            except ForeignFileError:
                if not (replace and folder.check_regular(path.name)):
                    raise
                if are_marked and not (folder.is_ours(path.name) or _is_damaged(folder, path.name, temporary)):
                    raise
                folder.replace(temporary, path.name)
        finally:
            _discard(folder, temporary)


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


def _discard(folder: OpenFolder, temporary: str) -> None:
    if folder.stat(temporary) is not None:
        folder.remove(temporary)


def _is_damaged(folder: OpenFolder, name: str, intact: str) -> bool:
    with folder.open(name, os.O_RDONLY, "rb") as file, folder.open(intact, os.O_RDONLY, "rb") as other:
        return is_damaged_copy(file, other)


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


def replace_file(
    path: Path, content: bytes, *, is_ours: IsOurs | None = None, previous: str | None = None, sync: bool = False
) -> None:
    """Write a small file atomically, replacing our file of that name.

    Parameters
    ----------
    is_ours : whether a file without our mark may be replaced; by default only a damaged copy of the same content may
    previous : name under which the old file is kept, in the same folder
    sync : flush the content to the disk before returning

    Raises
    ------
    ForeignFileError
        The name is taken by another file, or one of its folders is a link.
    """
    temporary = temporary_name(path.name)
    with open_folder(path.absolute().parent, make=True) as folder:
        try:
            with folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            are_marked = folder.mark(temporary)
            for name in (path.name,) if previous is None else (path.name, previous):
                if not (folder.check_regular(name) and are_marked) or folder.is_ours(name, is_ours):
                    continue
                if not _is_damaged(folder, name, temporary):
                    raise ForeignFileError(folder.path / name)
            exists = folder.stat(path.name) is not None
            if exists and previous is not None:
                folder.replace(path.name, previous)
            if exists and previous is None:
                folder.replace(temporary, path.name)
            else:
                _name(folder, temporary, path.name)
        finally:
            _discard(folder, temporary)
        if sync and folder.handle is not None:
            os.fsync(folder.handle)


def keeps_marks(path: Path) -> bool:
    """Return whether the file system of a folder stores the marks of our files."""
    temporary = temporary_name("mark")
    with open_folder(path.absolute()) as folder:
        try:
            folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb").close()
            return folder.mark(temporary)
        finally:
            _discard(folder, temporary)


def is_damaged_copy(file: BinaryIO, intact: BinaryIO) -> bool:
    """Return whether a file is a truncated or damaged copy of another.

    Such a file is at most as long, and at least 7 of 8 of the bytes of its blocks that are not zero are the same. An
    empty file is such a copy.
    """
    compared = differing = 0
    while block := file.read(_COMPARED_BYTES):
        expected = intact.read(_COMPARED_BYTES)
        if len(expected) < len(block):
            return False
        ours, theirs = _blocks(block), _blocks(expected[: len(block)])
        written = ours.any(axis=1)
        lengths = np.full(len(ours), _BLOCK)
        lengths[-1] -= ours.size - len(block)
        compared += int(lengths[written].sum())
        differing += int(np.count_nonzero(ours[written] != theirs[written]))
    return differing * 8 <= compared


def _blocks(data: bytes) -> NDArray[Any]:
    return np.pad(np.frombuffer(data, np.uint8), (0, -len(data) % _BLOCK)).reshape(-1, _BLOCK)
