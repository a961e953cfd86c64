"""Write the small files of a Zarr to disk or to an object store, and verify its written chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dasksom.image.writers.protocol import JSON, Output, Target, Writer
from dasksom.storage.checksum_manifests import MANIFEST, FileSums, Manifest, has_content_of_zarr, match_sums
from dasksom.storage.locations import Location, file_system
from dasksom.storage.own_files import replace_file
from dasksom.storage.own_folders import is_temporary
from dasksom.storage.publish.object_store_run import StoreRun
from dasksom.storage.publish.own_objects import unwritable
from dasksom.storage.zarr_nodes import ALL_METADATA, metadata_stamp
from dasksom.storage.zarr_stores import OwnStore, SummingStore

PALETTE_ARRAY = "palette"
"""Name of the array in a Zarr output that holds the map's colors."""
CLASSES, OME_CLASSES = "classes", "labels/classes"
"""Names of the classes: an array of a .zarr, a group of an .ome.zarr."""
OME_LABELS = "labels/som"
"""Group of the labels of an .ome.zarr with the image; without the image, they are in its root group."""
MODEL, SUMS = f"{PALETTE_ARRAY}/model.npz", f"{PALETTE_ARRAY}/sums.npz"
"""Keys of the trained map and of the sums of its units; inside an array, as zarr warns about other files in a group."""


def writable(target: Target, resumed: bool = False) -> Any:
    """Return a writable store for a target; it records the checksums of what is written."""
    return SummingStore(OwnStore(target, resumed) if isinstance(target, str) else target.store(resumed))


def put_all(target: Target, contents: Mapping[str, bytes]) -> None:
    """Write small files of a Zarr, given by key; each is written atomically."""
    if isinstance(target, StoreRun):
        target.put(contents)
        return
    for key, content in contents.items():
        replace_file(Path(target) / key, content, is_ours=partial(has_content_of_zarr, key))


def put_created(output: Output, made: Mapping[str, Any]) -> None:
    """Write what was created in memory: metadata and palette, by key; and the trained map."""
    model = {MODEL: output.model} if output.model else {}
    put_all(output.target, {**{key: value.to_bytes() for key, value in made.items()}, **model})


def place_attributes(output: Output) -> dict[str, Any]:
    """Return georeference and pixel size as attributes; empty if the image has none."""
    place: dict[str, Any] = {}
    if output.geo_tags:
        place["geo_tags"] = [[code, kind, count, _plain(value)] for code, kind, count, value, _ in output.geo_tags]
    if output.pixel_size is not None:
        place |= {"pixel_size": list(output.pixel_size), "unit": output.unit}
    return {"place": place} if place else {}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else np.asarray(value).tolist()


def version_of(target: Target) -> Hashable:
    """Return a value that distinguishes this output from an older one with the same name."""
    return metadata_stamp(Location(target)) if isinstance(target, str) else target.token


@dataclass(frozen=True)
class TargetWriter(Writer):
    """Base of the Zarr writers; chunks are stored by the tasks that compute them."""

    target: Target
    resumed: bool
    """Whether chunks written by an earlier process may exist."""

    @property
    def keeps_chunks(self) -> bool:
        """True: every chunk is stored when its task ends."""
        return True

    def are_intact(self, stored: FileSums) -> bool:
        """Return whether files match their checksums; see `Writer`."""
        if isinstance(self.target, str):
            return match_sums(Path(self.target), stored)
        system, path = file_system(self.target.final)
        try:
            return all(hashlib.sha256(system.cat_file(f"{path}/{key}")).hexdigest() == digest for key, digest in stored)
        except FileNotFoundError:
            return False
        except Exception as error:
            raise unwritable(self.target.final, error) from None

    def annotate(self, more: Mapping[str, JSON]) -> None:
        """Add to the metadata in the attributes of the root group; see `Writer`."""
        group = zarr.open_group(writable(self.target), mode="r+")
        own: dict[str, Any] = dict(group.attrs["dasksom"])  # type: ignore[arg-type]
        group.attrs["dasksom"] = {**own, "metadata": {**own["metadata"], **more}}

    def write_sums(self, content: bytes) -> None:
        """Write the sums of the units' pixels; see `Writer`."""
        put_all(self.target, {SUMS: content})

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the checksums of all files into the Zarr; see `Writer`."""
        for key, content in sorted(_small_files(self.target).items()):
            manifest.add(((key, hashlib.sha256(content).hexdigest()),))
        put_all(self.target, {MANIFEST: manifest.content()})


def _small_files(target: Target) -> dict[str, bytes]:
    """Return the files that the driver wrote, by key: all metadata, and the palette."""
    if isinstance(target, StoreRun):
        system, path = file_system(target.final)
        palette = system.find(f"{path}/{PALETTE_ARRAY}")
        found = {name.removeprefix(f"{path}/"): system.cat_file(name) for name in palette}
        found.pop(MANIFEST, None)
        return {**found, **target.metadata()}
    root = Path(target)
    stored = (path for path in (root / PALETTE_ARRAY).rglob("*") if path.is_file() and path != root / MANIFEST)
    palette = (path for path in stored if not is_temporary(path.name))  # of a killed run; deleted when it is published
    metadata = (path for name in ALL_METADATA for path in root.rglob(name))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in (*palette, *metadata)}
