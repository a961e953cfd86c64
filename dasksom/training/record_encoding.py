"""Encode records as bytes, without pickle: a SHA-256 and a NumPy archive with the arrays and JSON for their nesting.

Records consist of nested tuples, dicts and dataclasses in ``_DATACLASSES``, with numbers, text and arrays.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.batch import BatchSums
from dasksom.som.quality import Epoch, Quality
from dasksom.som.statistics.moments import Moments
from dasksom.som.statistics.unit_statistics import UnitStatistics
from dasksom.storage.npz import read_npz
from dasksom.training.trained_map import MapState

_DATACLASSES = {kind.__name__: kind for kind in (BatchSums, Epoch, MapState, Moments, Quality, UnitStatistics)}
_MOST_BYTES = 16 << 30
"""Upper limit of the bytes of a record's arrays: more than any table of counted colors needs."""


def _to_json(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Return a value as JSON, and append its arrays to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and type(value).__name__ in _DATACLASSES:
        named = {field.name: _to_json(getattr(value, field.name), arrays) for field in fields(value)}
        return {"kind": type(value).__name__, "fields": named}
    if isinstance(value, (tuple, list)):
        return {"items": [_to_json(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"entries": {str(name): _to_json(item, arrays) for name, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"internal error: a record cannot hold {type(value).__name__}")


def _from_json(plain: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return arrays[f"a{int(plain['array'])}"]
    if "kind" in plain:
        return _DATACLASSES[plain["kind"]](**{name: _from_json(item, arrays) for name, item in plain["fields"].items()})
    if "items" in plain:
        return tuple(_from_json(item, arrays) for item in plain["items"])
    return {name: _from_json(item, arrays) for name, item in plain["entries"].items()}


def pack(value: Any) -> bytes:
    """Encode a record."""
    arrays: list[NDArray[Any]] = []
    plain = json.dumps(_to_json(value, arrays)).encode()
    archive = BytesIO()
    named = {f"a{number}": array for number, array in enumerate(arrays)}
    np.savez(archive, record=np.frombuffer(plain, np.uint8), **named)  # type: ignore[arg-type]
    content = archive.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + content


def unpack(content: bytes) -> Any:
    """Decode a record; the inverse of `pack`.

    Raises
    ------
    ValueError
        If the bytes are not a result of `pack`.
    """
    checksum, archive = content[:64], content[64:]
    if hashlib.sha256(archive).hexdigest().encode() != checksum:
        raise ValueError("the checksum does not match")
    try:
        arrays = read_npz(BytesIO(archive), _MOST_BYTES)
        return _from_json(json.loads(arrays["record"].tobytes()), arrays)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a record of this version ({error})") from error
