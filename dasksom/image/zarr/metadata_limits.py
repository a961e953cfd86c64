"""Check stored Zarr metadata before zarr uses it: accept only known codecs and bounded sizes.

Zarr decodes a chunk with whatever the metadata names, even pickle, and allocates memory for chunks of any declared
size. So an image's metadata may name only numeric dtypes, numeric codecs, and chunks that fit in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import MAX_CHUNKS, MAX_STORAGE_CHUNK_BYTES
from dasksom.image.zarr.chunk_limits import Declared

MOST_METADATA_BYTES = 64 << 20
"""Limit of one JSON document; that of a group may hold the metadata of thousands of arrays."""
MOST_AXES, MOST_CODECS = 16, 16
LONGEST_AXIS = 1 << 48

_NUMBERS = frozenset(
    [
        "adler32",
        "astype",
        "bitround",
        "blosc",
        "bz2",
        "crc32",
        "crc32c",
        "delta",
        "fixedscaleoffset",
        "fletcher32",
        "gzip",
        "jenkins_lookup3",
        "lz4",
        "lzma",
        "packbits",
        "pcodec",
        "quantize",
        "shuffle",
        "zfpy",
        "zlib",
        "zstd",
    ]
)
"""Codecs of Zarr 2 that decode bytes to numbers only."""
CODECS: dict[int, frozenset[str]] = {
    2: _NUMBERS,
    3: frozenset(["blosc", "bytes", "crc32c", "endian", "gzip", "sharding_indexed", "transpose", "zstd"])
    | {f"numcodecs.{name}" for name in _NUMBERS},
}
"""Accepted codecs by Zarr version."""
_PACKAGES = {"pcodec": "pcodec", "zfpy": "zfpy"}
"""Packages that codecs need besides zarr's own dependencies."""
_RUNS_CODE = frozenset({"pickle", "numcodecs.pickle"})
_INDEX_CODECS = frozenset({"bytes", "endian", "crc32c"})
_TYPES = re.compile(r"bool|float(16|32|64)|u?int(8|16|32|64)|[<>|=]?([iu][1248]|f[248]|b1)")
_CODEC_TYPES = ("dtype", "astype", "encode_dtype", "decode_dtype")


def parse(named: str, content: bytes) -> Any:
    """Parse a JSON document.

    Raises
    ------
    InputError
        It is not JSON, or too large.
    """
    if len(content) > MOST_METADATA_BYTES:
        raise InputError(f"{named}: {len(content)} bytes of metadata; at most {MOST_METADATA_BYTES} are read")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        value = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise InputError(
            f"{named}: its Zarr metadata cannot be read: not JSON ({value}); is it damaged? Write the store again"
        ) from None


def check_safe(named: str, value: Any) -> None:
    """Refuse metadata that names, at any depth, a codec that runs code; no image needs one.

    Raises
    ------
    InputError
    """
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, Mapping):
            name = one.get("id", one.get("name"))
            if isinstance(name, str) and name in _RUNS_CODE:
                raise _refused(named, name, "runs whatever code the store holds, and is never decoded")
            rest += one.values()
        elif isinstance(one, list):
            rest += one


def check_image(named: str, value: Any) -> Declared:
    """Refuse the metadata of an array that is not an image that can be read safely and in bounded memory.

    Parameters
    ----------
    named : name of the array, for messages
    value : JSON of its .zarray or zarr.json

    Returns
    -------
    Declared

    Raises
    ------
    InputError
    """
    if not isinstance(value, Mapping):
        raise InputError(
            f"{named}: its Zarr metadata is a {type(value).__name__}; a mapping is expected: is it damaged?"
        )
    version = value.get("zarr_format")
    if version == 2:
        return _check_2(named, value)
    if version == 3:
        return _check_3(named, value)
    raise InputError(f"{named}: its zarr_format is {version!r}; Zarr 2 and 3 are read: store it again as one of these")


def _check_2(named: str, value: Mapping[str, Any]) -> Declared:
    shape, chunk = _shape(named, value.get("shape")), _chunk(named, value.get("chunks"), value.get("shape"))
    if value.get("dimension_separator", ".") not in (".", "/"):
        raise _damaged(named, "dimension_separator", value["dimension_separator"], "'.' or '/'")
    stages = [*_entries(named, "filters", value.get("filters") or []), value.get("compressor")]
    for stage in (stage for stage in stages if stage is not None):
        if not isinstance(stage, Mapping):
            raise _damaged(named, "compressor or filter", stage, "a mapping with the id of a codec")
        _check_codec(named, 2, stage.get("id"), stage)
    size = _check_bytes(named, "chunks", chunk, _itemsize(named, value.get("dtype")), shape)
    last = next((stage["id"] for stage in reversed(stages) if stage is not None), None)
    return Declared(size, 1, last)


def _check_3(named: str, value: Mapping[str, Any]) -> Declared:
    shape = _shape(named, value.get("shape"))
    grid = _configured(named, "chunk_grid", value.get("chunk_grid"), ("regular",))
    chunk = _chunk(named, grid.get("chunk_shape"), value.get("shape"))
    keys = _configured(named, "chunk_key_encoding", value.get("chunk_key_encoding"), ("default", "v2"))
    if keys.get("separator", "/") not in (".", "/"):
        raise _damaged(named, "separator of chunk keys", keys["separator"], "'.' or '/'")
    if value.get("storage_transformers"):
        raise _damaged(named, "storage_transformers", value["storage_transformers"], "none")
    itemsize = _itemsize(named, value.get("data_type"))
    codecs = _entries(named, "codecs", value.get("codecs"))
    inner = _check_codecs(named, codecs, chunk)
    if inner is None:
        return Declared(_check_bytes(named, "chunks", chunk, itemsize, shape), 1, _name(codecs[-1]) if codecs else None)
    size = _check_bytes(named, "chunks (in its shards)", inner, itemsize, shape)
    return Declared(prod(chunk) * itemsize, prod(chunk) * itemsize // size, None)


def _check_codecs(named: str, codecs: Sequence[Any], chunk: tuple[int, ...]) -> tuple[int, ...] | None:
    """Check the codecs of Zarr 3; return the shape of the chunks in a shard, None without shards."""
    inner = None
    for codec in codecs:
        name, how = _name(codec), codec.get("configuration") or {} if isinstance(codec, Mapping) else {}
        _check_codec(named, 3, name, how)
        if name != "sharding_indexed":
            continue
        inside = _chunk(named, how.get("chunk_shape"), chunk)
        if inner is not None or "sharding_indexed" in map(_name, _entries(named, "codecs", how.get("codecs"))):
            raise InputError(f"{named}: has shards inside shards, which are not read; store it again with one level")
        if any(whole % part for whole, part in zip(chunk, inside, strict=True)):
            raise _damaged(named, "chunk_shape of its shards", inside, f"a divisor of {chunk}")
        count = prod(whole // part for whole, part in zip(chunk, inside, strict=True))
        if count > MAX_CHUNKS:
            raise InputError(
                f"{named}: {count} chunks in each shard of {chunk}; at most {MAX_CHUNKS} are read: store it again in "
                "larger chunks"
            )
        _check_codecs(named, _entries(named, "codecs", how.get("codecs")), inside)
        index = _entries(named, "index_codecs", how.get("index_codecs", ["bytes"]))
        if not set(map(_name, index)) <= _INDEX_CODECS:
            raise _damaged(named, "index_codecs", [_name(one) for one in index], "bytes and crc32c")
        inner = inside
    return inner


def _check_codec(named: str, version: int, name: Any, how: Any) -> None:
    if not isinstance(name, str) or name not in CODECS[version]:
        known = ", ".join(sorted(one for one in CODECS[version] if not one.startswith("numcodecs.")))
        others = ", and those of numcodecs" if version == 3 else ""
        raise _refused(named, name, f"is not one that images are read with ({known}{others})")
    package = _PACKAGES.get(name.removeprefix("numcodecs."))
    if package is not None and find_spec(package) is None:
        raise InputError(f"{named}: the codec {name} takes the package {package}: python -m pip install {package}")
    if not isinstance(how, Mapping):
        raise _damaged(named, f"configuration of the codec {name}", how, "a mapping")
    for key in _CODEC_TYPES:
        if how.get(key) is not None:
            _itemsize(named, how[key])


def _itemsize(named: str, value: Any) -> int:
    if not isinstance(value, str) or not _TYPES.fullmatch(value):
        shown = value.get("name", value) if isinstance(value, Mapping) else value
        raise InputError(
            f"{named}: pixels are of dtype {str(shown)[:60]}; accepted are integers and floats of up to 64 bits, "
            "convert them first"
        )
    return int(np.dtype(value).itemsize)


def _shape(named: str, value: Any) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(_is_int(length) and 0 <= length <= LONGEST_AXIS for length in value)
    if not whole or len(value) > MOST_AXES:
        raise _damaged(
            named, "shape", value, f"up to {MOST_AXES} lengths from 0 to {LONGEST_AXIS}, so its chunks have no place"
        )
    return tuple(value)


def _chunk(named: str, value: Any, shape: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not all(_is_int(length) for length in value):
        raise _damaged(named, "chunk shape", value, "a length for each axis")
    if len(value) != len(shape) or min(value, default=1) < 1:
        raise InputError(
            f"{named}: has chunks of {tuple(value)}; its metadata is damaged: a length of at least 1 is expected for "
            f"each of {len(shape)} axes"
        )
    return tuple(value)


def _check_bytes(named: str, what: str, chunk: tuple[int, ...], itemsize: int, shape: tuple[int, ...]) -> int:
    size = prod(chunk) * itemsize
    if size > MAX_STORAGE_CHUNK_BYTES:
        raise InputError(
            f"{named}: {what} of {chunk}, {size / 2**30:.1f} GiB each once decoded, in an array of {shape}; at most "
            f"{MAX_STORAGE_CHUNK_BYTES / 2**30:.0f} GiB can be read: store it again in smaller chunks"
        )
    return size


def _configured(named: str, what: str, value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    how = value.get("configuration") or {} if isinstance(value, Mapping) else {}
    if _name(value) not in names or not isinstance(how, Mapping):
        raise _damaged(named, what, value, f"one of {', '.join(names)}")
    return how


def _entries(named: str, what: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_CODECS:
        raise _damaged(named, what, value, f"a list of at most {MOST_CODECS} codecs")
    return value


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refused(named: str, codec: Any, why: str) -> InputError:
    return InputError(
        f"{named}: compressed by the codec {str(codec)[:60]!r}, which {why}; store it again, for example with zstd"
    )


def _damaged(named: str, what: str, found: Any, accepted: str) -> InputError:
    return InputError(
        f"{named}: its {what} is {str(found)[:80]}, and {accepted} is accepted; its metadata is damaged, "
        "or none of an image"
    )
