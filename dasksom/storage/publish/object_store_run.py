"""Unfinished Zarr outputs on object stores.

Object stores cannot rename. Chunks are therefore written under their final keys, and metadata under
``.unfinished-<token>/``. Metadata is copied to its final keys last, that of the root at the very end: until then,
readers find no Zarr. The folder also records which process owns the output, and holds the records to resume from.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, WrapperStore

from dasksom.storage.checksum_manifests import is_earlier_manifest
from dasksom.storage.locations import Location, file_system
from dasksom.storage.own_files import is_damaged_copy
from dasksom.storage.own_folders import UNFINISHED
from dasksom.storage.publish.own_objects import (
    CLAIM,
    check_free,
    create_object,
    create_object_async,
    delete_below,
    delete_keys,
    foreign_object,
    put_new,
    unwritable,
)
from dasksom.storage.records import RecordObjects, describe_owner, owner, runs
from dasksom.storage.zarr_nodes import ALL_METADATA, ZARR_METADATA

logger = logging.getLogger(__name__)

_OWNER, _RECORDS = "owner.json", "records"
BEAT_SECONDS = 15.0
"""Seconds between two updates of the owner object of a running process."""
_LIVE_SECONDS = 4 * BEAT_SECONDS
CLAIM_SECONDS = 0.5
"""Seconds after which a run checks that its claim is still the current one."""
_active: set[str] = set()
"""Ids of the claims made by this process."""
_REMOVAL_SECONDS = 10.0


@dataclass(frozen=True)
class StoreRun:
    """An output that is being written to an object store; small and picklable, used by the workers to write."""

    final: Location
    """Location of the output."""
    token: str
    """Unique part of the metadata folder's name: separates the metadata of different runs."""
    overwrite: bool

    @property
    def folder(self) -> Location:
        """Folder of the metadata until the output is complete."""
        return self.final.below(UNFINISHED + self.token)

    def store(self, resumed: bool = False) -> Any:
        """Return the output as a zarr store."""
        try:
            store = FsspecStore.from_url(self.final.path, storage_options=self.final.storage_options())
        except Exception as error:
            raise unwritable(self.final, error) from None
        return _HeldBack(store, self, resumed)

    @property
    def place(self) -> StoreRun:
        """The object that writers write to: this run."""
        return self

    @property
    def records(self) -> RecordObjects:
        """The records that the run resumes from."""
        return RecordObjects(self.folder.below(_RECORDS))

    def own(self) -> None:
        """Record this process as the owner of the run."""
        self.folder.below(_OWNER).write(json.dumps({**owner(), "beat": time.time()}).encode())

    def owner(self) -> dict[str, Any]:
        """Return the last process that owned the run."""
        try:
            return _parsed(self.folder.below(_OWNER).read(0, 1 << 12))
        except OSError:
            return {}

    def is_live(self) -> bool:
        """Return whether the owner is running: a live process on this machine, or one with a recent update."""
        return _is_live(self.owner())

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Reserve the output for this process; of several concurrent attempts, one succeeds.

        Raises
        ------
        InputError
            Another process has reserved it.
        """
        system, root = file_system(self.final)
        path, token = f"{root}/{CLAIM}", secrets.token_hex(8)
        mine = json.dumps({**owner(), "beat": time.time(), "id": token}).encode()
        _active.add(token)
        try:
            if not create_object(system, path, mine):
                other = _parsed(system.cat_file(path))
                if _is_live(other) or other.get("id") in _active:
                    raise self.final.refusal(
                        f"another run is writing it ({describe_owner(other)}); wait for it, stop it, or choose "
                        "another name"
                    )
                delete_keys(self.final, [CLAIM])
                create_object(system, path, mine)
            time.sleep(CLAIM_SECONDS)  # stores without conditional puts, and two that saw the same abandoned claim
            if (found := system.cat_file(path)) != mine:
                raise self.final.refusal(
                    f"another run is writing it ({describe_owner(_parsed(found))}); wait for it, or choose another name"
                )
        except Exception as error:
            _active.discard(token)
            raise unwritable(self.final, error) from None
        try:
            yield
        finally:
            _active.discard(token)
            with suppress(Exception):  # the next run detects an abandoned claim
                if system.cat_file(path) == mine:
                    delete_keys(self.final, [CLAIM])

    def clear_place(self) -> None:
        """Delete an older output and everything written of the new one."""
        check_free(self.final, self.overwrite, own=self.folder)
        own = f"{UNFINISHED}{self.token}"
        try:
            delete_below(self.final, keep=lambda key: key.startswith((f"{own}/{_RECORDS}/", f"{own}/{_OWNER}")))
        except Exception as error:
            raise unwritable(self.final, error) from None

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Write small objects by their keys in the output; metadata goes to `folder`."""
        for key, content in contents.items():
            if self.placed(key) == key:
                put_new(self.final, key, content, partial(is_earlier_manifest, content=content))
            else:
                self.folder.below(key).write(content)

    def placed(self, key: str) -> str:
        """Return the current path of a key of the output."""
        held = key.rpartition("/")[2] in ALL_METADATA
        return f"{UNFINISHED}{self.token}/{key}" if held else key

    def metadata(self) -> dict[str, bytes]:
        """Return all metadata by key, that of the root last."""
        system, staged = file_system(self.folder)
        system.invalidate_cache()
        keys = [name.removeprefix(f"{staged}/") for name in system.find(staged)]
        held = sorted((key for key in keys if key.rpartition("/")[2] in ALL_METADATA), key=_root_last)
        return {key: system.cat_file(f"{staged}/{key}") for key in held}

    def finish(self) -> None:
        """Copy the metadata to its final keys, that of the root last."""
        try:
            contents = self.metadata()
            if not any(key in ZARR_METADATA for key in contents):
                raise FileNotFoundError("internal error: nothing was written")
            for key, content in contents.items():
                put_new(self.final, key, content)
            self.delete_folder()
        except Exception as error:
            raise unwritable(self.final, error) from None

    def delete_written(self) -> None:
        """Delete everything written by this run, but no older output; repeat while running tasks still write."""
        deadline, seen_empty = time.monotonic() + _REMOVAL_SECONDS, 0
        while time.monotonic() < deadline:
            try:
                deleted = self.delete_folder() if self._has_older() else delete_below(self.final)
                seen_empty = 0 if deleted else seen_empty + 1
            except Exception as error:
                logger.warning("%s", self.final.refusal(f"cannot be deleted: {error}"))
            if seen_empty == 2:
                return
            time.sleep(0.5)
        logger.warning("%s: what an unfinished run wrote is left there; delete it", self.final)

    def delete_folder(self) -> int:
        """Delete records and metadata of the unfinished run; return the number of objects."""
        return delete_below(self.final, keep=lambda key: not key.startswith(f"{UNFINISHED}{self.token}/"))

    def _has_older(self) -> bool:
        system, path = file_system(self.final)
        return any(system.exists(f"{path}/{name}") for name in ZARR_METADATA)


class _HeldBack(WrapperStore[Any]):
    """A store that writes all metadata to another folder, and removes secrets from errors."""

    def __init__(self, store: Any, run: StoreRun, resumed: bool) -> None:
        super().__init__(store)
        self._run, self._resumed = run, resumed

    def _with_store(self, store: Any) -> _HeldBack:
        return _HeldBack(store, self._run, self._resumed)

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._store.get(self._run.placed(key), *args, **kwargs)
        except Exception as error:
            raise unwritable(self._run.final, error) from None

    async def exists(self, key: str) -> bool:
        try:
            return bool(await self._store.exists(self._run.placed(key)))
        except Exception as error:
            raise unwritable(self._run.final, error) from None

    async def set(self, key: str, value: Any) -> None:
        placed = self._run.placed(key)
        try:
            if placed != key:
                await self._store.set(placed, value)
                return
            content = value.to_bytes()
            if await create_object_async(self._store.fs, f"{self._store.path}/{key}", content):
                return
            existing = (await self._store.get(key, default_buffer_prototype())).to_bytes()
            if existing == content:
                return
            if not (self._resumed and is_damaged_copy(BytesIO(existing), BytesIO(content))):
                raise foreign_object(self._run.final, key)
            await self._store.set(key, value)
        except Exception as error:
            raise unwritable(self._run.final, error) from None

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Any) -> None:
        for key, value in values:
            await self.set(key, value)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _is_live(owner: Mapping[str, Any]) -> bool:
    if owner.get("host") == socket.gethostname() and isinstance(owner.get("process"), int):
        return owner["process"] != os.getpid() and runs(dict(owner))
    beat = owner.get("beat")
    return isinstance(beat, float) and time.time() - beat < _LIVE_SECONDS


def _root_last(key: str) -> tuple[bool, bool, str]:
    # Zarr 2 has two files per node; .zgroup makes it a group
    return "/" not in key, key in ZARR_METADATA, key


def unfinished_at(location: Location, overwrite: bool) -> StoreRun | None:
    """Return the unfinished run at a location, or None."""
    system, path = file_system(location)
    try:
        system.invalidate_cache()
        names = [str(name).rstrip("/").rpartition("/")[2] for name in system.ls(path, detail=False)]
    except FileNotFoundError:
        return None
    except Exception as error:
        raise unwritable(location, error) from None
    tokens = [name.removeprefix(UNFINISHED) for name in names if name.startswith(UNFINISHED) and name != CLAIM]
    return StoreRun(location, tokens[0], overwrite) if tokens else None
