"""Zarr outputs on object stores, while they are being written.

An object store cannot rename. So chunks are written where they will stay, and every node's metadata under another
name, ``.unfinished-<token>/``, from where it is brought last, the root's at the very end: until then no reader finds a
Zarr there. That folder also tells whose the objects are, of a run that goes on or of one that was killed, and holds the
records that it goes on from.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zarr.storage import FsspecStore, WrapperStore

from dasksom.storage.locations import Location, file_system
from dasksom.storage.publish.object_store_checks import UNFINISHED, check_free, delete_below, unwritable
from dasksom.storage.records import RecordObjects, owner, runs
from dasksom.storage.zarr_nodes import ALL_METADATA, ZARR_METADATA

logger = logging.getLogger(__name__)

_OWNER, _RECORDS = "owner.json", "records"
BEAT_SECONDS = 15.0
"""How often a run shows that it goes on."""
_LIVE_SECONDS = 4 * BEAT_SECONDS
_SWEEP_SECONDS = 10.0


@dataclass(frozen=True)
class StoreRun:
    """An output that is being written to an object store; small and picklable, workers write through it."""

    final: Location
    """Where the output will be."""
    token: str
    """Names this run's metadata, so that no other run's is taken for it."""
    overwrite: bool

    @property
    def folder(self) -> Location:
        """Where metadata lies until the output is whole."""
        return self.final.below(UNFINISHED + self.token)

    def store(self) -> Any:
        """Return the output as a store that zarr writes to."""
        try:
            store = FsspecStore.from_url(self.final.path, storage_options=self.final.storage_options())
        except Exception as error:
            raise unwritable(self.final, error) from None
        return _HeldBack(store, self)

    @property
    def place(self) -> StoreRun:
        """What a writer writes to."""
        return self

    @property
    def records(self) -> RecordObjects:
        """What the run goes on from."""
        return RecordObjects(self.folder.below(_RECORDS))

    def own(self) -> None:
        """Show that this process has the run."""
        self.folder.below(_OWNER).write(json.dumps({**owner(), "beat": time.time()}).encode())

    def owner(self) -> dict[str, Any]:
        """Tell which process has had the run last."""
        try:
            found = json.loads(self.folder.below(_OWNER).read(0, 1 << 12))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_live(self) -> bool:
        """Tell whether a process has it: one of this machine that runs, or one that has shown so of late."""
        told = self.owner()
        if told.get("host") == socket.gethostname() and isinstance(told.get("process"), int):
            return told["process"] != os.getpid() and runs(told)
        beat = told.get("beat")
        return isinstance(beat, float) and time.time() - beat < _LIVE_SECONDS

    def clear_place(self) -> None:
        """Delete an older output, which cannot be opened any more then, and what was written of the new one."""
        check_free(self.final, self.overwrite, own=self.folder)
        _, path = file_system(self.folder)
        try:
            delete_below(self.final, but=(f"{path}/{_RECORDS}/", f"{path}/{_OWNER}"))
        except Exception as error:
            raise unwritable(self.final, error) from None

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Write small objects by their keys in the output; metadata goes where it lies until the output is whole."""
        system, path = file_system(self.final)
        try:
            for key, content in contents.items():
                system.pipe_file(f"{path}/{self.placed(key)}", content)
        except Exception as error:
            raise unwritable(self.final, error) from None

    def placed(self, key: str) -> str:
        """Return where a key of the output lies now."""
        held = key.rpartition("/")[2] in ALL_METADATA
        return f"{UNFINISHED}{self.token}/{key}" if held else key

    def metadata(self) -> dict[str, bytes]:
        """Return all metadata by key, the root's last."""
        system, staged = file_system(self.folder)
        system.invalidate_cache()
        keys = [name.removeprefix(f"{staged}/") for name in system.find(staged)]
        held = sorted((key for key in keys if key.rpartition("/")[2] in ALL_METADATA), key=_root_last)
        return {key: system.cat_file(f"{staged}/{key}") for key in held}

    def finish(self) -> None:
        """Bring the metadata to its place, the root's last."""
        system, final = file_system(self.final)
        try:
            contents = self.metadata()
            if not any(key in ZARR_METADATA for key in contents):
                raise FileNotFoundError("internal error: nothing was written")
            for key, content in contents.items():
                system.pipe_file(f"{final}/{key}", content)
            system.rm(file_system(self.folder)[1], recursive=True)
        except Exception as error:
            raise unwritable(self.final, error) from None

    def sweep(self) -> None:
        """Delete what was written, but no older output; tasks under way may still be writing for a moment."""
        deadline, seen_empty = time.monotonic() + _SWEEP_SECONDS, 0
        while time.monotonic() < deadline:
            try:
                place = self.folder if self._has_older() else self.final
                seen_empty = 0 if delete_below(place) else seen_empty + 1
            except Exception as error:
                logger.warning("%s", self.final.refusal(f"cannot be deleted: {error}"))
            if seen_empty == 2:
                return
            time.sleep(0.5)
        logger.warning("%s: what an unfinished run wrote is left there; delete it", self.final)

    def _has_older(self) -> bool:
        system, path = file_system(self.final)
        return any(system.exists(f"{path}/{name}") for name in ZARR_METADATA)


class _HeldBack(WrapperStore[Any]):
    """A store that keeps all metadata in another folder, and whose errors tell no secrets."""

    def __init__(self, store: Any, run: StoreRun) -> None:
        super().__init__(store)
        self._run = run

    def _with_store(self, store: Any) -> _HeldBack:
        return _HeldBack(store, self._run)

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
        try:
            await self._store.set(self._run.placed(key), value)
        except Exception as error:
            raise unwritable(self._run.final, error) from None

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Any) -> None:
        for key, value in values:
            await self.set(key, value)


def _root_last(key: str) -> tuple[bool, bool, str]:
    # Zarr 2 has two files; without .zgroup there is no group
    return "/" not in key, key in ZARR_METADATA, key


def unfinished_at(location: Location, overwrite: bool) -> StoreRun | None:
    """Return the unfinished output at a location, if there is one."""
    system, path = file_system(location)
    try:
        system.invalidate_cache()
        names = [str(name).rstrip("/").rpartition("/")[2] for name in system.ls(path, detail=False)]
    except FileNotFoundError:
        return None
    except Exception as error:
        raise unwritable(location, error) from None
    tokens = [name.removeprefix(UNFINISHED) for name in names if name.startswith(UNFINISHED)]
    return StoreRun(location, tokens[0], overwrite) if tokens else None
