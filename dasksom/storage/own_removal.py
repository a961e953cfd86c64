"""All file removals of the package; see `storage.own_files`."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from dasksom.storage.own_folders import ForeignFileError, IsOurs, OpenFolder, is_temporary, open_folder

ContentTest = Callable[[str, bytes], bool]
"""Returns whether a file without our mark is ours; takes its path relative to a folder, and its first MiB."""
REMOVAL_SECONDS = 10.0
"""Seconds during which to retry deleting a folder that tasks still write to."""
REMOVAL_PAUSE_SECONDS = 0.2
"""Seconds between two attempts."""


def remove_file(path: Path, is_ours: IsOurs | None = None) -> None:
    """Remove a file if it exists; ForeignFileError if it is not ours.

    Parameters
    ----------
    is_ours : whether a regular file without our mark may be removed; by default it may not
    """
    try:
        with open_folder(path.absolute().parent) as folder:
            if not folder.check_regular(path.name):
                return
            if not folder.is_ours(path.name, is_ours):
                raise ForeignFileError(path)
            folder.remove(path.name)
    except FileNotFoundError:
        return


def foreign_in(folder: Path, is_ours: Callable[[str], bool], content: ContentTest | None = None) -> list[str]:
    """Return the foreign entries of a folder: links, other special files, unknown names and unknown content.

    Parameters
    ----------
    is_ours, content : see `remove_tree`
    """
    foreign = []
    for root, folders, names in os.walk(folder):
        inside, here = Path(root).relative_to(folder), OpenFolder(Path(root), None)
        foreign += [(inside / name).as_posix() for name in folders if os.path.islink(os.path.join(root, name))]
        for name in names:
            key = (inside / name).as_posix()
            is_regular = stat.S_ISREG(os.lstat(os.path.join(root, name)).st_mode)
            if not (is_regular and is_ours(key) and _has_content(here, name, key, content)):
                foreign.append(key)
    return sorted(foreign)


def remove_tree(
    folder: Path,
    is_ours: Callable[[str], bool],
    last: Collection[str] = (),
    content: ContentTest | None = None,
) -> list[str]:
    """Remove our files and empty folders from a folder; return the remaining, foreign entries.

    Repeats until none of our files is left, because running tasks may still write some.

    Parameters
    ----------
    is_ours : takes a file's path relative to the folder, with slashes
    last : files that are removed after all others
    content : tests files of these names that have no mark of ours; by default, all of them are removed
    """
    deadline = time.monotonic() + REMOVAL_SECONDS
    left: list[str] = []
    while os.path.isdir(folder) and not os.path.islink(folder):
        left, removed = _remove_once(folder, lambda key: key not in last and is_ours(key), content)
        if not set(left).isdisjoint(last) and (not removed or set(left) <= set(last)):
            left, removed = _remove_once(folder, is_ours, content)
        if (left and not removed) or time.monotonic() > deadline:
            break
        if os.path.isdir(folder):
            time.sleep(REMOVAL_PAUSE_SECONDS)
    return left


def _has_content(folder: OpenFolder, name: str, key: str, content: ContentTest | None) -> bool:
    if content is None or is_temporary(name):
        return True
    return folder.is_ours(name, lambda head: content(key, head))


def _remove_once(top: Path, is_ours: Callable[[str], bool], content: ContentTest | None) -> tuple[list[str], int]:
    left, removed = [], 0
    for root, folders, names, handle in _walk(top):
        inside = Path(root).relative_to(top)
        here = OpenFolder(Path(root), handle)
        for name in names:
            key = (inside / name).as_posix()
            state = here.stat(name)
            if state is None:
                continue
            if stat.S_ISREG(state.st_mode) and is_ours(key) and _has_content(here, name, key, content):
                with suppress(FileNotFoundError):
                    here.remove(name)
                removed += 1
            else:
                left.append(key)
        for name in folders:
            try:
                os.rmdir(here.named(name), dir_fd=handle)
            except OSError as error:
                if error.errno == errno.ENOTDIR:  # a link
                    left.append((inside / name).as_posix())
    with suppress(OSError):
        os.rmdir(top)
    return left, removed


def _walk(top: Path) -> Iterator[tuple[str, list[str], list[str], int | None]]:
    """Yield the folders below a folder, deepest first, without following links."""
    if hasattr(os, "fwalk"):
        yield from os.fwalk(top, topdown=False)
    else:
        for root, folders, names in os.walk(top, topdown=False):
            yield root, folders, names, None
