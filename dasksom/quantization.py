"""Labels and reconstruction of an image, chunk by chunk, from a trained codebook."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.passes import Corner, Progress, Steps, chunk_steps, corner_of, map_chunks
from dasksom.som.bmu import find_bmus, measure
from dasksom.som.color_cells import are_colors
from dasksom.som.color_search import look_up_labels
from dasksom.som.quality import Quality, add_qualities
from dasksom.som.samples import samples_of

TABLE_PIXELS = 1 << 22
"""Images of 8-bit colors with at least this many pixels are labeled through a table of all 2^24 colors."""
Place = tuple[int, int]
"""(y, x) of a chunk's first pixel, or its (height, width)."""
Encoded = tuple[Place, Place, Any]
"""Corner and shape of a chunk, and what a sink made of its labels."""


class LabelSink(Protocol):
    """What takes the labels of a pass: part of it runs on the workers, part on the driver. Must be picklable."""

    def encode(self, labels: NDArray[Any], corner: Place) -> Any:
        """Take a chunk's labels, shape (rows, columns), on its worker; what this returns goes to `collect`."""

    def collect(self, encoded: Iterable[Encoded]) -> None:
        """Take (corner, shape, what `encode` returned) of every chunk, in row-major order, on the driver."""


def _label(block: NDArray[Any], corner: Corner, codebook: NDArray[np.float64], through_table: bool) -> NDArray[Any]:
    samples = samples_of(block, corner)
    # Both give the same labels: the table is filled with float64 distances, summed in the same order, ties to the
    # lowest unit.
    find = look_up_labels if through_table else find_bmus
    return find(samples, codebook).reshape(block.shape[:-1])


def _through_table(image: da.Array) -> bool:
    return are_colors(image.dtype, image.shape[-1]) and prod(image.shape[:-1]) >= TABLE_PIXELS


def _label_block(
    block: NDArray[Any],
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    codebook: NDArray[np.float64],
    through_table: bool,
) -> NDArray[Any]:
    return _label(block, (*corner_of(block_id, steps), 0), codebook, through_table)


def label_type(units: int) -> np.dtype[Any]:
    """Give the smallest unsigned type that holds the labels of so many units."""
    return np.dtype(np.min_scalar_type(units - 1))


def labels_of(image: da.Array, codebook: NDArray[np.float64]) -> da.Array:
    """Label every pixel with its best-matching unit, lazily.

    Parameters
    ----------
    image : dask array of shape (..., bands), real
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    dask array of shape (...)
        Unsigned, chunked as the image.
    """
    dtype = label_type(len(codebook))
    return image.map_blocks(
        _label_block,
        steps=chunk_steps(image.chunks[:-1]),
        codebook=codebook,
        through_table=_through_table(image),
        drop_axis=image.ndim - 1,
        dtype=dtype,
        meta=np.empty((0,) * (image.ndim - 1), dtype),
    )


def _colors_of_block(labels: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    colors: NDArray[Any] = palette[labels]
    return colors


def rebuild(labels: da.Array, palette: NDArray[Any]) -> da.Array:
    """Give every label its palette color, lazily.

    Parameters
    ----------
    labels : dask array of shape (...), unsigned
    palette : ndarray of shape (units, bands)

    Returns
    -------
    dask array of shape (..., bands) and the palette's type
    """
    bands = palette.shape[1]
    return labels.map_blocks(
        _colors_of_block,
        palette=palette,
        new_axis=labels.ndim,
        chunks=(*labels.chunks, (bands,)),
        dtype=palette.dtype,
        meta=np.empty((0,) * (labels.ndim + 1), palette.dtype),
    )


@dataclass(frozen=True)
class _Labeled:
    """Neighboring chunks of one pass: what the sink made of each, and their quality where it was measured."""

    encoded: tuple[Encoded, ...]
    quality: Quality | None


def _quantize_chunk(
    block: NDArray[Any],
    corner: Corner,
    codebook: NDArray[np.float64],
    sink: LabelSink,
    through_table: bool,
    measured: bool,
) -> _Labeled:
    labels = _label(block, corner, codebook, through_table)
    quality = None
    if measured:
        quality = Quality(*measure(samples_of(block, corner), labels.reshape(-1), codebook))
    place = corner[0], corner[1]
    return _Labeled(((place, (labels.shape[0], labels.shape[1]), sink.encode(labels, place)),), quality)


def _join(parts: Sequence[_Labeled]) -> _Labeled:
    measured = [part.quality for part in parts if part.quality is not None]
    return _Labeled(sum((part.encoded for part in parts), ()), add_qualities(measured) if measured else None)


def quantize_into(
    image: da.Array,
    codebook: NDArray[np.float64],
    sink: LabelSink,
    *,
    measured: bool = True,
    progress: Progress | None = None,
) -> Quality | None:
    """Label every pixel and hand the labels to a sink, in one pass and one task a chunk.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands), real
    codebook : ndarray of shape (units, bands), float64
    sink : LabelSink
        An image writer.
    measured : bool
        Whether to count hits and errors on the way; a caller that knows them already saves the time.
    progress : callable, optional

    Returns
    -------
    Quality, or None if not measured
    """
    qualities: list[Quality] = []

    def encoded() -> Iterator[Encoded]:
        windows = map_chunks(
            image,
            _quantize_chunk,
            _join,
            progress=progress,
            codebook=codebook,
            sink=sink,
            through_table=_through_table(image),
            measured=measured,
        )
        for window in windows:
            if window.quality is not None:
                qualities.append(window.quality)
            yield from window.encoded

    sink.collect(encoded())
    return add_qualities(qualities) if qualities else None
