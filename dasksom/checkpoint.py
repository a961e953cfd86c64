"""What a training needs to go on after it was killed: records in a folder, each there as a whole or not at all.

A record is nested tuples, dicts, and dataclasses of ``KINDS``, of numbers, text and arrays. Its file is a SHA-256 and
a NumPy archive of the arrays, beside JSON that tells how they are nested: nothing is pickled. A new record takes the
name of the old one, which is kept until the next, in a single step; one that does not match its sum is passed over.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.npz import read_npz
from dasksom.som.batch import BatchSums
from dasksom.som.initialization import Moments
from dasksom.som.quality import Quality
from dasksom.training import Epoch, MapState

logger = logging.getLogger(__name__)

KINDS = {kind.__name__: kind for kind in (BatchSums, Epoch, MapState, Moments, Quality)}
"""Dataclasses that records may hold."""
SUFFIX = ".record"
BEFORE = ".before"
"""Ends the name of the record that was there before."""
IDENTITY, STATE = "identity", "state"
"""Names of records: what a training is of, and where it is between two epochs."""
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
    """A folder of records.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    identity : mapping of str to JSON
        What the training is of: parameters, images, versions.

    Raises
    ------
    InputError
        If the folder holds records of something else, naming what differs; or files that are not records.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        self.folder = Path(folder).expanduser()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in self.folder.iterdir() if not path.name.endswith((SUFFIX, BEFORE, ".tmp"))]
        except OSError as error:
            raise InputError(f"{self.folder}: no folder for checkpoints can be there: {error.strerror}") from error
        if others:
            raise InputError(f"{self.folder}: holds other files ({others[0]}); name a folder for the checkpoints alone")
        now = json.loads(json.dumps(identity))
        before = self.load(IDENTITY)
        if before is None:
            self.clear()
            self.save(IDENTITY, json.dumps(now))
            return
        then = _json(before)
        if not isinstance(then, dict):
            raise InputError(
                f"{self.folder}: its {IDENTITY}{SUFFIX} is not one of ours; delete the folder to begin anew"
            )
        changed = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
        if changed:
            what = "; ".join(f"{name}: {then.get(name)!r} then, {now.get(name)!r} now" for name in changed)
            raise InputError(
                f"{self.folder}: checkpoints of another training ({what}); go on with what it was begun with, or "
                "delete the folder to begin anew"
            )

    def save(self, name: str, value: Any) -> None:
        """Keep a record; when this returns it is on the disk, and outlives the process and the machine's power."""
        path = self.folder / (name + SUFFIX)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(pack(value))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.replace(path, path.with_suffix(BEFORE))
        os.replace(temporary, path)
        if os.name == "posix":
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def load(self, name: str) -> Any:
        """Give the newest record of a name that is whole; None if there is none."""
        path = self.folder / (name + SUFFIX)
        for candidate in (path, path.with_suffix(BEFORE)):
            try:
                return unpack(candidate.read_bytes())
            except FileNotFoundError:
                continue
            except ValueError as error:
                logger.warning("%s: %s; it is passed over", candidate, error)
        return None

    def clear(self) -> None:
        """Delete the records."""
        for path in self.folder.iterdir():
            if path.name.endswith((SUFFIX, BEFORE, ".tmp")):
                path.unlink()


class Throttled:
    """Keeps the states of a map after its epochs, but not more often than is worth it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._kept_at = checkpoint, time.monotonic()

    def __call__(self, state: MapState) -> None:
        """Keep a state."""
        now = time.monotonic()
        if now - self._kept_at >= SECONDS:
            self._checkpoint.save(STATE, state)
            self._kept_at = now
