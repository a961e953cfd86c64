"""The nearest and second-nearest unit of each sample, in memory independent of the number of samples.

A label is always the float64 nearest unit (defined in `dasksom.som.bmu.exact_search`). A float32 filter
(`dasksom.som.bmu.llvm_kernels`) finds candidates, `dasksom.som.bmu.rounding` proves which of them rounding cannot
change, and the remaining candidates are compared in float64.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.som.bmu.exact_search import exact_kernel, unit_length, zero_handicap
from dasksom.som.bmu.llvm_kernels import filter_kernel
from dasksom.som.bmu.llvm_vectors import GROUP, LANES
from dasksom.som.bmu.metrics import add_square
from dasksom.som.bmu.rounding import EXPANDED, FilterUnits, arrange_units, break_even, distinct_units, rounding_bound
from dasksom.som.choices import METRICS, PRECISIONS

if TYPE_CHECKING:
    from dasksom.som.bmu.unit_cells import UnitCells

_arrange_cells = deferred("dasksom.som.bmu.unit_cells:arrange_cells")
_search_in_cells = deferred("dasksom.som.bmu.pruned_search:search_in_cells")
_device_units = deferred("dasksom.som.gpu.array_search:DeviceUnits")
_nearest_on_device = deferred("dasksom.som.gpu.array_search:nearest_on_device")
_BLOCK = 1 << 18
"""Number of sample values converted at once, if a conversion is needed."""
_CELLS_BLOCK = 1 << 21
"""The same for samples that are sorted by cells; more samples make neighbors closer."""
_DEVICE_BLOCK = 1 << 25
"""Number of sample values sent to a device at once."""
_PROBE = 2048
"""Number of samples searched in cells to measure whether that is faster."""


@dataclass(frozen=True, eq=False)
class NearestSearch:
    """The search for the nearest units of a codebook by a metric.

    Raises
    ------
    ValueError
        If the metric is unknown, or `missing` is used with a metric of directions.
    """

    codebook: NDArray[np.float64]
    """Shape (units, bands), finite."""
    metric: str = "euclidean"
    precision: str = "float32"
    """float32 to use the filter, float64 to skip it; labels are the same."""
    missing: bool = False
    ranks: int = 1
    arrays: Any = None
    """Module of the arrays of a device, such as cupy; None for the kernels of the CPU. Labels are the same."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r}: accepted are {', '.join(METRICS)}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r}: accepted are {', '.join(PRECISIONS)}")
        if self.missing and self._directions:
            raise ValueError(
                f"metric {self.metric!r}: missing bands leave a sample no length; mask it or take another metric"
            )

    @property
    def _directions(self) -> bool:
        return METRICS[self.metric].unit_length

    @cached_property
    def _kept(self) -> NDArray[np.int64]:
        return distinct_units(self.codebook, self.ranks)

    @cached_property
    def _different(self) -> NDArray[np.float64]:
        kept = self._kept
        units = self.codebook if len(kept) == len(self.codebook) else self.codebook[kept]
        return np.ascontiguousarray(units, np.float64)

    @cached_property
    def _handicap(self) -> NDArray[np.float64]:
        return zero_handicap(self.metric, self._different)

    @cached_property
    def _units(self) -> NDArray[np.float64]:
        return unit_length(self._different) if self._directions else self._different

    @cached_property
    def _step(self) -> str:
        return EXPANDED if METRICS[self.metric].step is add_square and not self.missing else self.metric

    @cached_property
    def _filter(self) -> FilterUnits | None:
        bound = rounding_bound(self._step, self.codebook.shape[1]) if self.precision == "float32" else None
        return None if bound is None else arrange_units(self._units, self._handicap, bound, self._step == EXPANDED)

    @cached_property
    def _device(self) -> Any:
        """The codebook as a device searches it; None if the processor does."""
        if self.arrays is None or self._filter is None or self._step != EXPANDED:
            return None
        return _device_units(self._units, self._handicap, self._filter)

    def converted(self, samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return samples in a type and layout that the kernels accept, and which of them have no direction."""
        dtype = np.float32 if np.can_cast(samples.dtype, np.float32) else np.float64  # to compile for two types only
        block: NDArray[Any] = np.ascontiguousarray(samples, dtype)
        zero = np.logical_not(block.any(axis=1)) if self._directions else None
        block = unit_length(block) if self._directions else block.view()
        block.flags.writeable = False  # nor for writeable arrays
        return block, zero

    def _cells(self, samples: NDArray[Any]) -> "UnitCells | None":
        """Arrange the codebook in cells if that makes the search faster, as measured on some of the samples."""
        if self._filter is None or self._step != EXPANDED or self.ranks > 1:
            return None
        most = break_even(len(samples), samples.shape[1], len(self._kept))
        if most < 0.1:
            return None
        cells: UnitCells = _arrange_cells(self._filter.panels, self._filter.start, len(self._kept), self._filter.bound)
        probe, _ = self.converted(samples[:: max(1, len(samples) // _PROBE)])
        return cells if _search_in_cells(probe, self._filter.center, self._filter.scale, cells).share <= most else None

    def _filtered(self, block: NDArray[Any], cells: "UnitCells | None", labels: NDArray[np.uint32]) -> tuple[Any, Any]:
        """Write the labels found by the filter; return the unsettled samples and their limits."""
        known = self._filter
        if known is None:
            return np.arange(len(block)), np.empty(len(block), np.float32)
        if self._device is not None:
            labels[:] = _nearest_on_device(self.arrays, block, self._device, self.ranks)
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if cells is not None:
            found = _search_in_cells(block, known.center, known.scale, cells)
            labels[0], limits, settled = found.labels, found.limits, found.settled
        else:
            tiles = -(-len(block) // LANES)
            by_tile, bits = np.empty((tiles, LANES), np.float32), np.empty(tiles, np.uint16)
            search = filter_kernel(self._step, self.missing, self.ranks)
            search(block, known.center, known.scale, known.panels, known.start, known.bound, labels, by_tile, bits)
            limits = by_tile.reshape(-1)
            settled = np.unpackbits(bits.view(np.uint8), bitorder="little")[: len(block)].view(np.bool_)
        left_open = np.flatnonzero(~settled)
        return left_open, limits[left_open]

    def _exact(self, samples: NDArray[Any], limits: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Return the labels of samples that the filter did not settle, shape (ranks, n)."""
        block, _ = self.converted(samples)
        known, filtered = self._filter, "" if self._filter is None else self._step
        if known is None:
            no_panels, no_start = np.empty((0, 0, GROUP), np.float32), np.empty((0, GROUP), np.float32)
            shift: tuple[Any, ...] = np.empty(0), 1.0, no_panels, no_start
        else:
            shift = known.center, known.scale, known.panels, known.start
        labels = np.empty((self.ranks, len(block)), np.uint32)
        search = exact_kernel(self.metric, METRICS[self.metric].step, self.missing, self.ranks, filtered)
        search(block, self._units, self._handicap, labels, (*shift, limits))
        return labels

    def labels(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return the nearest units of each sample: shape (ranks, n), smallest unsigned type that holds them."""
        count, bands = self.codebook.shape
        if samples.ndim != 2 or samples.shape[1] != bands:
            raise ValueError(
                f"samples {samples.shape} and codebook {self.codebook.shape}: the numbers of bands must agree"
            )
        labels = np.zeros((self.ranks, len(samples)), np.min_scalar_type(count - 1))
        if count == 1 or not len(samples):
            return labels
        cells = None if self._device is not None else self._cells(samples)
        values = _BLOCK if cells is None else _CELLS_BLOCK
        rows = max(1, (values if self._device is None else _DEVICE_BLOCK) // bands // LANES) * LANES  # full tiles
        left_open: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        for begin in range(0, len(samples), rows):
            block, zero = self.converted(samples[begin : begin + rows])
            found = np.zeros((self.ranks, len(block)), np.uint32)
            numbers, limits = self._filtered(block, cells, found)
            labels[:, begin : begin + rows] = self._kept[found] if len(self._kept) < count else found
            if zero is not None:  # equally far from all units, up to rounding
                labels[:, begin : begin + rows][:, zero] = np.arange(self.ranks)[:, np.newaxis]
                numbers, limits = numbers[~zero[numbers]], limits[~zero[numbers]]
            left_open.append((numbers + begin, limits))
        numbers, limits = (np.concatenate(parts) for parts in zip(*left_open, strict=True))
        for begin in range(0, len(numbers), rows):  # gathered: a partial tile takes as long as a full one
            part = slice(begin, begin + rows)
            labels[:, numbers[part]] = self._kept[self._exact(samples[numbers[part]], limits[part])]
        return labels


def nearest_units(
    samples: NDArray[Any],
    codebook: NDArray[np.float64],
    *,
    metric: str = "euclidean",
    precision: str = "float32",
    missing: bool = False,
    arrays: Any = None,
) -> NDArray[Any]:
    """Return the nearest unit of each sample; ties go to the lowest.

    Distances are defined in float64, summed band by band, for samples of any type and magnitude: labels are those of
    ``((samples[:, None] - codebook) ** 2).sum(-1).argmin(1)`` with the sum in the order of the bands. A sample's label
    depends only on the sample and the codebook, not on other samples or threads. The GIL is released.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), any real type and layout
        Finite, except for what `missing` allows.
    codebook : ndarray of shape (units, bands), float64
        Finite.
    metric : str
        A name in `METRICS`.
    precision : {"float32", "float64"}
        Precision of the first comparison; labels are the same.
    missing : bool
        Whether NaN in a sample means a missing band, which contributes nothing to its distances.
    arrays : module, optional
        cupy, or another with the interface of NumPy, to filter Euclidean distances and directions on its device.

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.

    Raises
    ------
    ValueError
        If an option is invalid, `missing` is used with a metric of directions, or the numbers of bands differ.

    Examples
    --------
    >>> nearest_units(np.array([[1, 2], [9, 9]]), np.array([[0.0, 0.0], [10.0, 10.0]]))
    array([0, 1], dtype=uint8)
    """
    first: NDArray[Any] = NearestSearch(codebook, metric, precision, missing, arrays=arrays).labels(samples)[0]
    return first


def two_nearest_units(
    samples: NDArray[Any],
    codebook: NDArray[np.float64],
    *,
    metric: str = "euclidean",
    precision: str = "float32",
    missing: bool = False,
    arrays: Any = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the nearest and the second-nearest unit of each sample; ties go to the lowest unit in both.

    Parameters, guarantees and errors are those of `nearest_units`.

    Returns
    -------
    first, second : ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``. With one unit, `second` equals `first`.
    """
    first, second = NearestSearch(codebook, metric, precision, missing, ranks=2, arrays=arrays).labels(samples)
    return first, second
