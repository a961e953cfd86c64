"""Write classes in one pass over the labels of an output; the image is not read."""

from pathlib import Path
from typing import Any

import dask
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress
from dasksom.classes.class_table import ClassTable
from dasksom.image import QuantizedImage
from dasksom.image.tiff.class_legends import Legend, create_class_tiff
from dasksom.image.writers.protocol import Output, Writer
from dasksom.image.zarr.class_writer import ClassWriter, create_classes
from dasksom.quantization.write_journal import WriteJournal
from dasksom.quantization.write_pass import WrittenChunks, write_chunks

TIFF_BLOCK = 4096
"""Rows and columns of a TIFF that a task writes."""


def _classify_chunk(block: NDArray[Any], corner: Corner, *, writer: Writer, table: NDArray[Any]) -> WrittenChunks:
    origin, labels = (corner[0], corner[1]), block[..., 0]
    encoded = writer.encode(np.take(table, labels, mode="clip"), origin)
    return WrittenChunks(((origin, (labels.shape[0], labels.shape[1]), encoded),))


def write_class_labels(
    result: QuantizedImage,
    table: ClassTable,
    place: Path,
    *,
    legend: Legend | None = None,
    resumed: bool = False,
    progress: Progress | None = None,
    journal: WriteJournal | None = None,
) -> None:
    """Write the class of every pixel of an output.

    Parameters
    ----------
    result : QuantizedImage
    table : ClassTable
    place : Path
        Where the classes are written: a TIFF, or an array or group of a Zarr.
    legend : Legend, optional
        Writes a TIFF; by default the classes of a Zarr are written.
    resumed : bool
        Whether chunks written by an earlier process may exist.
    progress : callable, optional
    journal : WriteJournal, optional
    """
    numbers = class_of_values(result, table)
    writer: Writer
    if legend is None:
        writer, blocks = _zarr_writer(result, table, numbers, place, resumed=resumed)
    else:
        blocks = TIFF_BLOCK, TIFF_BLOCK
        output = Output(
            place,
            *result.shape,
            blocks,
            legend.colors,
            {"classes": table.as_json()},
            resumed=resumed,
            geo_tags=result.place.geo_tags,
            pixel_size=result.place.pixel_size,
            unit=result.place.unit,
        )
        writer = create_class_tiff(output, legend)
    labels = result.stored[0].lazy(blocks)[..., np.newaxis]
    with dask.config.set(scheduler="threads"):
        write_chunks(
            labels,
            _classify_chunk,
            writer,
            label=tokenize(labels.chunks, numbers, result.model),
            progress=progress,
            journal=journal,
            table=numbers,
        )


def class_of_values(result: QuantizedImage, table: ClassTable) -> NDArray[np.unsignedinteger[Any]]:
    """Return the class of each label value of an output; the last one is that of all values beyond."""
    values = np.arange(result.offset + len(result.palette) + 1)
    numbers: NDArray[np.unsignedinteger[Any]] = table.of_labels(result.units_of(values))
    return numbers


def _zarr_writer(
    result: QuantizedImage, table: ClassTable, numbers: NDArray[Any], place: Path, *, resumed: bool
) -> tuple[ClassWriter, tuple[int, int]]:
    about = {"classes": table.as_json(), "meaning": "number of the class; 0 = no class"}
    colors = [{"label-value": number, "rgba": [*table.colors[number - 1].tolist(), 255]} for number in table.used]
    properties = [{"label-value": number, "name": table.names[number - 1]} for number in table.used]
    writer = create_classes(result.path, place, numbers, about, {"colors": colors, "properties": properties}, resumed)
    return writer, writer.blocks
