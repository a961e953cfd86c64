"""An exact search for the nearest units that skips units that cannot be the nearest: faster for large maps.

Units are sorted into cells of 16 close units (`dasksom.som.bmu.unit_cells`), with a center g and a plane through g
along which they spread most. With P the projection on that plane and Q on its orthogonal complement, all units w of a
cell satisfy

    |x - w|^2 >= (|P(x - g)| - max |P(w - g)|)^2 + (|Q(x - g)| - max |Q(w - g)|)^2        (negative differences: 0)

which takes three products of x (with g and two directions) instead of 16. A map's units are on a folded sheet, so that
neighbors are close to such a plane and the bound is tight. Samples are sorted by the cell with the nearest center, so
that those of a tile need the same few cells.

Rounding. With y and v as in `dasksom.som.bmu.rounding`, q = |y|^2, M the length of the longest v, and c = g(bands + 2):
the product of y with the center is off by c (M^2 / 2 + M |y|), those with the directions by c (M + |y|), their squares
by 2.1 c (M + |y|)^2 <= 4.2 c (M^2 + q) each, q itself by c q. The bound changes no more than the two squared lengths in
it, which are off by at most 8.4 c (M^2 + q) and 8.4 c (M^2 + q) + 2 c (M^2 + q), and by 4 u (M^2 + q) because g and the
directions were rounded after the distances from them were measured. Altogether that is below (20 bands + 80) u
(M^2 + q). A cell is skipped where its bound is above q + 2 limit + (32 bands + 128) u (M^2 + q), where `limit` is the
filter's: the totals of its units are then above `limit`, as those are that the filter excludes.

Source of the idea: bounds by the triangle inequality (Elkan, "Using the triangle inequality to accelerate k-means",
2003); here with a plane for each group instead of a point, and without memory of former epochs.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_kernels import filter_kernel, pack_tile, search_tile, write_totals
from dasksom.som.bmu.llvm_vectors import (
    I32,
    I64,
    LANES,
    array_memories,
    call_elementwise,
    constant,
    spread_scalar,
    where,
)
from dasksom.som.bmu.rounding import CELL, EXPANDED
from dasksom.som.bmu.unit_cells import UnitCells
from dasksom.som.numba_kernel import kernel


@intrinsic
def _fetch_row(typing_context, samples, row):  # type: ignore[no-untyped-def]
    """Prefetch a row: rows are read in an order that the processor cannot predict."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        [x] = array_memories(context, builder, signature, values)
        byte = ir.IntType(8).as_pointer()
        first = builder.bitcast(x.point(values[1], 0), byte)
        last = builder.bitcast(x.point(values[1], builder.sub(x.shape[1], I64(1))), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        bytes_ = builder.sub(builder.ptrtoint(last, I64), builder.ptrtoint(first, I64))
        with cgutils.for_range_slice(builder, I64(0), bytes_, I64(64), I64) as (at, _):
            builder.call(prefetch, [builder.gep(first, [at]), I32(0), I32(3), I32(1)])
        builder.call(prefetch, [last, I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(samples, row), emit


@intrinsic
def _may_hold_nearest(typing_context, products, cell, sizes, squares, reach):  # type: ignore[no-untyped-def]
    """Return whether a cell's bound is within any lane's reach; true for NaN."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dots, extents, squares, reach = array_memories(context, builder, signature, values)
        cell = values[1]
        first = builder.mul(cell, I64(3))
        center, one, two = (dots.load_lanes(builder.add(first, I64(i)), 0) for i in range(3))
        zero = constant(center.type, 0.0)
        one, two = builder.fmul(one, one), builder.fmul(two, two)
        along = builder.fadd(one, two)
        whole = builder.fadd(squares.load_lanes(0, 0), builder.fadd(center, center))
        bound = zero
        for i, square in enumerate((along, builder.fsub(whole, along))):
            square = where(builder, ">", square, zero, square, zero)
            extent = spread_scalar(builder, extents.load(cell, i))
            gap = builder.fsub(call_elementwise(builder, "sqrt", square), extent)
            gap = where(builder, ">", gap, zero, gap, zero)
            bound = builder.fadd(bound, builder.fmul(gap, gap))
        beyond = builder.fcmp_ordered(">", bound, reach.load_lanes(0))
        bits = builder.bitcast(beyond, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, (1 << LANES) - 1))

    return types.boolean(products, cell, sizes, squares, reach), emit


@kernel
def _limit(lowest: Any, size: Any, bound: Any) -> Any:
    """Return the total above which no unit can be the nearest."""
    return lowest + (bound[1] * lowest + (bound[0] * size + bound[2]))


@kernel
def _search_cells(
    samples: Any,
    order: Any,
    home: Any,
    shift: Any,
    units: Any,
    planes: Any,
    sizes: Any,
    slack: Any,
    bound: Any,
    labels: Any,
    limits: Any,
    settled: Any,
) -> int:
    """Write the nearest unit of the samples named in `order`; return the number of tiles x cells searched."""
    (center, scale), (order_of_units, panels, start) = shift, units
    bands, cells, groups = samples.shape[1], len(sizes), CELL // panels.shape[2]
    rows = np.zeros((LANES, bands), samples.dtype)
    tiles, squares = np.empty((1, bands, LANES), np.float32), np.empty((1, LANES), np.float32)
    reach = np.empty(LANES, np.float32)
    products = np.empty((planes[0].shape[0] * planes[0].shape[2], LANES), np.float32)
    least, best = np.empty((1, 1, LANES), np.float32), np.empty((1, 1, LANES), np.int32)
    lowest, second, found = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.zeros(LANES, np.int64)
    beyond = np.empty((1, LANES), np.float32)
    searched = 0
    for begin in range(0, len(order), LANES):
        in_tile = min(LANES, len(order) - begin)
        for i in range(in_tile):
            for band in range(bands):
                rows[i, band] = samples[order[begin + i], band]
        for i in range(begin + LANES, min(begin + 2 * LANES, len(order))):
            _fetch_row(samples, order[i])
        pack_tile(EXPANDED, False, rows, 0, center, scale, tiles, 0, squares)
        least[:] = np.inf
        for i in range(in_tile):
            at = home[order[begin + i]]
            if i == 0 or at != home[order[begin + i - 1]]:
                first, last = at * groups, (at + 1) * groups
                search_tile(EXPANDED, False, 1, tiles, 0, panels, start, first, last, least, best, beyond)
        for i in range(LANES):
            lowest[i] = second[i] = np.inf
            square = squares[0, i]
            reach[i] = square + 2 * _limit(least[0, 0, i], square, bound) + slack[0] * (square + slack[1])
        for group in range(planes[0].shape[0]):
            write_totals(EXPANDED, False, tiles, 0, planes[0], planes[1], group, products)
        for cell in range(cells):
            if not _may_hold_nearest(products, cell, sizes, squares, reach):
                continue
            searched += 1
            least[:] = np.inf
            beyond[:] = np.inf
            first, last = cell * groups, (cell + 1) * groups
            search_tile(EXPANDED, False, 1, tiles, 0, panels, start, first, last, least, best, beyond)
            for i in range(LANES):
                total = least[0, 0, i]
                second[i] = min(second[i], max(lowest[i], total), beyond[0, i])
            better = 0
            for i in range(LANES):
                better += least[0, 0, i] < lowest[i]
            if better:
                for i in range(LANES):
                    if least[0, 0, i] < lowest[i]:
                        found[i] = order_of_units[best[0, 0, i]]
                        lowest[i] = least[0, 0, i]
                        square = squares[0, i]
                        new_reach = square + 2 * _limit(lowest[i], square, bound) + slack[0] * (square + slack[1])
                        reach[i] = min(reach[i], new_reach)
        for i in range(in_tile):
            labels[order[begin + i]] = found[i]
            limits[order[begin + i]] = _limit(lowest[i], squares[0, i], bound)
            settled[order[begin + i]] = second[i] > limits[order[begin + i]]
    return searched


class CellLabels(NamedTuple):
    """The result of a search in cells."""

    labels: NDArray[np.uint32]
    """Shape (n,)."""
    limits: NDArray[np.float32]
    """Limit of each sample, shape (n,): no nearest unit has a larger total."""
    settled: NDArray[np.bool_]
    """Whether the labels are proven, shape (n,)."""
    share: float
    """Fraction of the cells that were searched."""


def search_in_cells(samples: NDArray[Any], center: NDArray[np.float64], scale: float, cells: UnitCells) -> CellLabels:
    """Return the nearest unit of each sample.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), float32 or float64, C-contiguous and read-only
        Searched as ``(samples - center) * scale``.
    center : ndarray of shape (bands,), float64
    scale : float
    cells : UnitCells
    """
    count = len(samples)
    home, labels = np.empty((1, count), np.uint32), np.empty(count, np.uint32)
    tiles, limits, settled = -(-count // LANES), np.empty(count, np.float32), np.empty(count, np.bool_)
    unused = np.empty((tiles, LANES), np.float32), np.empty(tiles, np.uint16)
    filter_kernel(EXPANDED, False, 1)(samples, center, scale, *cells.centers, cells.bound, home, *unused)
    order = np.argsort(home[0].astype(np.uint16), kind="stable")  # a radix sort: linear time
    slack = np.array([cells.slack, cells.longest], np.float32)
    searched = _search_cells(
        samples,
        order,
        home[0].astype(np.int64),
        (center, scale),
        (cells.units, cells.panels, cells.start),
        cells.planes,
        cells.sizes,
        slack,
        cells.bound,
        labels,
        limits,
        settled,
    )
    return CellLabels(labels, limits, settled, searched / (tiles * len(cells.sizes)))
