"""Write classes into a Zarr output: an array or a pyramid like that of its labels, made from the labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from dasksom.image.writers.protocol import JSON, EncodedChunk, Origin, RunTasks, run_tasks_here
from dasksom.image.zarr.target import CLASSES, OME_CLASSES, OME_LABELS, TargetWriter, put_all, writable
from dasksom.image.zarr.writer import EVERY_CHUNK
from dasksom.storage.checksum_manifests import MANIFEST, FileSums, has_content_of_zarr, read_manifest, sum_of_file
from dasksom.storage.own_files import replace_file
from dasksom.storage.zarr_nodes import ALL_METADATA, is_zarr_metadata
from dasksom.storage.zarr_stores import written_chunks

BLOCK_SIDE = 4096
"""Rows and columns that a task writes at once, if they are complete files."""


def classes_path(output: str) -> Path:
    """Return the final path of the classes in a Zarr output."""
    return Path(output) / (CLASSES if _is_flat(output) else OME_CLASSES)


def _is_flat(output: str) -> bool:
    return isinstance(zarr.open(f"{output}/labels", mode="r"), zarr.Array)


def _labels_path(output: str) -> str:
    """Return the array of labels of a .zarr, or the group of those of an .ome.zarr."""
    som = f"{output}/{OME_LABELS}"
    return som if Path(som).is_dir() else f"{output}/labels" if _is_flat(output) else output


@dataclass(frozen=True)
class ClassWriter(TargetWriter):
    """Writes the classes of each chunk, and of the coarser levels, with the chunks and codecs of the labels."""

    labels: str
    """Path of the array or pyramid of labels."""
    levels: int
    """Number of levels; 0: an array without levels."""
    table: NDArray[Any] = field(repr=False)
    """Class of each label value, the last one of all values beyond."""
    from_labels: bool = True
    """Whether coarser levels are the classes of coarser labels; else they are made from level 0 of the classes."""

    @property
    def chunk_alignment(self) -> int:
        """1: chunks are `blocks`, which consist of complete files."""
        return 1

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of the chunks of level 0: complete files, so that no two tasks write to the same one."""
        return self._block(0)

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: Origin) -> FileSums:
        """Write one chunk of level 0; `labels` are classes."""
        return self._write(0, labels, corner)

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Wait for every chunk, then write the coarser levels."""
        for _ in encoded:
            pass
        for level in range(1, self.levels):
            array = _opened(str(self.target), str(level), self.resumed)
            (height, width), (down, across) = array.shape, self._block(level)
            run(partial(self.write_block, level=level), list(product(range(0, height, down), range(0, width, across))))

    def write_block(self, corner: Origin, level: int) -> FileSums:
        """Write classes of a coarser level: every second row and column of the previous level."""
        sides = zip(corner, self._block(level), strict=True)
        if self.from_labels:
            labels = _opened(self.labels, str(level), False)
            rows, columns = (slice(start, start + side) for start, side in sides)
            return self._write(level, np.take(self.table, np.asarray(labels[rows, columns]), mode="clip"), corner)
        finer = _opened(str(self.target), str(level - 1), self.resumed)
        rows, columns = (slice(2 * start, 2 * (start + side)) for start, side in sides)
        return self._write(level, np.asarray(finer[rows, columns])[::2, ::2], corner)

    def _block(self, level: int) -> tuple[int, int]:
        array = _opened(str(self.target), str(level) if self.levels else "", self.resumed)
        rows, columns = array.shards or array.chunks
        return int(rows) * max(1, BLOCK_SIDE // int(rows)), int(columns) * max(1, BLOCK_SIDE // int(columns))

    def _write(self, level: int, numbers: NDArray[Any], corner: Origin) -> FileSums:
        array = _opened(str(self.target), str(level) if self.levels else "", self.resumed)
        rows, columns = (slice(start, start + side) for start, side in zip(corner, numbers.shape, strict=True))
        array[rows, columns] = numbers
        return written_chunks(array, (rows, columns))


@lru_cache(maxsize=32)
def _opened(place: str, name: str, resumed: bool) -> zarr.Array[Any]:
    return zarr.open_array(writable(place, resumed), path=name, mode="r+").with_config(EVERY_CHUNK)


def create_classes(
    output: str, place: Path, table: NDArray[Any], about: Mapping[str, JSON], label: Mapping[str, JSON], resumed: bool
) -> ClassWriter:
    """Create the arrays of the classes of a Zarr output, and return their writer.

    Parameters
    ----------
    output : path of the output, .zarr or .ome.zarr
    place : where the classes are written
    table : class of each label value, unsigned
    about : own attributes of the classes
    label : attributes of an OME-Zarr label image
    resumed : whether chunks written by an earlier process may exist
    """
    labels = _labels_path(output)
    source = zarr.open(labels, mode="r")
    made: dict[str, Any] = {}
    store = MemoryStore(made)
    if isinstance(source, zarr.Array):
        # as the CF conventions name the values of a variable
        names = {row["label-value"]: "_".join(row["name"].split()) for row in label["properties"]}
        flags = {"flag_values": list(names), "flag_meanings": " ".join(names.values())}
        _create_like(source, store, "", table.dtype, {"dasksom": dict(about), **flags})
        levels = 0
    else:
        arrays = [name for name, _ in source.arrays() if name.isdigit()]
        zarr.create_group(
            store,
            zarr_format=source.metadata.zarr_format,
            attributes={**_label_attributes(dict(source.attrs), label), "dasksom": dict(about)},
        )
        levels = len(arrays)
        for name in arrays:
            _create_like(source[name], store, name, table.dtype, {})  # type: ignore[arg-type]
    put_all(str(place), {key: value.to_bytes() for key, value in made.items()})
    return ClassWriter(str(place), resumed, labels, levels, table)


def _create_like(
    source: zarr.Array[Any], store: MemoryStore, name: str, dtype: np.dtype[Any], attributes: Mapping[str, JSON]
) -> None:
    """Create an empty array with the shape, chunks and codecs of another one."""
    metadata: Any = source.metadata
    old = metadata.zarr_format == 2
    zarr.create_array(
        store,
        name=name or None,
        shape=source.shape,
        dtype=dtype,
        chunks=source.chunks,
        shards=source.shards,
        compressors=source.compressors or None,
        fill_value=0,
        zarr_format=metadata.zarr_format,
        dimension_names=None if old else metadata.dimension_names,
        chunk_key_encoding={"name": "v2", "separator": metadata.dimension_separator} if old else None,
        attributes=dict(attributes),
        config=EVERY_CHUNK,
    )


def _label_attributes(of_labels: dict[str, Any], label: Mapping[str, JSON]) -> dict[str, Any]:
    """Return the attributes of an OME-NGFF label image, with the levels of another one."""
    inner = of_labels.get("ome", of_labels)
    levels = [{**scale, "name": "classes"} for scale in inner["multiscales"]]
    version = {"version": inner["image-label"]["version"]} if "version" in inner["image-label"] else {}
    content = {"multiscales": levels, "image-label": {**label, "source": {"image": "../../"}, **version}}
    return {"ome": {"version": inner["version"], **content}} if "ome" in of_labels else content


# ---------------------------------------------------------------------------------------------------- into the output


def add_to_output(output: str, place: Path, stored: Iterable[tuple[str, str]]) -> None:
    """Name the classes in the metadata of a Zarr output, and add their files to its checksums.

    Called before the classes are renamed to their final path: a run that is killed in between is completed by the same
    steps.

    Parameters
    ----------
    output : path of the output
    place : where the classes were written
    stored : names below `place` and checksums of the chunks
    """
    root, final = Path(output), classes_path(output).relative_to(output).as_posix()
    own = dict(stored)
    own |= {
        path.relative_to(place).as_posix(): sum_of_file(path) for name in ALL_METADATA for path in place.rglob(name)
    }
    changed = {f"{final}/{name}": digest for name, digest in own.items()}
    if final == OME_CLASSES:
        changed |= _list_in_group(root)
    with (root / MANIFEST).open("rb") as lines:
        sums = {name: digest for name, digest in read_manifest(lines) if not name.startswith(f"{final}/")}
    content = "".join(f"{digest}  {name}\n" for name, digest in {**sums, **changed}.items())
    replace_file(root / MANIFEST, content.encode(), is_ours=partial(has_content_of_zarr, MANIFEST))


def _list_in_group(root: Path) -> dict[str, str]:
    """List the classes among the label images of an OME-Zarr; return the checksum of the changed file."""
    path = root / "labels" / ("zarr.json" if (root / "labels" / "zarr.json").is_file() else ".zattrs")
    document = json.loads(path.read_bytes())
    attributes = document.get("attributes", document)
    inner = attributes.get("ome", attributes)
    inner["labels"] = [*(name for name in inner["labels"] if name != "classes"), "classes"]
    content = json.dumps(document, indent=2).encode()
    replace_file(path, content, is_ours=is_zarr_metadata)
    return {path.relative_to(root).as_posix(): hashlib.sha256(content).hexdigest()}
