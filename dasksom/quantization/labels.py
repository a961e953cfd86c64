"""Label the pixels of an image with the units of a trained codebook; lazy labels, colors and distances."""

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Steps, chunk_steps, corner_of
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.som.bmu.search import Search
from dasksom.som.choices import DITHERED_BANDS, DITHERS
from dasksom.som.counted_colors.cells import ColorType
from dasksom.som.counted_colors.lookup_table import look_up_labels
from dasksom.som.samples import Samples

_dither_offsets = deferred("dasksom.som.dithering:dither_offsets")
_dithered = deferred("dasksom.som.dithering:dithered")
TABLE_PIXELS = 1 << 22
"""Images with at least this number of pixels, or as many as there are possible colors, are labeled with a table."""


def uses_table(image: da.Array) -> bool:
    """Return whether labels of an image without features are looked up in a table of all colors."""
    kind = ColorType(image.dtype, image.shape[-1])
    return kind.is_counted and prod(image.shape[:-1]) >= min(TABLE_PIXELS, kind.colors)


def check_dither(name: str, image: da.Array) -> None:
    """Check that a dithering is known, and that the image can be dithered.

    Raises
    ------
    InputError
    """
    if name not in DITHERS:
        raise InputError(f"dither: {name!r} is not one of {', '.join(DITHERS)}")
    if name != "none" and (image.ndim != 3 or image.shape[-1] not in DITHERED_BANDS):
        raise InputError(
            "dither: images of gray or of three colors can be dithered, of shape (rows, columns, 1 or 3); this one has "
            f"the shape {image.shape}: leave it out"
        )


@dataclass(frozen=True, eq=False)
class Labeling:
    """Parameters of labeling; sent to the workers."""

    codebook: NDArray[np.float64]
    """Shape (units, bands or features), float64, in the search's color space or features."""
    search: Search = field(default_factory=Search)
    colors: NDArray[np.float64] | None = None
    """The same units in the units of the image, shape (units, bands); None: the codebook."""
    dither: NDArray[Any] | None = None
    """Offsets added to pixels before the search, by position (`dither_offsets`); None: no dithering."""

    def dithering(self, name: str, image: da.Array) -> "Labeling":
        """Return a copy that dithers images of this dtype.

        Parameters
        ----------
        name : str
            One of ``dasksom.som.choices.DITHERS``.
        image : dask array of shape (rows, columns, bands)

        Raises
        ------
        InputError
            As raised by `check_dither`.
        """
        check_dither(name, image)
        if name == "none":
            return self
        if self.search.features is not None and self.search.features.blur:
            raise InputError("dither: spreads pixels as they are, and this map compares blurred ones; leave it out")
        colors = self.codebook if self.colors is None else self.colors
        return replace(self, dither=_dither_offsets(colors, image.dtype))

    def through_table(self, image: da.Array) -> bool:
        """Return whether an image's labels are looked up in a table of all colors."""
        features = self.search.features
        has_labels = features is None or features.is_total(image.dtype)
        return has_labels and uses_table(image)

    def labels(
        self, block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None, through_table: bool
    ) -> tuple[NDArray[Any], Samples]:
        """Label a chunk.

        Returns
        -------
        labels : ndarray of shape (...), unsigned
            Unit numbers; the number of units for samples that are not used.
        samples : Samples
            The used samples, unconverted; without those that have no features.
        """
        samples = sought = self.search.take(block, corner, weights)
        if self.dither is not None:
            moved = _dithered(block, corner, self.dither).reshape(-1, block.shape[-1])
            sought = replace(samples, values=moved if samples.kept is None else moved[samples.kept])
        if through_table:
            found = look_up_labels(sought.values, self.codebook, self.search)
        else:
            converted = self.search.convert(sought, block.dtype)
            found = self.search.best(converted, self.codebook)
            samples = samples.within(converted.kept)
        if samples.kept is None:
            return found.reshape(block.shape[:-1]), samples
        units = len(self.codebook)
        labels = np.full(len(samples.kept), units, np.min_scalar_type(units))
        labels[samples.kept] = found
        return labels.reshape(block.shape[:-1]), samples


def _label_block(
    block: NDArray[Any],
    *weights: NDArray[Any],
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    labeling: Labeling,
    through_table: bool,
) -> NDArray[Any]:
    labels, samples = labeling.labels(
        block, (*corner_of(block_id[: len(steps)], steps), 0), weights[0] if weights else None, through_table
    )
    signed = labels.astype(np.int32)
    if samples.kept is not None:
        signed[labels == len(labeling.codebook)] = -1
    return signed


def labels_of(image: da.Array, labeling: Labeling, weights: da.Array | None = None) -> da.Array:
    """Label every pixel with its best-matching unit, lazily.

    Parameters
    ----------
    image : dask array of shape (..., bands), real
    labeling : Labeling
    weights : dask array of shape (..., 1), bool or real, optional

    Returns
    -------
    dask array of shape (...)
        int32, chunked as the image; -1 for pixels without data.
    """
    dtype = np.dtype(np.int32)
    return da.map_blocks(
        _label_block,
        image,
        *([] if weights is None else [weights]),
        steps=chunk_steps(image.chunks[:-1]),
        labeling=labeling,
        through_table=labeling.through_table(image),
        drop_axis=image.ndim - 1,
        dtype=dtype,
        meta=np.empty((0,) * (image.ndim - 1), dtype),
    )


def _rebuild_block(
    block: NDArray[Any],
    *weights: NDArray[Any],
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    labeling: Labeling,
    through_table: bool,
    palette: NDArray[Any],
) -> NDArray[Any]:
    labels, samples = labeling.labels(
        block, (*corner_of(block_id[: len(steps)], steps), 0), weights[0] if weights else None, through_table
    )
    colors: NDArray[Any] = np.take(palette, labels, axis=0, mode="clip")
    if samples.kept is not None:
        left_out = labels == len(palette)
        colors[left_out] = block[left_out]
    return colors


def rebuild(image: da.Array, labeling: Labeling, palette: NDArray[Any], weights: da.Array | None = None) -> da.Array:
    """Replace every pixel with the palette color of its best-matching unit, lazily.

    Parameters
    ----------
    image : dask array of shape (..., bands), real
    labeling : Labeling
    palette : ndarray of shape (units, bands)
    weights : dask array of shape (..., 1), bool or real, optional

    Returns
    -------
    dask array of shape (..., bands) and the palette's type
        Pixels that are not used are unchanged.
    """
    return da.map_blocks(
        _rebuild_block,
        image,
        *([] if weights is None else [weights]),
        steps=chunk_steps(image.chunks[:-1]),
        labeling=labeling,
        through_table=labeling.through_table(image),
        palette=palette,
        dtype=palette.dtype,
        meta=np.empty((0,) * image.ndim, palette.dtype),
    )


def _distances_block(
    block: NDArray[Any], block_id: tuple[int, ...], steps: tuple[Steps, ...], labeling: Labeling
) -> NDArray[np.float64]:
    labeling.search.take(block, (*corner_of(block_id[: len(steps)], steps), 0))  # raises for invalid values
    values = block.reshape(-1, block.shape[-1])
    return labeling.search.distances(values, labeling.codebook).reshape(*block.shape[:-1], -1)


def distances_to(image: da.Array, labeling: Labeling) -> da.Array:
    """Return every pixel's distance to every unit, lazily.

    Returns
    -------
    dask array of shape (..., units), float64
        NaN for pixels with NaN, unless missing bands are allowed.
    """
    units = len(labeling.codebook)
    return image.map_blocks(
        _distances_block,
        steps=chunk_steps(image.chunks[:-1]),
        labeling=labeling,
        chunks=(*image.chunks[:-1], (units,)),
        dtype=np.float64,
        meta=np.empty((0,) * image.ndim, np.float64),
    )
