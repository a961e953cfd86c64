"""What a training needs to go on after it was killed: records in a folder, each there as a whole or not at all.

A record is nested tuples, dicts, and dataclasses of ``KINDS``, of numbers, text and arrays. Its file is a SHA-256 and
a NumPy archive of the arrays, beside JSON that tells how they are nested: nothing is pickled. A new record takes the
name of the old one, which is kept until the next, in a single step; one that does not match its sum is passed over.
"""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Keeper
from dasksom.errors import InputError
from dasksom.som.batch import BatchSums
from dasksom.som.initialization import Moments
from dasksom.som.map_state import Epoch, MapState
from dasksom.som.quality import Quality
from dasksom.storage.npz import read_npz
from dasksom.storage.records import RecordFolder, Records

logger = logging.getLogger(__name__)

KINDS = {kind.__name__: kind for kind in (BatchSums, Epoch, MapState, Moments, Quality)}
"""Dataclasses that records may hold."""
IDENTITY, HOW, STATE, TRAINED, UNREAD = "identity", "how", "state", "trained", "unread"
"""Names of records: what a training or a run is of, how the run was asked for, where a map is between two epochs, the
trained map, and what of the images cannot be read."""
MOST_BYTES = 16 << 30
"""Of the arrays of a record: more than any counter of colors takes."""
SECONDS = 2.0
"""Epochs that follow one another faster are not all kept."""


def _plain(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Turn a value into JSON, and its arrays into entries of a list."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and type(value).__name__ in KINDS:
        named = {field.name: _plain(getattr(value, field.name), arrays) for field in fields(value)}
        return {"kind": type(value).__name__, "fields": named}
    if isinstance(value, (tuple, list)):
        return {"items": [_plain(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"entries": {str(name): _plain(item, arrays) for name, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"internal error: a record cannot hold {type(value).__name__}")


def _restored(plain: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return arrays[f"a{int(plain['array'])}"]
    if "kind" in plain:
        return KINDS[plain["kind"]](**{name: _restored(item, arrays) for name, item in plain["fields"].items()})
    if "items" in plain:
        return tuple(_restored(item, arrays) for item in plain["items"])
    return {name: _restored(item, arrays) for name, item in plain["entries"].items()}


def pack(value: Any) -> bytes:
    """Turn a record into the bytes of its file."""
    arrays: list[NDArray[Any]] = []
    told = json.dumps(_plain(value, arrays)).encode()
    body = BytesIO()
    named = {f"a{number}": array for number, array in enumerate(arrays)}
    np.savez(body, record=np.frombuffer(told, np.uint8), **named)  # type: ignore[arg-type]
    content = body.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + content


def unpack(content: bytes) -> Any:
    """Undo `pack`.

    Raises
    ------
    ValueError
        If the bytes are not those that `pack` made.
    """
    told, body = content[:64], content[64:]
    if hashlib.sha256(body).hexdigest().encode() != told:
        raise ValueError("the checksum does not match")
    try:
        arrays = read_npz(BytesIO(body), MOST_BYTES)
        return _restored(json.loads(arrays["record"].tobytes()), arrays)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a record of this version ({error})") from error


def _json(told: Any) -> Any:
    try:
        return json.loads(told)
    except (TypeError, ValueError, RecursionError):
        return None


class Checkpoint:
    """Records of one training, or of one run.

    Parameters
    ----------
    place : path, or Records
        Where they are kept; a folder is made if it is not there.
    identity : mapping of str to JSON, optional
        What is done: parameters, images, versions; see `agree`.

    Raises
    ------
    InputError
        If the folder holds records of something else, naming what differs; or files that are not records.
    """

    def __init__(self, place: str | os.PathLike[str] | Records, identity: Mapping[str, Any] | None = None) -> None:
        self._records: Records
        if isinstance(place, (str, os.PathLike)):
            self._records = folder = RecordFolder(Path(place).expanduser())
            folder.make()
        else:
            self._records = place
        if identity is not None:
            self.agree(identity)

    def agree(self, identity: Mapping[str, Any]) -> None:
        """Note what is done, or refuse to go on with something else.

        Raises
        ------
        InputError
            Naming what is different from when it was begun.
        """
        if self.identity() is None:
            self.clear()
            self.save(IDENTITY, json.dumps(identity))
        elif changed := self.changes(identity):
            raise InputError(
                f"{self._records.name}: checkpoints of another training ({'; '.join(changed)}); go on with what it was "
                "begun with, or delete the folder to begin anew"
            )

    def changes(self, identity: Mapping[str, Any]) -> list[str]:
        """Tell what is different from when it was begun; nothing where it was not."""
        now, then = json.loads(json.dumps(identity)), self.identity()
        if then is None:
            return []
        return [
            f"{name}: {then.get(name)!r} then, {now.get(name)!r} now"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]

    def identity(self) -> dict[str, Any] | None:
        """Give what the records are of; None where nothing was begun."""
        told = self.load(IDENTITY)
        if told is None:
            return None
        found = _json(told)
        if not isinstance(found, dict):
            raise InputError(
                f"{self._records.name}: its {IDENTITY}.record is not one of ours; delete the folder to begin anew"
            )
        return found

    def save(self, name: str, value: Any) -> None:
        """Keep a record; when this returns it is on the disk, and outlives the process and the machine's power."""
        self._records.write(name, pack(value))

    def load(self, name: str) -> Any:
        """Give the newest record of a name that is whole; None if there is none."""
        for where, content in self._records.read(name):
            try:
                return unpack(content)
            except ValueError as error:
                logger.warning("%s: %s; it is passed over", where, error)
        return None

    def clear(self) -> None:
        """Delete the records."""
        self._records.clear()


class Patient:
    """Keeps nothing in a run's first seconds: what ends or fails so soon is begun anew sooner than gone on with."""

    def __init__(self, checkpoint: Checkpoint, *, begun: bool) -> None:
        self._checkpoint, self._since = checkpoint, -math.inf if begun else time.monotonic()

    def save(self, name: str, value: Any) -> None:
        """Keep a record, if it is worth it."""
        if time.monotonic() - self._since >= SECONDS:
            self._checkpoint.save(name, value)

    def load(self, name: str) -> Any:
        """Give the newest record of a name that is whole; None if there is none."""
        return self._checkpoint.load(name)


class Throttled:
    """Keeps the states of a map after its epochs, but not more often than is worth it."""

    def __init__(self, checkpoint: Keeper) -> None:
        self._checkpoint, self._kept_at = checkpoint, time.monotonic()

    def __call__(self, state: MapState) -> None:
        """Keep a state."""
        now = time.monotonic()
        if now - self._kept_at >= SECONDS:
            self._checkpoint.save(STATE, state)
            self._kept_at = now
