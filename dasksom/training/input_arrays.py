"""Convert input arrays to lazy images with weights."""

from collections.abc import Sequence
from contextlib import nullcontext
from math import ceil, prod
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError, InputTypeError
from dasksom.image.sources.dtypes_and_axes import is_data_array
from dasksom.image.sources.selection import COLUMNS, ROWS
from dasksom.som.choices import COLOR_SPACES

NUMPY_CHUNK_BYTES = 16 << 20
"""Maximum bytes of the chunks of arrays in memory."""
LEAST_CHUNKS, LEAST_CHUNK_BYTES = 4, 1 << 20
"""Number of chunks of smaller arrays, for several threads, and their minimum bytes.

Chunks must not depend on the number of threads, or the map would.
"""
LEAST_ROWS = 256
"""Minimum rows of the chunks of arrays in memory: each chunk takes time and memory for sums of all units."""


def as_image(X: Any) -> tuple[da.Array, da.Array | None]:
    """Return an array as a lazy image: each chunk has all bands and at least one sample.

    Parameters
    ----------
    X : array of shape (..., bands), real
        Dask, NumPy, or any input that scikit-learn accepts.

    Returns
    -------
    image : dask array of the same shape
    mask : dask array of shape (..., 1), bool, or None
        For masked arrays: True for samples with all bands valid.

    Raises
    ------
    InputError
        If it has no samples or no bands, or is not real.
    """
    if is_data_array(X):
        _check_last(X)
        X = X.data
    elif _is_lazy_frame(X):
        X = X.to_dask_array(lengths=True)
    if not isinstance(X, (da.Array, np.ndarray)) or X.dtype.kind not in "biufc":
        X = _numeric(X)
    _check_image(X)
    if isinstance(X, np.ndarray):
        count = max(ceil(X.nbytes / NUMPY_CHUNK_BYTES), min(LEAST_CHUNKS, X.nbytes // LEAST_CHUNK_BYTES), 1)
        count = min(count, ceil(X.size / X.shape[-1] / LEAST_ROWS), len(X))
        rows = ceil(len(X) / count)  # equal sizes, so that no thread waits long for another
        X = da.from_array(X, chunks=(rows, *X.shape[1:]), name=False, asarray=False)
    mask = None
    if isinstance(X._meta, np.ma.MaskedArray):
        mask = ~da.ma.getmaskarray(X).any(axis=-1, keepdims=True)
        X = da.ma.getdata(X)
    chunks = tuple(tuple(size for size in sizes if size) for sizes in X.chunks[:-1])
    if (*chunks, (X.shape[-1],)) != X.chunks:
        X = X.rechunk((*chunks, -1))
    return X, None if mask is None else mask.rechunk((*X.chunks[:-1], -1))


def _is_lazy_frame(X: Any) -> bool:
    """Return whether this is a dask data frame, whose package may not be installed."""
    return hasattr(X, "to_dask_array") and hasattr(X, "columns")


def named_columns(X: Any) -> Any:
    """Return an object with named columns for scikit-learn's checks; X itself if it has no band names."""
    if _is_lazy_frame(X):
        return X._meta
    if is_data_array(X) and X.dims and X.dims[-1] in X.indexes and X.indexes[X.dims[-1]].is_unique:
        return X.indexes[X.dims[-1]].to_series().to_frame().T
    return X


def _check_last(X: Any) -> None:
    """Raise InputError for a DataArray whose last dimension is spatial: the last dimension must be the bands."""
    last = str(X.dims[-1]) if X.dims else ""
    if last.lower() in (*ROWS, *COLUMNS):
        raise InputError(
            f"a DataArray of {', '.join(map(str, X.dims))}: the last dimension is that of the bands, and this one's is "
            f"{last!r}; dasksom.open_image(X) goes by the names, or transpose it"
        )


def _numeric(X: Any) -> NDArray[Any]:
    """Convert lists, data frames, object arrays and similar inputs to an array."""
    from sklearn.utils.validation import check_array  # slow to import, and only data frames and lists need it

    try:
        array: NDArray[Any] = check_array(
            X, dtype="numeric", allow_nd=True, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0
        )
    except TypeError as error:
        raise InputTypeError(str(error)) from error
    except ValueError as error:
        if isinstance(X, (list, tuple)) and any(getattr(one, "ndim", 0) > 1 for one in X):
            raise InputError(
                "a list of arrays of different shapes; several images are a list of dask arrays: "
                "[dask.array.from_array(image) for image in images]"
            ) from error
        raise InputError(str(error)) from error
    return array


def _check_image(image: Any) -> None:
    if image.ndim < 2:
        raise InputError(
            f"an array of shape {image.shape} has no samples and bands; give (height, width, bands) for an image or "
            "(n, bands) for a table. A single band is x[..., None] (Reshape your data)"
        )
    if image.dtype.kind == "c":
        raise InputError(f"Complex data not supported: an array of {image.dtype}; give its real and imaginary parts")
    if image.dtype.kind not in "uif" or image.dtype.itemsize > 8:
        advice = {"b": ", for example x.astype('uint8')", "f": ", for example x.astype('float64')"}
        raise InputError(
            f"an array of {image.dtype}; a map takes integers or floating point numbers of at most 64 bits"
            f"{advice.get(image.dtype.kind, '')}"
        )
    if any(np.isnan(size) for size in image.shape):
        raise InputError("the array's chunk sizes are unknown; call x.compute_chunk_sizes() first")
    if prod(image.shape) == 0:
        samples, bands = prod(image.shape[:-1]), image.shape[-1]
        raise InputError(
            f"an array that holds no samples: {samples} sample(s) of {bands} feature(s) (shape=({samples}, {bands})) "
            "while a minimum of 1 is required."
        )


def as_weights(
    image: da.Array, mask: Any = None, sample_weight: Any = None, also: da.Array | None = None
) -> da.Array | None:
    """Return the weights of the samples as an array in the image's chunks.

    Parameters
    ----------
    image : dask array of shape (..., bands)
    mask : array of shape (...), bool, optional
        True for samples to use.
    sample_weight : array of shape (...), real, optional
        Weight of each sample.
    also : dask array of shape (..., 1), bool, optional
        Another mask, as returned by `as_image`.

    Returns
    -------
    dask array of shape (..., 1), bool or float64; None if all samples have equal weight

    Raises
    ------
    InputError
        If a shape or a dtype does not match.
    """
    counts = also
    if mask is not None:
        given = _beside(image, mask, "mask")
        if given.dtype != np.bool_:
            raise InputError(f"mask: True where a sample counts, so of bool; got {given.dtype}, say mask != 0")
        counts = given if counts is None else counts & given
    if sample_weight is None:
        return counts
    weights = _beside(image, sample_weight, "sample_weight")
    if weights.dtype.kind not in "buif":
        raise InputError(f"sample_weight: numbers of at least 0 are needed; got {weights.dtype}")
    weights = weights.astype(np.float64)
    return weights if counts is None else da.where(counts, weights, 0.0)


def check_bands(image: da.Array, bands: int, color_space: str = "rgb") -> None:
    """Check that an image has the bands of a map, and those that a color space needs.

    Raises
    ------
    InputError
    """
    if image.shape[-1] != bands:
        raise InputError(
            f"X has {image.shape[-1]} features, but BatchSOM is expecting {bands} features as input: the bands, in the "
            "last axis"
        )
    space = COLOR_SPACES[color_space]
    if space is not None and bands != space.bands:
        kind = "three bands of sRGB" if space.bands == 3 else "bands of sRGB and opacity (--alpha band)"
        raise InputError(
            f"color_space={color_space!r} is for the {kind}; X has {bands}: use color_space='rgb', which compares the "
            "bands as they are"
        )


def check_types(images: Sequence[da.Array]) -> None:
    """Check that all images have the same dtype.

    Raises
    ------
    InputError
    """
    types = sorted({str(image.dtype) for image in images})
    if len(types) > 1:
        raise InputError(f"images of {' and '.join(types)}: one map is trained on one type; convert them to one")


def _beside(image: da.Array, given: Any, name: str) -> da.Array:
    if not isinstance(given, da.Array):
        given = np.asarray(given)
        if name == "sample_weight" and given.ndim == 0 and given.dtype.kind in "buif":
            given = np.full(image.shape[:-1], given)
        given = da.from_array(given, chunks=-1) if given.ndim else da.asarray(given)
    if given.shape != image.shape[:-1]:
        raise InputError(
            f"{name}: one value for each sample is needed, so the shape {image.shape[:-1]}; got {given.shape}"
        )
    beside = given.rechunk(image.chunks[:-1])
    # given[..., None] would not be fused with the task that reads the chunk
    return da.map_blocks(
        np.expand_dims,
        beside,
        axis=-1,
        new_axis=beside.ndim,
        chunks=(*beside.chunks, (1,)),
        meta=np.empty((0,) * image.ndim, beside.dtype),
    )


def several(X: Any) -> bool:
    """Return whether these are several images: a list of dask arrays."""
    return isinstance(X, (list, tuple)) and bool(X) and all(isinstance(one, da.Array) for one in X)


def is_lazy(X: Any) -> bool:
    """Return whether this is an array or a data frame of dask, or a DataArray or Dataset of some."""
    if hasattr(X, "data_vars"):
        return any(is_lazy(variable) for variable in X.data_vars.values())
    return _is_lazy_frame(X) or isinstance(X.data if is_data_array(X) else X, da.Array)


def computing(X: Any) -> Any:
    """Return the context for computing an array: this process's threads for arrays in its memory."""
    return nullcontext() if is_lazy(X) or several(X) else dask.config.set(scheduler="threads")
