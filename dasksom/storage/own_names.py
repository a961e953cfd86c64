"""Give outputs their final names; see `storage.own_files`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dasksom.storage.own_folders import ForeignFileError

FileIdentity = tuple[int, ...] | None
"""Device, inode, size and modification time of a file, folder or link; None if it does not exist."""


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
