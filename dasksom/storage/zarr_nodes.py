"""Names of the files that make a folder a Zarr node."""

from __future__ import annotations

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
    """Return what names the version of an array's or group's metadata."""
    for name in ZARR_METADATA:
        try:
            return node.below(name).stamp()
        except FileNotFoundError:
            continue
    raise node.refusal("its Zarr metadata is gone")
