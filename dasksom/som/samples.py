"""Samples of a chunk: selection by mask and missing values, and weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

LARGEST = 1e150
"""Largest magnitude of a sample; sums of squares of larger ones overflow float64."""


NO_SAMPLES = "there is no sample to train on: all of them are masked, have the weight zero or are NaN"


@dataclass(frozen=True, eq=False)
class Samples:
    """The used samples of a chunk."""

    values: NDArray[Any]
    """Shape (n, bands), real, finite; with NaN for missing bands if these are allowed."""
    weights: NDArray[np.float64] | None
    """Weight of each sample, above 0, shape (n,); None: 1 each."""
    kept: NDArray[np.bool_] | None
    """Mask of these samples in the chunk; None: all."""

    def __len__(self) -> int:
        return len(self.values)

    def within(self, kept: NDArray[np.bool_] | None) -> "Samples":
        """Return the samples at some of their positions in the chunk."""
        if kept is None or kept is self.kept:
            return self
        here = kept if self.kept is None else kept[self.kept]
        return Samples(self.values[here], None if self.weights is None else self.weights[here], kept)


def take_samples(
    block: NDArray[Any], corner: tuple[int, ...], weights: NDArray[Any] | None = None, missing: str = "error"
) -> Samples:
    """Return the used samples of a chunk.

    Parameters
    ----------
    block : ndarray of shape (..., bands), real
    corner : tuple of int
        Index of the chunk's first element in the image, for error messages.
    weights : ndarray of shape (..., 1), optional
        bool: whether each sample is used; or real: its weight, 0 to exclude it.
    missing : str
        One of ``MISSING``. Samples without any valid band are skipped, or an error.

    Returns
    -------
    Samples
        Views of the chunk if all of its samples are used.

    Raises
    ------
    InputError
        If a used sample is infinite, too large to be squared, or NaN while that is an error; if a weight is negative
        or not finite.
    """
    values = block.reshape(-1, block.shape[-1])
    kept, amounts = _weighed(weights, corner)
    if values.dtype.kind == "f" and not _bounded(values):
        bad = np.isnan(values)
        absent = bad.all(axis=1) if missing == "bands" else bad.any(axis=1)
        if missing != "error" and absent.any():
            kept = ~absent if kept is None else kept & ~absent
        allowed = bad if missing != "error" else np.zeros_like(bad)
        wrong = ~(allowed | (np.abs(values) <= min(LARGEST, float(np.finfo(values.dtype).max))))
        if kept is not None:
            wrong &= kept[:, None]
        if wrong.any():
            raise InputError(_refusal(block, corner, int(np.flatnonzero(wrong)[0])))
    if kept is not None and kept.all():
        kept = None
    if kept is None:
        return Samples(values, amounts, None)
    return Samples(values[kept], None if amounts is None else amounts[kept], kept)


def without_missing(samples: Samples, missing: str) -> Samples:
    """Leave out samples whose converted values are missing.

    Parameters
    ----------
    samples : Samples
    missing : str
        One of ``MISSING``; "bands" only leaves out samples without any value.

    Raises
    ------
    InputError
        If a value is missing while that is an error.
    """
    absent = np.isnan(samples.values)
    left_out = absent.all(axis=1) if missing == "bands" else absent.any(axis=1)
    if not left_out.any():
        return samples
    if missing == "error":
        raise InputError(
            f"feature {int(np.flatnonzero(absent.any(axis=0))[0])} has no value at some pixels (a division by zero, or "
            "a logarithm or root of a negative number); missing='exclude' leaves such pixels out"
        )
    kept = np.ones(len(samples), np.bool_) if samples.kept is None else samples.kept.copy()
    kept[kept] = ~left_out
    return samples.within(kept)


def _bounded(values: NDArray[Any]) -> bool:
    return not len(values) or -LARGEST <= float(values.min()) <= float(values.max()) <= LARGEST


def _weighed(
    weights: NDArray[Any] | None, corner: tuple[int, ...]
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    if weights is None:
        return None, None
    if weights.dtype == np.bool_:
        return weights.reshape(-1), None
    amounts = weights.reshape(-1).astype(np.float64)
    wrong = ~((amounts >= 0) & (amounts < np.inf))
    if wrong.any():
        place = np.unravel_index(int(np.flatnonzero(wrong)[0]), weights.shape)
        at = tuple(int(start + here) for start, here in zip(corner, place, strict=True))[:-1]
        raise InputError(f"sample_weight: {weights[place]} at {at}; finite numbers of at least 0 are needed")
    return amounts > 0, amounts


def _refusal(block: NDArray[Any], corner: tuple[int, ...], position: int) -> str:
    bad = np.unravel_index(position, block.shape)
    place = tuple(int(start + at) for start, at in zip(corner, bad, strict=True))
    value = block[bad]
    found = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value} (too large)"
    return (
        f"the image contains {found} at pixel {place[:-1]}, band {place[-1]}; a map needs finite numbers up to "
        f"{LARGEST:g}. Mask such pixels (mask=), or replace them first, for example with dask.array.nan_to_num"
        + ("; missing='exclude' leaves out pixels with NaN" if np.isnan(value) else "")
    )


def place_numbers(
    shape: tuple[int, ...], corner: tuple[int, ...], leading: tuple[int, ...], seed: int
) -> NDArray[np.uint64]:
    """Return a random number for each sample of a chunk that depends only on its position in the image and the seed.

    Parameters
    ----------
    shape : tuple of int
        Shape of the chunk, without bands.
    corner : tuple of int
        Index of the chunk's first element in the image.
    leading : tuple of int
        Shape of the image, without bands.
    seed : int
        At least 0.

    Returns
    -------
    ndarray of shape (samples,), uint64, uniformly distributed

    Source: splitmix64 of Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    place = np.zeros(shape, np.uint64)
    for axis, (start, size) in enumerate(zip(corner, shape, strict=False)):
        at = np.arange(start, start + size, dtype=np.uint64) * np.uint64(np.prod(leading[axis + 1 :], dtype=np.uint64))
        place += at.reshape(-1, *(1,) * (len(leading) - 1 - axis))
    number = (place.reshape(-1) + np.uint64(seed + 1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        number = (number ^ (number >> np.uint64(shift))) * np.uint64(factor)
    return number ^ (number >> np.uint64(31))
