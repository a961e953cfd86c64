"""All object writes and deletions of the package on object stores; the counterpart of `storage.own_files`.

Objects are created with conditional puts (If-None-Match) where the store supports them; identical objects are accepted.
Only objects with keys of a Zarr, and those in a run's own folder, are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dasksom.errors import InputError
from dasksom.storage.locations import Location, file_system
from dasksom.storage.own_folders import UNFINISHED
from dasksom.storage.zarr_nodes import ALL_METADATA, ZARR_METADATA, is_zarr_key

CLAIM = f"{UNFINISHED}claim.json"
"""Name of the object that reserves an output for one run."""


def unwritable(location: Location, error: Exception) -> InputError:
    """Return the InputError for a failed write to a store."""
    if isinstance(error, InputError):
        return error
    message = str(error) or type(error).__name__
    return location.refusal(
        f"cannot be written to: {message}; check the URL, that the bucket exists, and output.storage (or "
        "input.storage) of the configuration file"
    )


def foreign_object(location: Location, key: str) -> InputError:
    """Return the InputError for a foreign object under a key that is to be written."""
    return location.refusal(
        f"{key}: an object that dasksom did not write is there; it is never changed or deleted: move it away, then run "
        "again"
    )


def put_new(location: Location, key: str, content: bytes, is_ours: Callable[[bytes], bool] = lambda _: False) -> None:
    """Create an object; accept an identical existing one, and replace one that `is_ours` recognizes by its content.

    Raises
    ------
    InputError
        Another object has the key, or the store cannot be written to.
    """
    system, root = file_system(location)
    path = f"{root}/{key}" if key else root
    try:
        if create_object(system, path, content) or (existing := system.cat_file(path)) == content:
            return
        if not is_ours(existing):
            raise foreign_object(location, key)
        system.pipe_file(path, content)
    except Exception as error:
        raise unwritable(location, error) from None


def create_object(system: Any, path: str, content: bytes) -> bool:
    """Create an object under a new key; return False if the key exists."""
    try:
        system.pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    except (TypeError, NotImplementedError, ValueError):  # the store lacks conditional puts
        system.invalidate_cache()
        if system.exists(path):
            return False
        system.pipe_file(path, content)
    return True


async def create_object_async(system: Any, path: str, content: bytes) -> bool:
    """Asynchronous version of `create_object`, for zarr's event loop."""
    try:
        await system._pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    except (TypeError, NotImplementedError, ValueError):
        if await system._exists(path):
            return False
        await system._pipe_file(path, content)
    return True


def check_free(location: Location, overwrite: bool, own: Location | None = None) -> None:
    """Reject an output location that holds foreign objects, or an output that must not be replaced.

    Parameters
    ----------
    overwrite : an existing output, or an unfinished one, may be replaced
    own : folder of the run that owns the output; objects of its unfinished output are accepted

    Raises
    ------
    InputError
    """
    system, path = file_system(location)
    try:
        system.invalidate_cache()
        names = {str(name).removeprefix(path).strip("/") for name in system.ls(path, detail=False)}
    except FileNotFoundError:
        return
    except Exception as error:
        raise unwritable(location, error) from None
    names -= {CLAIM} if own is None else {CLAIM, own.name.rpartition("/")[2]}
    is_zarr = not names.isdisjoint(ZARR_METADATA)
    left = any(name.startswith(UNFINISHED) for name in names)
    if own is None and names and not is_zarr and not left:
        raise location.refusal("holds objects but no Zarr of its own; they are never deleted: choose another name")
    if (is_zarr or (left and own is None)) and not overwrite:
        state = (
            "exists already; choose another name"
            if is_zarr
            else "holds the unfinished output of a run that was killed or still runs; continue it (dasksom resume)"
        )
        raise location.refusal(f"{state}, or overwrite it (--overwrite)")
    if is_zarr and (foreign := [key for key in _keys_below(location) if not _is_ours(key)]):
        raise location.refusal(
            f"holds {len(foreign)} objects that are not of a Zarr, such as {foreign[0]}; they are never deleted: move "
            "them away, or choose another name"
        )


def check_writable(location: Location) -> None:
    """Check that objects can be written and deleted at a location, by doing so; InputError otherwise."""
    system, path = file_system(location)
    probe = f"{path}/{UNFINISHED}probe"
    try:
        if create_object(system, probe, b""):
            system.rm_file(probe)
    except Exception as error:
        raise unwritable(location, error) from None


def _is_ours(key: str) -> bool:
    """Return whether runs write this key below an output."""
    top, _, inside = key.partition("/")
    if top.startswith(UNFINISHED):
        return not inside or inside == "owner.json" or inside.startswith("records/") or is_zarr_key(inside)
    return is_zarr_key(key)


def _keys_below(location: Location) -> list[str]:
    system, path = file_system(location)
    system.invalidate_cache()
    return [str(name).removeprefix(f"{path}/") for name in system.find(path)]


def delete_keys(location: Location, keys: Iterable[str]) -> None:
    """Delete objects by their keys below a location."""
    system, path = file_system(location)
    if names := [f"{path}/{key}" for key in keys]:
        system.rm(names)


def delete_below(location: Location, keep: Callable[[str], bool] = lambda key: False) -> int:
    """Delete our objects below an output's location, root metadata first; return their number.

    Parameters
    ----------
    keep : takes a key relative to the location; returns True for objects to leave in place
    """
    keys = [key for key in _keys_below(location) if _is_ours(key) and key != CLAIM and not keep(key)]
    root = [key for key in keys if key in ALL_METADATA]
    delete_keys(location, root)
    delete_keys(location, [key for key in keys if key not in ALL_METADATA])
    return len(keys)
