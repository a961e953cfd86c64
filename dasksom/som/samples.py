"""A chunk of an image as the samples that a map takes: which of them count, and how much."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

LARGEST = 1e150
"""Largest magnitude of a sample; sums of squares of larger ones leave the range of float64."""
MISSING = ("exclude", "bands", "error")
"""What becomes of samples with NaN: left out, compared by the bands that they have, or an error."""


NO_SAMPLES = "there is no sample to train on: all of them are masked, have the weight zero or are NaN"


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a chunk that count."""

    values: NDArray[Any]
    """Shape (n, bands), real, finite; with NaN for missing bands where they are allowed."""
    weights: NDArray[np.float64] | None
    """How much each counts, above 0, shape (n,); None: 1 each."""
    kept: NDArray[np.bool_] | None
    """Which of the chunk's samples these are; None: all."""

    def __len__(self) -> int:
        return len(self.values)


def take_samples(
    block: NDArray[Any], corner: tuple[int, ...], weights: NDArray[Any] | None = None, missing: str = "error"
) -> Samples:
    """Return the samples of a chunk that count.

    Parameters
    ----------
    block : ndarray of shape (..., bands), real
    corner : tuple of int
        Index of the chunk's first element in the image; errors tell places by it.
    weights : ndarray of shape (..., 1), optional
        bool: whether each sample counts; or real: how much, 0 for not at all.
    missing : str
        One of ``MISSING``. A sample without any band is always left out, unless that is an error.

    Returns
    -------
    Samples
        Views of the chunk where all of its samples count.

    Raises
    ------
    InputError
        If a sample that counts is infinite, or so large that its square is, or NaN where that is an error; if a weight
        is negative or not finite.
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
    """Return each sample of a chunk a random number that depends on its place in the image and the seed alone.

    Parameters
    ----------
    shape : tuple of int
        Of the chunk, without bands.
    corner : tuple of int
        Index of its first element.
    leading : tuple of int
        Shape of the image, without bands.
    seed : int
        At least 0.

    Returns
    -------
    ndarray of shape (samples,), uint64, spread evenly

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
