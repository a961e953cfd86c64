"""A search for the nearest units that passes over those that cannot be it: exact, and faster on maps of many units.

Units are sorted into cells of 16 that lie close together: around a center g, near the plane through g that they are
spread over most. With P the projection on that plane and Q on the rest of space, all of a cell's units w have

    |x - w|^2 >= (|P(x - g)| - max |P(w - g)|)^2 + (|Q(x - g)| - max |Q(w - g)|)^2        (negative differences: 0)

which takes three products of x (with g and two directions) instead of 16. A map's units lie on a folded sheet, so that
neighbors span little more than such a plane, and the bound is close. Samples are taken in the order of the cell whose
center is nearest, so that those of a tile need the same few cells. What is searched is searched by the kernel of
`dasksom.som.bmu.llvm_kernels`, and the bound is loosened by more than all of its rounding: so labels are the same, bit
for bit, as those of the search through all units.

Source of the idea: bounds by the triangle inequality (Elkan, "Using the triangle inequality to accelerate k-means",
2003); here with a plane for each group instead of a point, and without memory of former epochs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_kernels import (
    EXPANDED,
    LANES,
    _add_up_bands,
    _call,
    _constant,
    _memories,
    _pack_tile,
    _search_tile,
    _spread,
    _where,
    group_size,
    ranker,
)
from dasksom.som.numba_kernel import kernel

_I32, _I64 = ir.IntType(32), ir.IntType(64)

CELL = 16
"""Units of a cell: a whole number of the kernel's groups."""
POWER_STEPS = 2
"""Of the power method; directions need be orthogonal, not exact."""


@kernel
def _product(a: Any, b: Any) -> float:
    """Sum of products, in four sums side by side."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = len(a) // 4 * 4
    for i in range(0, whole, 4):
        one += a[i] * b[i]
        two += a[i + 1] * b[i + 1]
        three += a[i + 2] * b[i + 2]
        four += a[i + 3] * b[i + 3]
    for i in range(whole, len(a)):
        one += a[i] * b[i]
    return (one + two) + (three + four)


@kernel
def _direction(vectors: Any, out: Any) -> None:
    """Write the direction that vectors of mean 0 are spread over most, about: by the power method from the longest."""
    count, bands = vectors.shape
    longest, which = -1.0, 0
    for i in range(count):
        square = _product(vectors[i], vectors[i])
        if square > longest:
            longest, which = square, i
    new = vectors[which].copy()
    for _ in range(POWER_STEPS):
        length = np.sqrt(_product(new, new))
        if not length > 0.0:
            break
        for band in range(bands):
            out[band] = new[band] / length
            new[band] = 0.0
        for i in range(count):
            along = _product(vectors[i], out)
            for band in range(bands):
                new[band] += along * vectors[i, band]


@kernel
def _centered(units: Any, order: Any, out: Any) -> Any:
    """Write the differences of some units from their mean; return the mean."""
    mean = np.zeros(units.shape[1])
    for i in order:
        for band in range(len(mean)):
            mean[band] += units[i, band]
    mean /= len(order)
    for i in range(len(order)):
        for band in range(len(mean)):
            out[i, band] = units[order[i], band] - mean[band]
    return mean


@kernel
def _sort_into_cells(units: Any, order: Any) -> None:
    """Halve the units again and again across the direction that they are spread over most, to whole cells."""
    count, bands = units.shape
    away, direction, along = np.empty((count, bands)), np.zeros(bands), np.empty(count)
    waiting = [(0, count)]
    while len(waiting):
        begin, end = waiting.pop()
        if end - begin <= CELL:
            order[begin:end] = np.sort(order[begin:end])  # so that ties go to the lowest
            continue
        _centered(units, order[begin:end], away[begin:end])
        direction[:] = 0.0
        _direction(away[begin:end], direction)
        for i in range(begin, end):
            along[i] = _product(away[i], direction)
        order[begin:end] = order[begin:end][np.argsort(along[begin:end])]
        middle = begin + ((end - begin + CELL - 1) // CELL + 1) // 2 * CELL
        waiting.append((begin, middle))
        waiting.append((middle, end))


@kernel
def _make_orthogonal(direction: Any, other: Any) -> None:
    """Take another direction out of one; where little is left (both were rounding), make it zero, which is one too."""
    along = _product(direction, other)
    for band in range(len(direction)):
        direction[band] -= along * other[band]
    length = np.sqrt(_product(direction, direction))
    direction *= 1.0 / length if length > 0.5 else 0.0


@kernel
def _describe_cells(units: Any, order: Any, planes: Any, sizes: Any) -> None:
    """Write each cell's center and two directions, and how far its units go from the center along and across them."""
    count, bands = units.shape
    away = np.empty((CELL, bands))
    for cell in range(len(planes)):
        begin, end = cell * CELL, min((cell + 1) * CELL, count)
        rest = away[: end - begin]
        planes[cell, 0] = _centered(units, order[begin:end], rest)
        planes[cell, 1:] = 0.0
        flat = np.zeros(end - begin)
        for axis in range(1, 3):
            _direction(rest, planes[cell, axis])
            if axis == 2:
                _make_orthogonal(planes[cell, 2], planes[cell, 1])
            for i in range(end - begin):
                along = _product(rest[i], planes[cell, axis])
                for band in range(bands):
                    rest[i, band] -= along * planes[cell, axis, band]
                flat[i] += along * along
        sizes[cell, 0] = np.sqrt(flat.max())
        across = 0.0
        for i in range(end - begin):
            across = max(across, _product(rest[i], rest[i]))
        sizes[cell, 1] = np.sqrt(across)


@intrinsic
def _fetch_row(typing_context, samples, row):  # type: ignore[no-untyped-def]
    """Have a row on its way to the cache: rows are read in an order that the processor does not foresee."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        [x] = _memories(context, builder, signature, values)
        byte = ir.IntType(8).as_pointer()
        first = builder.bitcast(x.point(values[1], 0), byte)
        last = builder.bitcast(x.point(values[1], builder.sub(x.shape[1], _I64(1))), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        bytes_ = builder.sub(builder.ptrtoint(last, _I64), builder.ptrtoint(first, _I64))
        with cgutils.for_range_slice(builder, _I64(0), bytes_, _I64(64), _I64) as (at, _):
            builder.call(prefetch, [builder.gep(first, [at]), _I32(0), _I32(3), _I32(1)])
        builder.call(prefetch, [last, _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(samples, row), emit


@intrinsic
def _multiply_tile(typing_context, tiles, tile, panels, start, group, products):  # type: ignore[no-untyped-def]
    """Write ``start - x.w`` of a tile and the vectors of a group, (units of a group, LANES), to `products`."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, w, begin, out = _memories(context, builder, signature, values)
        total = [cgutils.alloca_once(builder, x.vector) for _ in range(group_size(np.float32))]
        _add_up_bands(builder, EXPANDED, False, x, values[1], w, begin, values[4], total)
        first = builder.mul(values[4], _I64(len(total)))
        for u, variable in enumerate(total):
            out.store_lanes(builder.load(variable), builder.add(first, _I64(u)), 0)
        return context.get_dummy_value()

    return types.void(tiles, tile, panels, start, group, products), emit


@intrinsic
def _may_hold_nearest(typing_context, products, cell, sizes, squares, reach):  # type: ignore[no-untyped-def]
    """Tell whether a cell's bound is within any lane's reach: NaN is."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dots, extents, squares, reach = _memories(context, builder, signature, values)
        cell = values[1]
        first = builder.mul(cell, _I64(3))
        center, one, two = (dots.load_lanes(builder.add(first, _I64(i)), 0) for i in range(3))
        zero = _constant(center.type, 0.0)
        one, two = builder.fmul(one, one), builder.fmul(two, two)
        along = builder.fadd(one, two)
        whole = builder.fadd(squares.load_lanes(0), builder.fadd(center, center))
        bound = zero
        for i, square in enumerate((along, builder.fsub(whole, along))):
            square = _where(builder, ">", square, zero, square, zero)
            extent = _spread(builder, extents.load(cell, i))
            gap = builder.fsub(_call(builder, "sqrt", square), extent)
            gap = _where(builder, ">", gap, zero, gap, zero)
            bound = builder.fadd(bound, builder.fmul(gap, gap))
        beyond = builder.fcmp_ordered(">", bound, reach.load_lanes(0))
        bits = builder.bitcast(beyond, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, (1 << LANES) - 1))

    return types.boolean(products, cell, sizes, squares, reach), emit


@kernel
def _search_cells(
    samples: Any,
    order: Any,
    home: Any,
    center: Any,
    scale: float,
    panels: Any,
    start: Any,
    planes: Any,
    plane_start: Any,
    sizes: Any,
    units: Any,
    slack: Any,
    labels: Any,
) -> int:
    """Write the nearest unit of the samples named in `order`; return the number of tiles x cells searched."""
    bands = samples.shape[1]
    cells, groups = len(sizes), CELL // panels.shape[2]
    rows = np.zeros((LANES, bands), samples.dtype)
    tiles = np.empty((1, bands, LANES), np.float32)
    squares, reach = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    products = np.empty((planes.shape[0] * planes.shape[2], LANES), np.float32)
    least, best = np.empty((1, 1, LANES), np.float32), np.empty((1, 1, LANES), np.int32)
    lowest, found = np.empty(LANES, np.float32), np.empty(LANES, np.int64)
    searched = 0
    for begin in range(0, len(order), LANES):
        in_tile = min(LANES, len(order) - begin)
        for i in range(in_tile):
            for band in range(bands):
                rows[i, band] = samples[order[begin + i], band]
        for i in range(begin + LANES, min(begin + 2 * LANES, len(order))):
            _fetch_row(samples, order[i])
        _pack_tile(rows, 0, center, scale, tiles, 0)
        squares[:] = 0
        for band in range(bands):
            for i in range(LANES):
                squares[i] += tiles[0, band, i] * tiles[0, band, i]
        least[:] = np.inf
        best[:] = 0
        for i in range(in_tile):
            at = home[order[begin + i]]
            if i == 0 or at != home[order[begin + i - 1]]:
                first, last = at * groups, (at + 1) * groups
                _search_tile(EXPANDED, False, 1, tiles, 0, panels, start, first, last, least, best)
        for i in range(LANES):
            lowest[i] = least[0, 0, i]
            found[i] = len(units)
            reach[i] = squares[i] + 2 * lowest[i] + slack[0] * (squares[i] + slack[1])
        for group in range(planes.shape[0]):
            _multiply_tile(tiles, 0, planes, plane_start, group, products)
        for cell in range(cells):
            if not _may_hold_nearest(products, cell, sizes, squares, reach):
                continue
            searched += 1
            least[:] = np.inf
            best[:] = 0
            first, last = cell * groups, (cell + 1) * groups
            _search_tile(EXPANDED, False, 1, tiles, 0, panels, start, first, last, least, best)
            better = 0
            for i in range(LANES):
                better += least[0, 0, i] <= lowest[i]
            if better:
                for i in range(LANES):
                    if least[0, 0, i] <= lowest[i]:
                        unit = units[best[0, 0, i]]
                        if least[0, 0, i] < lowest[i] or unit < found[i]:
                            found[i] = unit
                        lowest[i] = least[0, 0, i]
                        reach[i] = squares[i] + 2 * lowest[i] + slack[0] * (squares[i] + slack[1])
        for i in range(in_tile):
            labels[order[begin + i]] = found[i]
    return searched


@dataclass(frozen=True)
class UnitCells:
    """A codebook in cells, as the kernel wants it; vectors are in groups, as those of the search through all units."""

    units: NDArray[np.int64]
    """Which unit stands where, shape (units,)."""
    panels: NDArray[np.float32]
    start: NDArray[np.float32]
    centers: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Panels and start of the cells' centers, to find the nearest one."""
    planes: tuple[NDArray[np.float32], NDArray[np.float32]]
    """The same of each cell's center and two directions."""
    sizes: NDArray[np.float32]
    """How far units go from the center, along the plane and across it, shape (cells, 2)."""
    slack: NDArray[np.float32]
    """The bounds are loosened by the first times (the second + the sample's square)."""


def _in_groups(vectors: NDArray[Any], start: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Arrange the negatives of vectors (n, bands) in groups, in whole cells."""
    size, count = group_size(np.float32), -(-len(vectors) // CELL) * CELL
    padded, begin = np.zeros((count, vectors.shape[1]), np.float32), np.full(count, np.inf, np.float32)
    padded[: len(vectors)], begin[: len(vectors)] = -vectors, start
    groups = padded.reshape(-1, size, vectors.shape[1])
    return np.ascontiguousarray(groups.transpose(0, 2, 1)), begin.reshape(-1, size)


def arrange_cells(panels: NDArray[np.float32], start: NDArray[np.float32], count: int) -> UnitCells:
    """Sort the first `count` units of a codebook, that was arranged for the search through all of them, into cells."""
    bands = panels.shape[1]
    units = -panels.transpose(0, 2, 1).reshape(-1, bands)[:count].astype(np.float64)
    order, cells = np.arange(count), -(-count // CELL)
    _sort_into_cells(units, order)
    planes, sizes = np.zeros((cells, 3, bands)), np.empty((cells, 2))
    _describe_cells(units, order, planes, sizes)
    planes = planes.astype(np.float32).astype(np.float64)
    offsets = (planes[:, :1] * planes).sum(axis=2)
    offsets[:, 0] /= 2
    rounding = (16 * bands + 64) * 2.0**-24  # several times what the sums behind a bound can be off
    return UnitCells(
        order,
        *_in_groups(units[order], start.reshape(-1)[order]),
        centers=_in_groups(planes[:, 0], offsets[:, 0]),
        planes=_in_groups(planes.reshape(-1, bands), offsets.reshape(-1)),
        sizes=(sizes * (1 + 1e-6)).astype(np.float32),
        slack=np.array([rounding, (units**2).sum(axis=1).max()], np.float32),
    )


def break_even(samples: int, bands: int, units: int) -> float:
    """Give the share of cells up to which searching in cells is faster than going through all units, as measured.

    What it takes besides, as shares of the search through all units: to find the nearest center, the bounds, to gather
    samples in another order, and to sort the units.
    """
    bounds = (3 * bands + 45) / (CELL * (bands + 1.3))
    return 1 - 1 / CELL - bounds - 24 * CELL / units - 4800 / max(samples, 1)


def search_in_cells(
    samples: NDArray[Any], center: NDArray[np.float64], scale: float, cells: UnitCells
) -> tuple[NDArray[np.uint32], float]:
    """Find the nearest unit of each sample; tell which share of the cells was searched for that.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), float32 or float64, C-contiguous and read-only
        Searched as ``(samples - center) * scale``.
    """
    home = np.empty((1, len(samples)), np.uint32)
    ranker(EXPANDED, False, 1)(samples, center, scale, *cells.centers, home)
    order = np.argsort(home[0].astype(np.uint16), kind="stable")  # in time linear in the samples
    labels = np.empty(len(samples), np.uint32)
    searched = _search_cells(
        samples,
        order,
        home[0].astype(np.int64),
        center,
        scale,
        cells.panels,
        cells.start,
        *cells.planes,
        cells.sizes,
        cells.units,
        cells.slack,
        labels,
    )
    return labels, searched / (-(-len(samples) // LANES) * len(cells.sizes))
