"""Pixels as planes, one per band: create them from labels, and halve them by nearest (labels) or mean (colors)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def look_up(labels: NDArray[np.unsignedinteger[Any]], table: NDArray[Any]) -> NDArray[Any]:
    """Convert labels to planes.

    Parameters
    ----------
    labels : ndarray of shape (height, width), unsigned
    table : ndarray of shape (units + 1, bands)
        The values of each label; the last row applies to all labels of `units` or more.

    Returns
    -------
    ndarray of shape (bands, height, width), of the table's dtype
    """
    planes = np.empty((table.shape[1], *labels.shape), table.dtype)
    flat = np.ascontiguousarray(labels).reshape(-1)
    _look_up(flat, _copyable(np.ascontiguousarray(table.T)), _copyable(planes.reshape(table.shape[1], -1)))
    return planes


def _copyable(array: NDArray[Any]) -> NDArray[Any]:
    """View an array with a dtype that compiled loops can copy: Numba does not support float16."""
    return array.view(np.uint16) if array.dtype == np.float16 else array


def interleave(planes: NDArray[Any], out: NDArray[Any]) -> None:
    """Copy planes (bands, height, width) to the first rows and columns of `out`, bands last, of the same dtype."""
    _interleave(_copyable(planes), _copyable(out))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _interleave(planes: Any, out: Any) -> None:
    bands, height, width = planes.shape
    for y in range(height):
        for x in range(width):
            for band in range(bands):
                out[y, x, band] = planes[band, y, x]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _look_up(labels: Any, table: Any, planes: Any) -> None:
    last = table.shape[1] - 1
    for band in range(len(table)):
        row, plane = table[band], planes[band]
        for i in range(len(labels)):
            plane[i] = row[min(np.int64(labels[i]), last)]


def halve_nearest(planes: NDArray[Any]) -> NDArray[Any]:
    """Return every second row and column, starting with the first.

    Parameters
    ----------
    planes : ndarray of shape (..., height, width)

    Returns
    -------
    ndarray of shape (..., ceil(height / 2), ceil(width / 2))
    """
    return np.ascontiguousarray(planes[..., ::2, ::2])


def halve_mean(
    planes: NDArray[Any], present: NDArray[np.bool_] | None = None, *, fill: Any = 0, avoid: bool = False
) -> NDArray[Any]:
    """Return the mean of each 2 x 2 pixels, of those that are present; integers are rounded, halves up.

    Parameters
    ----------
    planes : ndarray of shape (bands, height, width), real
    present : ndarray of shape (height, width), bool, optional
        False for pixels without data.
    fill : number
        Value if none of the four pixels is present.
    avoid : bool
        Replace a mean that equals `fill` by its neighbor, because readers would take it for no data.

    Returns
    -------
    ndarray of shape (bands, ceil(height / 2), ceil(width / 2)), of the same dtype
    """
    if planes.dtype == np.float16:  # not supported by Numba
        means = halve_mean(planes.astype(np.float32), present, fill=np.nan).astype(np.float16)
        absent = np.zeros(means.shape[1:], bool) if present is None else ~_any_of_four(present)
        if avoid:
            means[means == np.float16(fill)] = neighbor_of(fill, planes.dtype)
        means[:, absent] = fill
        return means
    bands, height, width = planes.shape
    out = np.empty((bands, (height + 1) // 2, (width + 1) // 2), planes.dtype)
    mask = np.empty((0, 0), np.bool_) if present is None else present
    # sums of four 64-bit integers may overflow; floats are exact enough for their mean
    wide = planes.dtype.kind == "f" or planes.dtype.itemsize == 8
    instead = neighbor_of(fill, planes.dtype) if avoid else planes.dtype.type(fill)
    (_mean_of_floats if wide else _mean_of_integers)(planes, mask, planes.dtype.type(fill), instead, out)
    return out


def neighbor_of(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the neighbor of a value within the range of its dtype; of 0, the smallest normal float."""
    if dtype.kind != "f":
        return dtype.type(int(value) + (-1 if int(value) == int(np.iinfo(dtype).max) else 1))
    number = dtype.type(value)
    if number == 0:
        return np.finfo(dtype).tiny  # processors may take smaller ones for 0
    return np.nextafter(number, dtype.type(np.inf if number < np.finfo(dtype).max else 0))


def _any_of_four(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = present.shape
    padded = np.pad(present, ((0, height % 2), (0, width % 2)))
    squares = padded.reshape((height + 1) // 2, 2, (width + 1) // 2, 2)
    present_squares: NDArray[np.bool_] = np.logical_or.reduce(squares, axis=(1, 3))
    return present_squares


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _mean_of_integers(planes: Any, present: Any, fill: Any, instead: Any, out: Any) -> None:
    bands, height, width = planes.shape
    for band in range(bands):
        plane, means = planes[band], out[band]
        if not present.size:
            for y in range(height // 2):
                upper, lower = plane[2 * y], plane[2 * y + 1]
                for x in range(width // 2):
                    total = (
                        np.int64(upper[2 * x]) + np.int64(upper[2 * x + 1]) + lower[2 * x] + np.int64(lower[2 * x + 1])
                    )
                    means[y, x] = (total + 2) >> 2
        for y in range(out.shape[1]):
            inside = 2 * y + 1 < height and not present.size
            first = width // 2 if inside else 0  # the rest: the odd row and column, or everything
            for x in range(first, out.shape[2]):
                total, count = np.int64(0), np.int64(0)
                for row in range(2 * y, min(2 * y + 2, height)):
                    for column in range(2 * x, min(2 * x + 2, width)):
                        if not present.size or present[row, column]:
                            total += np.int64(plane[row, column])
                            count += 1
                means[y, x] = (2 * total + count) // (2 * count) if count else np.int64(fill)
                if count and means[y, x] == fill:
                    means[y, x] = instead


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _mean_of_floats(planes: Any, present: Any, fill: Any, instead: Any, out: Any) -> None:
    bands, height, width = planes.shape
    whole = out.dtype.type(0.5) == 0  # 64-bit integers
    for band in range(bands):
        plane, means = planes[band], out[band]
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                total, count = 0.0, 0
                for row in range(2 * y, min(2 * y + 2, height)):
                    for column in range(2 * x, min(2 * x + 2, width)):
                        if not present.size or present[row, column]:
                            total += float(plane[row, column])
                            count += 1
                if not count:
                    means[y, x] = fill
                    continue
                means[y, x] = np.floor(total / count + 0.5) if whole else total / count
                if means[y, x] == fill:
                    means[y, x] = instead
