"""Where a Zarr is written, on a disk or a store: its small files, and whether its chunks are as they were written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

from dasksom.image.writers.protocol import Target
from dasksom.storage.checksum_manifests import MANIFEST, Stored, SummingStore, Sums, files_are_whole
from dasksom.storage.locations import Location, file_system
from dasksom.storage.publish.object_store_checks import unwritable
from dasksom.storage.publish.object_store_run import Unfinished
from dasksom.storage.zarr_nodes import ALL_METADATA, metadata_stamp

PALETTE = "palette"
"""Name of the array of a Zarr output that holds the map's colors."""


def writable(target: Target) -> Any:
    """Return a store to write there with, that remembers the sums of what is written."""
    return SummingStore(LocalStore(target) if isinstance(target, str) else target.store())


def are_whole(target: Target, stored: Stored) -> bool:
    """Tell whether files of a Zarr are there as they were written."""
    if isinstance(target, str):
        return files_are_whole(Path(target), stored)
    system, path = file_system(target.location)
    try:
        return all(hashlib.sha256(system.cat_file(f"{path}/{key}")).hexdigest() == digest for key, digest in stored)
    except FileNotFoundError:
        return False
    except Exception as error:
        raise unwritable(target.location, error) from None


def put_all(target: Target, contents: Mapping[str, bytes]) -> None:
    """Write small files of a Zarr by their keys, each in one step."""
    if isinstance(target, Unfinished):
        target.put(contents)
        return
    for key, content in contents.items():
        path = Path(target) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(content)
        os.replace(temporary, path)


def version_of(target: Target) -> Hashable:
    """Return what tells this output from an older one of the same name."""
    return metadata_stamp(Location(target)) if isinstance(target, str) else target.token


def write_manifest(place: Path | Unfinished, sums: Sums) -> None:
    """Write the sums of all files of a Zarr into it; files of other formats hold theirs already.

    Parameters
    ----------
    place : the output, all of it written
    sums : those of its chunks
    """
    if isinstance(place, Path) and not place.is_dir():
        return
    target = str(place) if isinstance(place, Path) else place
    for key, content in sorted(_small_files(target).items()):
        sums.add(((key, hashlib.sha256(content).hexdigest()),))
    put_all(target, {MANIFEST: sums.content()})


def _small_files(target: Target) -> dict[str, bytes]:
    """Return what writers wrote at once, by key: all metadata, and the palette."""
    if isinstance(target, Unfinished):
        system, path = file_system(target.location)
        palette = system.find(f"{path}/{PALETTE}")
        found = {name.removeprefix(f"{path}/"): system.cat_file(name) for name in palette}
        found.pop(MANIFEST, None)
        return {**found, **target.metadata()}
    root = Path(target)
    palette = (path for path in (root / PALETTE).rglob("*") if path.is_file() and path != root / MANIFEST)
    metadata = (path for name in ALL_METADATA for path in root.rglob(name))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in (*palette, *metadata)}
