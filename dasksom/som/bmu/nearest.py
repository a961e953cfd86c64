"""The nearest unit of each sample, and the runner-up, in memory that does not grow with the samples.

In float32, samples and units are first shifted by the mean of the codebook and scaled by a power of two, in float64, so
that what they have in common (a black level, say) takes no digits from what tells them apart, and nothing overflows.
Then, for the Euclidean metric,

    |x - w|^2 = |x|^2 + 2 (|w|^2 / 2 - x.w)

is ordered by |w|^2 / 2 - x.w, one multiply-add per band. Its rounding is some 1e-7 of |x| |w|: units whose squared
distances differ by less may change places. In float64, the squared differences are added up band by band: the
definition itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_kernels import EXPANDED, group_size, ranker, to_unit_length
from dasksom.som.bmu.metrics import METRICS
from dasksom.som.bmu.pruned_search import UnitCells, arrange_cells, break_even, search_in_cells

PRECISIONS = ("float32", "float64")
"""What distances may be computed in."""
_BLOCK = 1 << 18
"""Values of samples converted together, where they must be."""
CELLS_BLOCK = 1 << 21
"""The same for samples that are sorted by cells, whose neighbors must be many."""
PROBE = 2048
"""Samples that are searched in cells to see whether that is worth while."""


@dataclass(frozen=True)
class _Search:
    """A codebook as the kernel wants it.

    Attributes
    ----------
    center : ndarray of shape (bands,), float64
    scale : float
        Samples are searched as ``(x - center) * scale``.
    panels : ndarray of shape (groups, bands, units of a group)
    start : ndarray of shape (groups, units of a group)
        What each unit's distances start at; infinite past the last unit.
    """

    center: NDArray[np.float64]
    scale: float
    panels: NDArray[Any]
    start: NDArray[Any]


def _arrange(units: NDArray[np.float64], handicap: NDArray[Any], dtype: np.dtype[Any], expanded: bool) -> _Search:
    """Cut a codebook into groups; `handicap` is what each unit's distances start at."""
    count, bands = units.shape
    center, scale = np.zeros(bands), 1.0
    if dtype == np.float32:
        center = units.mean(axis=0)
        away = units - center
        scale = float(np.ldexp(1.0, -np.clip(np.frexp(np.abs(away).max())[1], -1000, 1000)))
        units = away * scale
    size = group_size(dtype)
    groups = -(-count // size)
    padded, start = np.zeros((groups * size, bands), dtype), np.full(groups * size, np.inf, dtype)
    padded[:count] = units
    start[:count] = handicap * scale**2
    if expanded:
        start[:count] = (start[:count] + np.square(padded[:count], dtype=np.float64).sum(axis=1)) / 2
        np.negative(padded, out=padded)
    panels = np.ascontiguousarray(padded.reshape(groups, size, bands).transpose(0, 2, 1))
    return _Search(center, scale, panels, start.reshape(groups, size))


def _unit_length(vectors: NDArray[Any]) -> NDArray[np.float64]:
    out = np.empty(vectors.shape)
    to_unit_length(np.ascontiguousarray(vectors, np.float64), out)
    return out


def _check(samples: NDArray[Any], codebook: NDArray[np.float64], metric: str, precision: str, missing: bool) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r}: accepted are {', '.join(METRICS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: accepted are {', '.join(PRECISIONS)}")
    if missing and METRICS[metric].unit_length:
        raise ValueError(f"metric {metric!r}: missing bands leave a sample no length; mask it or take another metric")
    if samples.ndim != 2 or codebook.ndim != 2 or samples.shape[1] != codebook.shape[1]:
        raise ValueError(f"samples {samples.shape} and codebook {codebook.shape}: the numbers of bands must agree")


def _converted(samples: NDArray[Any], unit_length: bool) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Give samples in a type and layout that the kernel takes, and which of them are zero where that matters."""
    dtype = np.float32 if np.can_cast(samples.dtype, np.float32) else np.float64  # no more kinds to compile
    block: NDArray[Any] = np.ascontiguousarray(samples, dtype)
    zero = np.logical_not(block.any(axis=1)) if unit_length else None
    block = _unit_length(block) if unit_length else block.view()
    block.flags.writeable = False  # nor this one
    return block, zero


def _worthwhile_cells(samples: NDArray[Any], search: _Search, count: int, unit_length: bool) -> UnitCells | None:
    """Arrange a codebook in cells if that makes the search faster, as some of the samples show; labels are the same."""
    most = break_even(len(samples), samples.shape[1], count)
    if most < 0.1:
        return None
    cells = arrange_cells(search.panels, search.start, count)
    probe, _ = _converted(samples[:: max(1, len(samples) // PROBE)], unit_length)
    return cells if search_in_cells(probe, search.center, search.scale, cells)[1] <= most else None


def _rank_units(
    samples: NDArray[Any], codebook: NDArray[np.float64], metric: str, precision: str, missing: bool, ranks: int
) -> NDArray[Any]:
    """Return the nearest units of each sample, shape (ranks, n); all 0 where there is one unit."""
    _check(samples, codebook, metric, precision, missing)
    (count, bands), unit_length = codebook.shape, METRICS[metric].unit_length
    labels = np.zeros((ranks, len(samples)), np.min_scalar_type(count - 1))
    if count == 1:
        return labels
    units, handicap = np.ascontiguousarray(codebook, np.float64), np.zeros(count)
    if unit_length:
        handicap[~units.any(axis=1)] = 1.0  # |x - 0|^2 + 1 = 2 = |x - w|^2 where x and w are at right angles
        units = _unit_length(units)
    expanded = METRICS[metric] in (METRICS["euclidean"], METRICS["cosine"]) and precision == "float32" and not missing
    search = _arrange(units, handicap, np.dtype(precision), expanded)
    rank = ranker(EXPANDED if expanded else metric, missing, ranks)
    cells = _worthwhile_cells(samples, search, count, unit_length) if expanded and ranks == 1 else None
    rows = max(1, (_BLOCK if cells is None else CELLS_BLOCK) // bands)
    for begin in range(0, len(samples), rows):
        block, zero = _converted(samples[begin : begin + rows], unit_length)
        if cells is None:
            found = np.empty((ranks, len(block)), np.uint32)
            rank(block, search.center, search.scale, search.panels, search.start, found)
        else:
            found = search_in_cells(block, search.center, search.scale, cells)[0][np.newaxis]
        if zero is not None:  # as far from all units, but for rounding
            found[:, zero] = np.arange(ranks)[:, np.newaxis]
        labels[:, begin : begin + rows] = found
    return labels


def nearest_units(
    samples: NDArray[Any],
    codebook: NDArray[np.float64],
    *,
    metric: str = "euclidean",
    precision: str = "float32",
    missing: bool = False,
) -> NDArray[Any]:
    """Find the nearest unit of each sample; ties go to the lowest.

    A sample's label depends on the sample and the codebook alone, bit for bit: not on the samples around it, nor on
    threads. The GIL is released.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), any real type and layout
        Finite, except for what `missing` allows.
    codebook : ndarray of shape (units, bands), float64
        Finite.
    metric : str
        A name in `METRICS`.
    precision : {"float32", "float64"}
        What distances are computed in. In float32, labels differ from those of float64 only where two units are about
        equally near; Euclidean labels of float64 are those of the sum of squared differences, band by band.
    missing : bool
        Whether NaN in a sample stands for a missing band, that contributes nothing to its distances.

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.

    Raises
    ------
    ValueError
        If an option is not one of these, `missing` meets a metric of directions, or the bands disagree.

    Examples
    --------
    >>> nearest_units(np.array([[1, 2], [9, 9]]), np.array([[0.0, 0.0], [10.0, 10.0]]))
    array([0, 1], dtype=uint8)
    """
    first: NDArray[Any] = _rank_units(samples, codebook, metric, precision, missing, 1)[0]
    return first


def two_nearest_units(
    samples: NDArray[Any],
    codebook: NDArray[np.float64],
    *,
    metric: str = "euclidean",
    precision: str = "float32",
    missing: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the nearest unit of each sample, and the runner-up; ties go to the lowest, in both.

    Parameters and errors are those of `nearest_units`, and so is what is promised.

    Returns
    -------
    first, second : ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``. The second is the first where there is but one unit.
    """
    first, second = _rank_units(samples, codebook, metric, precision, missing, 2)
    return first, second
