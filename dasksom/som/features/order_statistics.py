"""Exact order statistics of any number of values, by radix selection.

Values become unsigned integers of the same order. Each pass counts, for every band, the next 16 bits of the keys that
begin with the bits found so far: one pass for types of 8 and 16 bits, two for 32 and four for 64. Counts are integers,
so the result does not depend on the chunks or on the order in which they are counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel

_BLOCK = 1 << 14
_DIGIT_BITS = 16


@dataclass(frozen=True, eq=False)
class Digit:
    """Which bits of the keys a pass counts."""

    prefixes: NDArray[np.uint64]
    """Bits before these that a key must have, shape (bands, prefixes); only the first of equal ones is counted."""
    shift: int
    """Number of bits after these."""
    is_first: bool
    """Whether there are no bits before these."""
    positive: bool
    """Whether only values above 0 are counted."""


def digit_passes(dtype: np.dtype[Any]) -> int:
    """Return the passes over all values that select their percentiles."""
    return max(1, dtype.itemsize * 8 // _DIGIT_BITS)


def digit_bytes(dtype: np.dtype[Any], bands: int, percentiles: int) -> int:
    """Return the largest number of bytes of the counts of one chunk."""
    prefixes = 1 if digit_passes(dtype) == 1 else 2 * percentiles
    return bands * prefixes * 8 << min(_DIGIT_BITS, 8 * dtype.itemsize)


def order_keys(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Return integers in the order of the values; NaN is the largest."""
    dtype, bits = values.dtype, 8 * values.dtype.itemsize
    if dtype.kind == "u":
        return values.astype(np.uint64)
    raw: NDArray[Any] = np.ascontiguousarray(values).view(np.dtype(f"u{dtype.itemsize}"))
    top = raw.dtype.type(1 << (bits - 1))
    if dtype.kind == "i":
        return np.asarray(raw ^ top, np.uint64)
    keys: NDArray[Any] = np.where(raw & top, ~raw, raw | top)
    keys[np.isnan(values)] = np.iinfo(raw.dtype).max
    return np.asarray(keys, np.uint64)


def values_of_keys(keys: NDArray[np.uint64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Undo `order_keys`; values as float64."""
    raw = keys.astype(np.dtype(f"u{dtype.itemsize}"))
    top = raw.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "i":
        raw = raw ^ top
    elif dtype.kind == "f":
        raw = np.where(raw & top, raw ^ top, ~raw)
    return raw.view(dtype).astype(np.float64)


@kernel
def _count_digits(
    keys: Any,
    times: Any,
    is_float: Any,
    missing: Any,
    lowest: Any,
    prefixes: Any,
    shift: Any,
    is_first: Any,
    counts: Any,
) -> None:
    last = np.uint64(counts.shape[2] - 1)
    for i in range(keys.shape[0]):
        for band in range(keys.shape[1]):
            key = keys[i, band]
            if (is_float and key == missing) or key < lowest:
                continue
            digits = key >> shift
            for number in range(prefixes.shape[1]):
                if is_first or (digits >> np.uint64(16)) == prefixes[band, number]:
                    counts[band, number, digits & last] += 1 if times is None else times[i]
                    break


def count_digits(values: NDArray[Any], digit: Digit, times: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Count the bits of a pass in samples.

    Parameters
    ----------
    values : ndarray of shape (n, bands), real
        NaN is not counted.
    digit : Digit
    times : ndarray of shape (n,), int64, optional
        How often each sample is counted; by default once.

    Returns
    -------
    ndarray of shape (bands, prefixes, 256 or 65536), int64
    """
    dtype = values.dtype
    counts = np.zeros((*digit.prefixes.shape, 1 << min(_DIGIT_BITS, 8 * dtype.itemsize)), np.int64)
    missing = np.uint64((1 << 8 * dtype.itemsize) - 1)  # the key of NaN
    zero = order_keys(np.zeros(1, dtype))[0]
    lowest = zero + np.uint64(1) if digit.positive else np.uint64(0)
    for start in range(0, len(values), _BLOCK):
        part = slice(start, start + _BLOCK)
        _count_digits(
            order_keys(values[part]),
            None if times is None else times[part],
            dtype.kind == "f",
            missing,
            lowest,
            digit.prefixes,
            np.uint64(digit.shift),
            digit.is_first,
            counts,
        )
    return counts


def select_percentiles(
    count: Callable[[Digit], NDArray[np.int64]],
    dtype: np.dtype[Any],
    bands: int,
    percentiles: Sequence[float],
    positive: bool = False,
    transformed: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda values: values,
) -> tuple[NDArray[np.float64], ...]:
    """Return percentiles of each band: those of `numpy.percentile` (method "linear") of the values as float64.

    Parameters
    ----------
    count : callable (Digit) -> counts
        Counts the bits of a pass in all samples; see `count_digits`.
    dtype : dtype of the values
    bands : int
    percentiles : sequence of float, from 0 to 100
    positive : bool
        Whether only values above 0 are used.
    transformed : callable, optional
        An increasing function of the values, of which the percentiles are returned.

    Returns
    -------
    tuple of ndarray of shape (bands,), float64
        NaN for bands without values.
    """
    bits = 8 * dtype.itemsize
    width, shift = min(bits, _DIGIT_BITS), bits - min(bits, _DIGIT_BITS)
    counts = count(Digit(np.zeros((bands, 1), np.uint64), shift, True, positive))
    total = counts.sum(axis=(1, 2))
    index = np.maximum(total - 1, 0)[:, None] * (np.array(percentiles, np.float64) / 100)
    below = np.floor(index).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(total - 1, 0)[:, None])
    left = np.concatenate([below, above], axis=1)  # ranks among the keys with the prefix
    prefix = np.zeros(left.shape, np.uint64)
    prefix, left = _next_digits(prefix, left, np.zeros((bands, 1), np.uint64), counts, width)
    while shift:
        shift -= width
        prefixes = _distinct(prefix)
        prefix, left = _next_digits(prefix, left, prefixes, count(Digit(prefixes, shift, False, positive)), width)
    found = transformed(values_of_keys(prefix, dtype).T).T
    low, high = np.split(found, 2, axis=1)
    share = index - below
    between = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    between[total == 0] = np.nan
    return tuple(between.T)


def _distinct(prefix: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the distinct prefixes of each band; repeated where a band has fewer than others."""
    distinct = [np.unique(row) for row in prefix]
    most = max(map(len, distinct))
    return np.array([np.resize(row, most) for row in distinct], np.uint64)


def _next_digits(
    prefix: NDArray[np.uint64],
    left: NDArray[np.int64],
    prefixes: NDArray[np.uint64],
    counts: NDArray[np.int64],
    width: int,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the prefixes of the ranks with one more digit, and the ranks among the keys with these."""
    longer, rest = np.zeros_like(prefix), left.copy()
    for band, rank in np.ndindex(*prefix.shape):
        number = int(np.flatnonzero(prefixes[band] == prefix[band, rank])[0])
        up_to = np.cumsum(counts[band, number])
        digit = min(int(np.searchsorted(up_to, left[band, rank], side="right")), len(up_to) - 1)
        longer[band, rank] = (int(prefix[band, rank]) << width) | digit
        rest[band, rank] -= int(up_to[digit - 1]) if digit else 0
    return longer, rest
