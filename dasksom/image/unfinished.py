"""Zarr outputs on object stores, while they are being written.

An object store cannot rename. So chunks are written where they will stay, and every node's metadata under another
name, ``.unfinished-<token>/``, from where it is brought last, the root's at the very end: until then no reader finds a
Zarr there. That folder also tells whose the objects are: of a run that goes on, or of one that was killed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zarr.storage import FsspecStore, LocalStore, WrapperStore

from dasksom.errors import InputError
from dasksom.image.checksums import Stored, SummingStore, sum_of_file
from dasksom.image.locations import Location, file_system
from dasksom.image.zarr_stores import ALL_METADATA, ZARR_METADATA, metadata_stamp

logger = logging.getLogger(__name__)

UNFINISHED = ".unfinished-"
"""Begins the name of the folder that holds the metadata of an output that is not whole yet."""
_BEGUN = "begun"
_SWEEP_SECONDS = 10.0


@dataclass(frozen=True)
class Unfinished:
    """An output that is being written to an object store; small and picklable, workers write through it."""

    location: Location
    token: str
    """Names this run's metadata, so that no other run's is taken for it."""
    overwrite: bool

    @property
    def folder(self) -> Location:
        """Where metadata lies until the output is whole."""
        return self.location.below(UNFINISHED + self.token)

    def store(self) -> Any:
        """Return the output as a store that zarr writes to."""
        try:
            store = FsspecStore.from_url(self.location.path, storage_options=self.location.storage_options())
        except Exception as error:
            raise _unwritable(self.location, error) from None
        return _HeldBack(store, self)

    def begin(self) -> None:
        """Mark the place as this run's and clear it of an older output, which cannot be opened any more then."""
        check_free(self.location, self.overwrite)
        system, path = file_system(self.folder)
        try:
            system.pipe_file(f"{path}/{_BEGUN}", b"")
            _delete(self.location, but=path)
        except Exception as error:
            raise _unwritable(self.location, error) from None

    def begun(self) -> bool:
        """Tell whether anything was written or deleted."""
        system, path = file_system(self.folder)
        try:
            system.invalidate_cache()
            return bool(system.find(path))
        except Exception as error:
            logger.warning("%s", self.location.refusal(f"cannot be looked at, perhaps a part is left there: {error}"))
            return False

    def finish(self) -> None:
        """Bring the metadata to its place, the root's last."""
        system, staged = file_system(self.folder)
        _, final = file_system(self.location)
        try:
            system.invalidate_cache()
            found = {name: name.removeprefix(f"{staged}/") for name in system.find(staged)}
            keys = sorted((key for key in found.values() if key != _BEGUN), key=_root_last)
            contents = {key: system.cat_file(f"{staged}/{key}") for key in keys}
            if not any(key in ZARR_METADATA for key in keys):
                raise FileNotFoundError("internal error: nothing was written")
            for key in keys[:-1]:
                system.pipe_file(f"{final}/{key}", contents[key])
            system.rm(list(found))
            system.pipe_file(f"{final}/{keys[-1]}", contents[keys[-1]])
        except Exception as error:
            raise _unwritable(self.location, error) from None

    def sweep(self) -> None:
        """Delete what was written, root first; tasks under way may still be writing for a moment."""
        deadline, seen_empty = time.monotonic() + _SWEEP_SECONDS, 0
        while time.monotonic() < deadline:
            try:
                seen_empty = 0 if _delete(self.location) else seen_empty + 1
            except Exception as error:
                logger.warning("%s", self.location.refusal(f"cannot be deleted: {error}"))
            if seen_empty == 2:
                return
            time.sleep(0.5)
        logger.warning("%s: what an unfinished run wrote is left there; delete it", self.location)


class _HeldBack(WrapperStore[Any]):
    """A store that keeps all metadata in another folder, and whose errors tell no secrets."""

    def __init__(self, store: Any, unfinished: Unfinished) -> None:
        super().__init__(store)
        self._unfinished = unfinished

    def _with_store(self, store: Any) -> _HeldBack:
        return _HeldBack(store, self._unfinished)

    def _placed(self, key: str) -> str:
        held = key.rpartition("/")[2] in ALL_METADATA
        return f"{UNFINISHED}{self._unfinished.token}/{key}" if held else key

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._store.get(self._placed(key), *args, **kwargs)
        except Exception as error:
            raise _unwritable(self._unfinished.location, error) from None

    async def exists(self, key: str) -> bool:
        try:
            return bool(await self._store.exists(self._placed(key)))
        except Exception as error:
            raise _unwritable(self._unfinished.location, error) from None

    async def set(self, key: str, value: Any) -> None:
        try:
            await self._store.set(self._placed(key), value)
        except Exception as error:
            raise _unwritable(self._unfinished.location, error) from None

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Any) -> None:
        for key, value in values:
            await self.set(key, value)


Target = str | Unfinished
"""Where a Zarr is written: a temporary local path, or a place on an object store."""


def writable(target: Target) -> Any:
    """Return a store to write there with, that remembers the sums of what is written."""
    return SummingStore(LocalStore(target) if isinstance(target, str) else target.store())


def are_whole(target: Target, stored: Stored) -> bool:
    """Tell whether files of a Zarr are there as they were written."""
    if isinstance(target, str):
        root = Path(target)
        return all((root / key).is_file() and sum_of_file(root / key) == digest for key, digest in stored)
    system, path = file_system(target.location)
    try:
        return all(hashlib.sha256(system.cat_file(f"{path}/{key}")).hexdigest() == digest for key, digest in stored)
    except FileNotFoundError:
        return False
    except Exception as error:
        raise _unwritable(target.location, error) from None


def version_of(target: Target) -> Hashable:
    """Return what tells this output from an older one of the same name."""
    return metadata_stamp(Location(target)) if isinstance(target, str) else target.token


def check_free(location: Location, overwrite: bool) -> None:
    """Refuse a place where something lies that may not be deleted.

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
        raise _unwritable(location, error) from None
    is_zarr = not names.isdisjoint(ZARR_METADATA)
    left = any(name.startswith(UNFINISHED) for name in names)
    if names and not is_zarr and not left:
        raise location.refusal("holds objects but no Zarr of its own; they are never deleted: choose another name")
    if names and not overwrite:
        what = "exists already" if is_zarr else "holds an unfinished output: of a run that was killed, or goes on"
        raise location.refusal(f"{what}; choose another name, or replace it with overwrite=True (--overwrite)")


def check_writable(location: Location) -> None:
    """Refuse a place where an object cannot be written and deleted, by doing so."""
    system, path = file_system(location)
    probe = f"{path}/{UNFINISHED}probe"
    try:
        system.pipe_file(probe, b"")
        system.rm_file(probe)
    except Exception as error:
        raise _unwritable(location, error) from None


def _unwritable(location: Location, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    told = str(error) or type(error).__name__
    return location.refusal(
        f"cannot be written to: {told}; check that the bucket exists, the URL, and output.storage (or input.storage) "
        "of the configuration file"
    )


def _root_last(key: str) -> tuple[bool, bool, str]:
    # Zarr 2 has two files; without .zgroup there is no group
    return "/" not in key, key in ZARR_METADATA, key


def _delete(location: Location, but: str | None = None) -> int:
    """Delete all objects below a location, its root metadata first, and return how many."""
    system, path = file_system(location)
    system.invalidate_cache()
    names = [name for name in system.find(path) if but is None or not name.startswith(f"{but}/")]
    root = [name for name in names if name.removeprefix(f"{path}/") in ALL_METADATA]
    for some in (root, [name for name in names if name not in set(root)]):
        if some:
            system.rm(some)
    return len(names)
