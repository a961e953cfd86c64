"""Places on object stores where outputs are to lie: may something be written there, and what lies there already."""

from __future__ import annotations

from dasksom.errors import InputError
from dasksom.storage.locations import Location, file_system
from dasksom.storage.zarr_nodes import ALL_METADATA, ZARR_METADATA

UNFINISHED = ".unfinished-"
"""Begins the name of the folder that holds the metadata of an output that is not whole yet."""


def check_free(location: Location, overwrite: bool, own: Location | None = None) -> None:
    """Refuse a place where something lies that may not be deleted, `own` aside.

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
    names -= set() if own is None else {own.name.rpartition("/")[2]}
    is_zarr = not names.isdisjoint(ZARR_METADATA)
    left = any(name.startswith(UNFINISHED) for name in names)
    if names and not is_zarr and not left:
        raise location.refusal("holds objects but no Zarr of its own; they are never deleted: choose another name")
    if names and not overwrite:
        what = (
            "exists already; choose another name"
            if is_zarr
            else ("holds an unfinished output, of a run that was killed, or goes on; go on with it (dasksom resume)")
        )
        raise location.refusal(f"{what}, or replace it with overwrite=True (--overwrite)")


def check_writable(location: Location) -> None:
    """Refuse a place where an object cannot be written and deleted, by doing so."""
    system, path = file_system(location)
    probe = f"{path}/{UNFINISHED}probe"
    try:
        system.pipe_file(probe, b"")
        system.rm_file(probe)
    except Exception as error:
        raise unwritable(location, error) from None


def unwritable(location: Location, error: Exception) -> InputError:
    """Make an error of what a store said to a try to write there."""
    if isinstance(error, InputError):
        return error
    told = str(error) or type(error).__name__
    return location.refusal(
        f"cannot be written to: {told}; check that the bucket exists, the URL, and output.storage (or input.storage) "
        "of the configuration file"
    )


def delete_below(location: Location, but: tuple[str, ...] = ()) -> int:
    """Delete all objects below a location, its root metadata first, and return how many."""
    system, path = file_system(location)
    system.invalidate_cache()
    names = [name for name in system.find(path) if not name.startswith(but or ("//",))]
    root = [name for name in names if name.removeprefix(f"{path}/") in ALL_METADATA]
    for some in (root, [name for name in names if name not in set(root)]):
        if some:
            system.rm(some)
    return len(names)
