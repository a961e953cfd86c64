"""Results get their final name only when complete, and never replace anything by accident."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dasksom.errors import InputError
from dasksom.storage.local_paths import listed, local_path, parts_folder
from dasksom.storage.locations import is_remote
from dasksom.storage.zarr_nodes import is_zarr

SWEEP_SECONDS = 10.0
"""How long to try to delete an unfinished output that is still being written to."""
SWEEP_PAUSE_SECONDS = 0.2
"""How long to wait for what is written meanwhile before it is looked for."""


def check_output(
    path: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
    suffixes: Collection[str],
) -> Path:
    """Return the local path of an output, refusing it before any work is done if it cannot be written later.

    Parameters
    ----------
    path : the final path
    inputs : what the run reads; the output may not be one of them, inside one of them, or contain one of them
    overwrite : an existing output of the same kind may be replaced
    suffixes : what the name may end in; images, if not said otherwise

    Raises
    ------
    InputError
        Unknown suffix, existing file, parent folder missing or not writable, or in the way of an input.
    """
    final = local_path(path)
    if not final.name.lower().endswith(tuple(suffixes)):
        raise InputError(f"{final}: cannot tell the format from this name; end it in one of {listed(suffixes)}")
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
    """Give a temporary path beside the final one; on success it takes the final name, else it is deleted.

    The name ends like the final one, so that its suffix stands for the same format. Whatever fails, also an interrupt:
    what stood under the final name before is still there, whole.

    Examples
    --------
    >>> with publish("palette.png") as temporary:                               # doctest: +SKIP
    ...     write(temporary)
    """
    final = local_path(final_path).absolute()
    if os.path.lexists(final):
        check_replaceable(final, overwrite)
    # the end of a long name holds its suffix; names have at most 255 bytes
    temporary = final.with_name(f".partial-{os.getpid()}-{secrets.token_hex(4)}-{final.name[-40:]}")
    try:
        yield temporary
        if not os.path.lexists(temporary):
            raise FileNotFoundError(f"internal error: nothing was written to {temporary}")
        flush(temporary)
        _rename(temporary, final, overwrite)
        flush(final.parent)
    except BaseException:
        remove(temporary)
        raise
    finally:
        remove(parts_folder(temporary))


def _rename(temporary: Path, final: Path, overwrite: bool) -> None:
    if not os.path.lexists(final):
        os.rename(temporary, final)
        return
    check_replaceable(final, overwrite)
    if not final.is_dir():
        os.replace(temporary, final)  # the old or the new file, at any moment
        return
    # a directory cannot be replaced in one step
    old = final.with_name(f".old-{secrets.token_hex(4)}-{final.name[-40:]}")
    os.rename(final, old)
    try:
        os.rename(temporary, final)
    except BaseException:
        os.rename(old, final)
        raise
    remove(old)


def check_replaceable(final: Path, overwrite: bool) -> None:
    """Refuse to replace what may not be, or is not of the kind that would be written.

    Raises
    ------
    InputError
    """
    if not overwrite:
        raise InputError(
            f"{final}: exists already; choose another name, or replace it with overwrite=True (--overwrite)"
        )
    wants_directory = final.name.lower().endswith(".zarr")
    mode = os.stat(final).st_mode if final.exists() else os.lstat(final).st_mode
    if stat.S_ISDIR(mode):
        # a symbolic link to a directory could not be replaced by renaming without losing what it points to
        if not wants_directory or final.is_symlink() or not is_zarr(final):
            raise InputError(
                f"{final}: is a directory but not a Zarr store of its own; it is never deleted: choose another name"
            )
    elif wants_directory or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise InputError(f"{final}: is not what would be written there; it is never deleted: choose another name")


def _check_apart(final: Path, given: Path) -> None:
    output, source = Path(os.path.realpath(final)), Path(os.path.realpath(given))
    if output == source or (output.exists() and source.exists() and os.path.samefile(output, source)):
        raise InputError(f"{final}: is the input itself; inputs are never changed: choose another name")
    if source in output.parents:
        raise InputError(f"{final}: lies inside the input {given}; inputs are never changed: choose another folder")
    if output in source.parents:
        raise InputError(f"{final}: contains the input {given}; inputs are never changed: choose another name")


def flush(path: Path) -> None:
    """Bring one file, or a folder's names, onto the disk; what lies in the folder has been left to the system."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot
        pass
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Delete a file, or a folder that tasks may still be writing into for a moment."""
    if path.is_dir() and not path.is_symlink():
        deadline = time.monotonic() + SWEEP_SECONDS
        while path.exists() and time.monotonic() < deadline:
            shutil.rmtree(path, ignore_errors=True)
            time.sleep(SWEEP_PAUSE_SECONDS)
    else:
        path.unlink(missing_ok=True)
