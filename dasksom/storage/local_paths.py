"""Parse local paths given by users, and identify file versions."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from dasksom.errors import InputError

Stamp = tuple[int, int | str]
"""Size in bytes, and modification time in ns or ETag. With the path, they identify one version of a file."""

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_T = TypeVar("_T")


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a local path: expand ``~``, strip ``file://``, and reject other URLs."""
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{text!r} is not a path; give the path of a file or a Zarr directory")
    if _URL.match(text):
        url = urlsplit(text)
        if url.scheme.lower() != "file" or url.netloc not in ("", "localhost"):
            raise InputError(
                f"{urlunsplit((url.scheme, url.netloc.rpartition('@')[2], url.path, '', ''))}: is not a local path; "
                "give the path of a file on a disk that every worker sees"
            )
        text = unquote(url.path)
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{text}: {error}; write the folder out instead of ~") from error


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Return the absolute local path, the same for all spellings of it (``..``, ``file://``, %20)."""
    absolute = local_path(path).absolute()
    if ".." not in absolute.parts:
        return absolute
    end = len(absolute.parts) - absolute.parts[::-1].index("..")
    return Path(os.path.realpath(Path(*absolute.parts[:end])), *absolute.parts[end:])  # resolve links before ..


def parts_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder for parts of an output that are joined later; `publish` deletes it."""
    beside = Path(path)
    return beside.with_name(f"{beside.name}.parts")


def match_suffix(path: Path | str, table: dict[str, _T]) -> _T | None:
    """Return the entry of the longest suffix that the name ends with (``.ome.zarr`` before ``.zarr``), or None."""
    name = Path(path).name.lower()
    return next((table[s] for s in sorted(table, key=len, reverse=True) if name.endswith(s)), None)


def listed(suffixes: Iterable[str]) -> str:
    """Format suffixes for an error message."""
    return ", ".join(sorted(suffixes))


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return size and modification time of a file."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def check_readable(path: Path) -> bool:
    """Reject a path that cannot be an image before a library opens it; return whether it is a directory.

    Raises
    ------
    InputError
        Missing, unreadable or empty, or neither a regular file nor a directory (opening a FIFO would block).
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}; check the path") from error
    if stat.S_ISDIR(mode):
        needed = os.R_OK | os.X_OK
    elif stat.S_ISREG(mode):
        needed = os.R_OK
    else:
        raise InputError(f"{path}: is neither a file nor a directory (a pipe, socket or device); give an image file")
    if not os.access(path, needed):
        raise InputError(f"{path}: no permission to read it; change its permissions (chmod u+r) or copy it")
    if stat.S_ISREG(mode) and path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); was it copied completely?")
    return stat.S_ISDIR(mode)


def size_on_disk(path: str | os.PathLike[str]) -> int | None:
    """Return the size in bytes of a file, or of all files in a folder; None if the path does not exist locally."""
    local = Path(path)
    if local.is_file():
        return local.stat().st_size
    if not local.is_dir():
        return None
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(local) for name in names)


def is_sentinel_product(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is that of a Sentinel-2 product: a folder whose name ends with .SAFE."""
    return os.fspath(path).rstrip("/").upper().endswith(".SAFE") and local_path(path).is_dir()
