"""The definition of distances and labels, in float64: plain loops, the reference for tests of the fast search.

A total starts at a unit's handicap (0, except for the cosine of zero vectors) and takes one step of the metric per
band, in the order of the bands. The nearest unit is the lowest unit with the least total. Loops process LANES samples
at a time, which compilers vectorize without reordering sums.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_kernels import pack_tile, write_totals
from dasksom.som.bmu.llvm_vectors import GROUP, LANES
from dasksom.som.choices import METRICS
from dasksom.som.numba_kernel import kernel


def _take_step(metric: str, total: Any, away: Any) -> Any:
    """Take one step of a metric, by name: kernels that close over a compiled function cannot be cached."""
    return METRICS[metric].step(total, away)


@overload(_take_step, prefer_literal=True)
def _overload_take_step(metric, total, away):  # type: ignore[no-untyped-def]
    if not isinstance(metric, types.StringLiteral):
        return None
    step = njit(METRICS[metric.literal_value].step)

    def take_step(metric, total, away):  # type: ignore[no-untyped-def]
        return step(total, away)

    return take_step


def _compiled(metric: str) -> Callable[..., Any]:
    """Return the compiler for loops with a metric; the disk cache only detects changes of built-in metrics."""
    return kernel if METRICS[metric].step.__module__.startswith("dasksom.") else njit(nogil=True)


@cache
def totals_kernel(metric: str, step: Any, missing: bool) -> Callable[..., None]:
    """Return the function that writes all totals of samples: ``measure(samples, units, handicap, out)``.

    `samples` are (n, bands), `units` (units, bands), `handicap` (units,) and `out` (n, units), all float64.
    `step` is the metric's step, passed so that changes of `METRICS` are compiled again.
    """

    def measure(samples: Any, units: Any, handicap: Any, out: Any) -> None:
        for i in range(samples.shape[0]):
            for k in range(units.shape[0]):
                total = handicap[k]
                for band in range(samples.shape[1]):
                    away = samples[i, band] - units[k, band]
                    if not missing or samples[i, band] == samples[i, band]:
                        total = _take_step(metric, total, away)
                out[i, k] = total

    return cast("Callable[..., None]", _compiled(metric)(measure))


@cache
def exact_kernel(metric: str, step: Any, missing: bool, ranks: int, filtered: str) -> Callable[..., None]:
    """Return the search in float64, to be compiled.

    Parameters
    ----------
    metric : str
        A name in `METRICS`.
    step : callable
        The metric's step, passed so that changes of `METRICS` are compiled again.
    missing : bool
        Whether bands that are NaN contribute nothing.
    ranks : int
        1 for the nearest unit, 2 for the two nearest units.
    filtered : str
        The kind of total of the float32 filter that selects the units to compare; "" to compare all.

    Returns
    -------
    callable
        ``search(samples, units, handicap, labels, filter)``: `samples` (n, bands), float32 or float64; `units` (units,
        bands) and `handicap` (units,), float64; `labels` (ranks, n), uint32, output; `filter` the tuple (center,
        scale, panels, start, limits) of `filter_kernel`.
    """

    def search(samples: Any, units: Any, handicap: Any, labels: Any, limiting: Any) -> None:
        n, bands = samples.shape
        rows, exact = np.empty((LANES, bands), samples.dtype), np.empty((bands, LANES))
        center, scale, panels, start, limits = limiting
        tiles, sizes = np.empty((1, bands, LANES), np.float32), np.empty((1, LANES), np.float32)
        totals, limit = np.empty((panels.shape[0] * GROUP, LANES), np.float32), np.empty(LANES, np.float32)
        near, total = np.ones(LANES, np.bool_), np.empty(LANES)
        least, best = np.empty((ranks, LANES)), np.empty((ranks, LANES), np.int64)
        for begin in range(0, n, LANES):
            in_tile = min(LANES, n - begin)
            for lane in range(LANES):
                for band in range(bands):
                    rows[lane, band] = samples[begin + min(lane, in_tile - 1), band]
                    exact[band, lane] = rows[lane, band]
            for r in range(ranks):
                least[r] = np.inf
                best[r] = r
            if filtered != "":
                pack_tile(filtered, missing, rows, 0, center, scale, tiles, 0, sizes)
                for group in range(panels.shape[0]):
                    write_totals(filtered, missing, tiles, 0, panels, start, group, totals)
                for lane in range(LANES):
                    limit[lane] = limits[begin + min(lane, in_tile - 1)]
            for k in range(units.shape[0]):
                if filtered != "":
                    count = 0
                    for lane in range(LANES):
                        near[lane] = not totals[k, lane] > limit[lane]  # NaN is near
                        count += near[lane]
                    if count == 0:
                        continue
                total[:] = handicap[k]
                for band in range(bands):
                    for lane in range(LANES):
                        away = exact[band, lane] - units[k, band]
                        next_total = _take_step(metric, total[lane], away)
                        if not missing or exact[band, lane] == exact[band, lane]:
                            total[lane] = next_total
                for lane in range(LANES):
                    if near[lane] and total[lane] < least[ranks - 1, lane]:
                        r = ranks - 1
                        if ranks == 2 and total[lane] < least[0, lane]:
                            least[1, lane] = least[0, lane]
                            best[1, lane] = best[0, lane]
                            r = 0
                        least[r, lane] = total[lane]
                        best[r, lane] = k
            for r in range(ranks):
                for i in range(in_tile):
                    labels[r, begin + i] = best[r, i]

    return cast("Callable[..., None]", _compiled(metric)(search))


@kernel
def _to_unit_length(vectors: Any, out: Any) -> None:
    """Divide each row by its Euclidean length, without overflow or underflow."""
    for i in range(vectors.shape[0]):
        largest, squares = 0.0, 0.0
        for band in range(vectors.shape[1]):
            largest = max(largest, abs(vectors[i, band]))
        largest = largest if largest > 0.0 else 1.0
        for band in range(vectors.shape[1]):
            share = vectors[i, band] / largest
            squares += share * share
        length = np.sqrt(squares) if squares > 0.0 else 1.0
        for band in range(vectors.shape[1]):
            out[i, band] = vectors[i, band] / largest / length


def unit_length(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Return vectors of shape (n, bands) divided by their lengths; zero vectors are unchanged."""
    out = np.empty(vectors.shape)
    _to_unit_length(np.ascontiguousarray(vectors, np.float64), out)
    return out


def zero_handicap(metric: str, units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the initial totals: 1 for zero vectors (cosine); |x - 0|^2 + 1 = 2 = |x - w|^2 for orthogonal x and w."""
    return np.where(METRICS[metric].unit_length & ~units.any(axis=1), 1.0, 0.0)


def exact_totals(
    samples: NDArray[np.float64], codebook: NDArray[np.float64], metric: str, missing: bool
) -> NDArray[np.float64]:
    """Return the total of each sample (n, bands) and each unit (units, bands): shape (n, units), float64."""
    units = np.ascontiguousarray(codebook, np.float64)
    handicap, out = zero_handicap(metric, units), np.empty((len(samples), len(units)))
    if METRICS[metric].unit_length:
        samples, units = unit_length(samples), unit_length(units)
    totals_kernel(metric, METRICS[metric].step, missing)(np.ascontiguousarray(samples), units, handicap, out)
    return out
