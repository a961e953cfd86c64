"""Counts of colors: lists of color numbers with their counts, computed from samples and merged."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.counted_colors.cells import color_numbers, type_of
from dasksom.som.numba_kernel import kernel

ColorCounts = tuple[NDArray[np.uint32], NDArray[Any]]
"""Ascending color numbers and the number of samples of each: uint32 for one chunk, int64 for more."""

FEW = 1 << 20
"""Up to this number of samples, sorting is faster than sweeping 2^24 counters."""
LISTS = 16
"""Number of lists that are merged at once."""
STRETCH = 1 << 14
"""Number of color numbers whose counts are merged at once: 128 KiB of counters, which stay in the cache."""


@kernel
def _count(samples: Any, numbers: Any, counts: Any, full: Any) -> int:
    """Count in 16 bits, so that more counters fit the cache; write each color whose counter overflows to `full`."""
    n, bands = samples.shape
    found = 0
    for i in range(n):
        if bands == 3:
            number = numbers[0, samples[i, 0]] | numbers[1, samples[i, 1]] | numbers[2, samples[i, 2]]
        else:
            number = numbers[0, samples[i, 0]]
            for band in range(1, bands):
                number |= numbers[band, samples[i, band]]
        count = np.uint16(counts[number] + np.uint16(1))
        counts[number] = count
        if count == 0:
            full[found] = number
            found += 1
    return found


@kernel
def _number(samples: Any, numbers: Any, out: Any) -> None:
    for i in range(samples.shape[0]):
        number = numbers[0, samples[i, 0]]
        for band in range(1, samples.shape[1]):
            number |= numbers[band, samples[i, band]]
        out[i] = number


@kernel
def _drain(counts: Any, first: int, colors: Any, amounts: Any, found: int) -> int:
    """Append the nonzero counts to `colors` and `amounts` from index `found`, reset them, and return the new end.

    The number of counts must be a multiple of 16: loops of known length are four times as fast.
    """
    for start in range(0, counts.size, 16):
        some = counts[start]
        for i in range(start + 1, start + 16):
            some |= counts[i]
        if some:
            for i in range(start, start + 16):  # branchless: about half of the counts are zero, unpredictably
                count = counts[i]
                colors[found] = first + i
                amounts[found] = count
                found += count != 0
                counts[i] = 0
    return found


_scratch = threading.local()


@kernel
def _count_line(values: Any, counts: Any) -> None:
    for i in range(values.size):
        counts[values[i]] += 1


def count_colors(samples: NDArray[Any]) -> ColorCounts:
    """Count how often each color occurs.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), of a type that is counted (`ColorType`), n < 2**32

    Returns
    -------
    numbers : ndarray of shape (colors,), uint32, ascending
    counts : ndarray of shape (colors,), uint32

    Notes
    -----
    Few samples of 8 bits are sorted. For more samples, each thread has one counter per possible color (32 MiB for three
    bands), which it reuses for its next chunk.
    """
    kind, bands = type_of(samples), samples.shape[1]
    if kind.is_line:
        times = np.zeros(kind.colors, np.uint32)
        _count_line(np.ascontiguousarray(samples).reshape(-1).view(np.uint16), times)
        values = np.flatnonzero(times)
        return values.astype(np.uint32), times[values]
    if len(samples) <= FEW:
        every = np.empty(len(samples), np.uint32)
        _number(samples, color_numbers(bands), every)
        every.sort()
        starts = np.flatnonzero(np.diff(every, prepend=~every[:1]))
        return every[starts], np.diff(starts, append=len(every)).astype(np.uint32)
    most = min(len(samples), kind.colors) + 1  # _drain writes one element past the end
    colors, amounts = np.empty(most, np.uint32), np.empty(most, np.uint32)
    full = np.empty((len(samples) >> 16) + 1, np.uint32)
    counters = _scratch.__dict__.setdefault("counters", {})
    # removed while in use: after an interrupt, the next chunk must not start from these counts
    counts = counters.pop(bands, None)
    if counts is None:
        counts = np.zeros(kind.colors, np.uint16)
    rounds = full[: _count(samples, color_numbers(bands), counts, full)]
    found = _drain(counts, 0, colors, amounts, 0)
    counters[bands] = counts
    return _with_rounds(_first(colors, found), _first(amounts, found), rounds)


def _with_rounds(colors: NDArray[np.uint32], amounts: NDArray[np.uint32], rounds: NDArray[np.uint32]) -> ColorCounts:
    """Add 2^16 to the counts of colors for each overflow of their 16-bit counters."""
    if len(rounds) == 0:
        return colors, amounts
    numbers, times = np.unique(rounds, return_counts=True)
    places = np.searchsorted(colors, numbers)
    missing = np.append(colors, np.uint32(2**32 - 1))[places] != numbers  # they occur a multiple of 2^16 times
    colors = np.insert(colors, places[missing], numbers[missing])
    amounts = np.insert(amounts, places[missing], 0)
    amounts[np.searchsorted(colors, numbers)] += (times << 16).astype(np.uint32)
    return colors, amounts


@kernel
def _merge(numbers: Any, amounts: Any, all_colors: int, colors: Any, counts: Any) -> int:
    """Merge ascending lists, one range of color numbers at a time; return the number of colors."""
    at = np.zeros(LISTS, np.int64)
    stretch = np.zeros(min(STRETCH, all_colors), np.int64)
    found = 0
    for first in range(0, all_colors, STRETCH):
        for part in range(LISTS):
            these, times = numbers[part], amounts[part]
            i = at[part]
            while i < these.size and these[i] < first + STRETCH:
                stretch[these[i] - first] += times[i]
                i += 1
            at[part] = i
        found = _drain(stretch, first, colors, counts, found)
    return found


def merge_counts(parts: Sequence[ColorCounts], all_colors: int) -> ColorCounts:
    """Merge lists of color counts; the result does not depend on the division of the samples.

    Parameters
    ----------
    parts : sequence of (numbers, counts), at least one
        As `count_colors` or this function returns them.
    all_colors : int
        Number of possible colors.

    Returns
    -------
    numbers : ndarray of shape (colors,), uint32, ascending
    counts : ndarray of shape (colors,), int64
    """
    if len(parts) == 1:
        return parts[0][0], parts[0][1].astype(np.int64)
    if len(parts) > LISTS:
        return merge_counts([merge_counts(parts[:LISTS], all_colors), *parts[LISTS:]], all_colors)
    most = min(sum(len(numbers) for numbers, _ in parts), all_colors) + 1
    colors, counts = np.empty(most, np.uint32), np.empty(most, np.int64)
    rest = [np.empty(0, np.uint32)] * (LISTS - len(parts))  # tuples of one length need one compiled kernel
    numbers = (*(numbers for numbers, _ in parts), *rest)
    dtype = np.result_type(*(counts for _, counts in parts))  # usually common to all: then nothing is copied
    amounts = tuple(part.astype(dtype, copy=False) for part in [*(counts for _, counts in parts), *rest])
    found = _merge(numbers, amounts, all_colors, colors, counts)
    return _first(colors, found), _first(counts, found)


def _first(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Shrink an unshared array to its first values; pages that were never written use no memory."""
    values.resize(count, refcheck=False)
    return values
