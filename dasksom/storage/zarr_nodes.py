"""Names of the files that make a folder a Zarr node."""

from __future__ import annotations

import re
from pathlib import Path

from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location

ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup")
"""A directory that holds one of these is a Zarr node."""


ALL_METADATA = (*ZARR_METADATA, ".zattrs", ".zmetadata")


def is_zarr(path: Path) -> bool:
    """Return whether a directory is a Zarr array or group."""
    return any((path / name).is_file() for name in ZARR_METADATA)


def metadata_stamp(node: Location) -> Stamp:
    """Return the version of an array's or group's metadata."""
    for name in ZARR_METADATA:
        try:
            return node.below(name).stamp()
        except FileNotFoundError:
            continue
    raise node.refusal("its Zarr metadata is gone")


OWN_FILES = ("SHA256SUMS", "model.npz", "sums.npz")
"""Names of the files of an output, inside an array, that are not of Zarr."""


def is_zarr_metadata(content: bytes) -> bool:
    """Return whether a file has the content of metadata of a Zarr, even if it is damaged."""
    return content.lstrip().startswith(b"{") and (b'"zarr_format"' in content or b'"node_type"' in content)


_CHUNK = re.compile(r"(.*/)?(c|(c[./])?\d+([./]\d+)*)(\.[0-9a-f]{32}\.partial)?")


def is_zarr_key(key: str) -> bool:
    """Return whether a key is valid in a Zarr: metadata, chunk, shard, or one of `OWN_FILES`.

    >>> [is_zarr_key(key) for key in ("labels/zarr.json", "0/c/1/2", "0.3", "palette/SHA256SUMS", "notes.txt", "a/b")]
    [True, True, True, True, False, False]
    """
    name = key.rpartition("/")[2]
    return name in (*ALL_METADATA, *OWN_FILES) or _CHUNK.fullmatch(key) is not None
