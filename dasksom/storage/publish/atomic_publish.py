"""Atomic publishing: outputs get their final name when complete, and replace only permitted files."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dasksom.errors import InputError
from dasksom.storage.checksum_manifests import has_content_of_zarr
from dasksom.storage.local_paths import listed, local_path, parts_folder
from dasksom.storage.locations import is_remote
from dasksom.storage.own_folders import PARTIAL, is_marked, is_temporary
from dasksom.storage.own_names import identity, take_name
from dasksom.storage.own_removal import ContentTest, foreign_in, remove_file, remove_tree
from dasksom.storage.zarr_nodes import ZARR_METADATA, is_zarr, is_zarr_key

_PART = re.compile(r"\d+-\d+-\d+")
"""Names of the tile files of a TIFF: level, and y and x of the first pixel."""


def check_output(
    path: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
    suffixes: Collection[str],
) -> Path:
    """Return the local path of an output; check before any work that it can be written.

    Parameters
    ----------
    path : the final path
    inputs : paths that the run reads; the output must not equal, contain or be inside any of them
    overwrite : an existing output of the same kind may be replaced
    suffixes : accepted suffixes

    Raises
    ------
    InputError
        Unknown suffix, existing file, parent folder missing or not writable, or conflict with an input.
    """
    final = local_path(path)
    if not final.name.lower().endswith(tuple(suffixes)):
        raise InputError(f"{final}: its name does not say the format; end it in one of {listed(suffixes)}")
    for given in inputs:
        if not is_remote(given):
            _check_apart(final, local_path(given))
    if os.path.lexists(final):
        check_replaceable(final, overwrite)
    parent = final.absolute().parent
    if not parent.is_dir():
        raise InputError(f"{final}: there is no folder {parent}; create it first (mkdir -p)")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{final}: no permission to write into the folder {parent}; choose another or change it (chmod u+w)"
        )
    return final


@contextmanager
def publish(final_path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to the final one; rename it to the final path on success, delete it on failure.

    The temporary name has the same suffix. After a failure or interrupt, an older output is unchanged. A file that
    appears under the final name in the meantime is never replaced.

    Examples
    --------
    >>> with publish("palette.png") as temporary:                               # doctest: +SKIP
    ...     write(temporary)
    """
    final = local_path(final_path).absolute()
    before = identity(final)
    if before is not None:
        check_replaceable(final, overwrite)
    # the last 40 characters include the suffix; names have at most 255 bytes
    token = f"{os.getpid()}-{secrets.token_hex(4)}-{final.name[-40:]}"
    temporary, aside = final.with_name(PARTIAL + token), final.with_name(f".old-{token}")
    try:
        yield temporary
        if not os.path.lexists(temporary):
            raise FileNotFoundError(f"internal error: nothing was written to {temporary}")
        flush(temporary)
        take_name(temporary, final, aside, before)
        flush(final.parent)
        remove_output(aside)
    except BaseException:
        remove_output(temporary)
        raise
    finally:
        remove_tree(parts_folder(temporary), is_part)


def check_replaceable(final: Path, overwrite: bool) -> None:
    """Reject a final path that is taken, unless it may be replaced and is of the same kind as the output.

    Raises
    ------
    InputError
    """
    if not overwrite:
        raise InputError(f"{final}: exists already; choose another name, or overwrite it (--overwrite)")
    wants_directory = final.name.lower().endswith(".zarr") or is_zarr(final.parent)  # a node of a Zarr
    mode = os.stat(final).st_mode if final.exists() else os.lstat(final).st_mode
    if stat.S_ISDIR(mode):
        # renaming over a symbolic link to a directory would lose its target
        if not wants_directory or final.is_symlink() or not is_zarr(final):
            raise InputError(
                f"{final}: is a directory but not a Zarr store of its own; it is never deleted: choose another name"
            )
        if foreign := foreign_in(final, is_output_key, _content_test(final)):
            raise InputError(
                f"{final}: contains files that are not of this Zarr: {len(foreign)}, such as {foreign[0]}; they are "
                "never deleted: move them away, or choose another name"
            )
    elif wants_directory or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise InputError(f"{final}: is not what would be written there; it is never deleted: choose another name")


def _check_apart(final: Path, given: Path) -> None:
    output, source = Path(os.path.realpath(final)), Path(os.path.realpath(given))
    if output == source or (output.exists() and source.exists() and os.path.samefile(output, source)):
        raise InputError(f"{final}: is the input itself; inputs are never changed: choose another name")
    if source in output.parents:
        raise InputError(f"{final}: is inside the input {given}; inputs are never changed: choose another folder")
    if output in source.parents:
        raise InputError(f"{final}: contains the input {given}; inputs are never changed: choose another name")


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk; not the content of files in the folder."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # not supported by some network file systems
        pass
    finally:
        os.close(handle)


def remove_output(path: Path) -> list[str]:
    """Remove an output with a random name, a file or a Zarr; return the foreign entries in it."""
    if path.is_symlink() or path.is_dir():
        return remove_tree(path, is_output_key, content=_content_test(path))
    remove_file(path, lambda _: True)
    return []


def _content_test(folder: Path) -> ContentTest | None:
    """Return a test of files without our mark in a Zarr; None if its metadata has none: it is not ours, or copied."""
    paths = (folder / name for name in ZARR_METADATA)
    return has_content_of_zarr if any(path.is_file() and is_marked(os.lstat(path)) for path in paths) else None


def is_output_key(key: str) -> bool:
    """Return whether a file in a folder belongs to a Zarr, or is a temporary file of its writer."""
    return is_zarr_key(key) or is_temporary(key.rpartition("/")[2])


def is_part(key: str) -> bool:
    """Return whether a file in the folder of an output's parts is such a part or its temporary file."""
    return _PART.fullmatch(key) is not None or is_temporary(key)
