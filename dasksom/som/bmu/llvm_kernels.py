"""The search for the nearest units of many samples: one small kernel, written in LLVM's vectors.

Samples are taken 16 at a time (a tile), one per vector lane, and units some 16 at a time (a group), so that the
distance of each sample to each of these units, and the nearest ones so far, stay in registers while bands go by:

    for every group of units:
        total[u] = start[u]                                           one vector of 16 distances per unit
        for every band:  total[u] = step(total[u], x[band], w[band, u])    one load of x; w is the same in all lanes
        for every u:     where total[u] < least:  least, best = total[u], u

That is one multiply-add per band and two to three operations of ranking for 16 pairs of a sample and a unit, and no
matrix of distances. Nothing is left for an auto-vectorizer to guess, and no BLAS is called, whose threads and blocking
would change bits. LLVM splits the vectors for processors with narrower registers. All lanes do the same and no sum is
reordered, so what a sample gets depends neither on where it stands nor on the shape of tiles and groups.

Numba keeps compiled kernels until the file that they stand in changes: touch this one after editing a metric that
already was compiled, and `nearest_cells` after editing this one.
"""

from collections.abc import Callable
from functools import cache, reduce
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from dasksom.som.bmu.metrics import METRICS
from dasksom.som.numba_kernel import kernel

LANES = 16
"""Samples searched together: a tile. In float32, one AVX-512 register."""
GROUP_BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 16
"""Units searched together, as bytes: a group. There must be registers for their distances to a tile."""
TILE_BYTES, PANEL_BYTES = 1 << 17, 1 << 18
"""Bytes of samples and of units that stay in the second-level cache while all of the ones meet all of the others."""
FAR = 2.0**60
"""In float32, bands are cut off at this many times the extent of the codebook, so that no distance overflows."""
EXPANDED = "expanded"
"""The step to |w|^2 / 2 - x.w, which orders units as |x - w|^2 does: `start` holds |w|^2 / 2 and the panels -w."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def group_size(dtype: DTypeLike) -> int:
    """Count the units of a group."""
    return GROUP_BYTES // np.dtype(dtype).itemsize


class _Lanes(NDArrayOperatorsMixin):
    """A vector of an LLVM function under construction, in NumPy's arithmetic."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc not in _EMIT or method != "__call__" or kwargs:
            return NotImplemented
        values = (x.value if isinstance(x, _Lanes) else _constant(self.value.type, float(x)) for x in inputs)
        return _Lanes(self.builder, _EMIT[ufunc](self.builder, *values))


def _call(builder: Any, name: str, *vectors: Any) -> Any:
    """Emit a call of one of LLVM's elementwise functions."""
    vector = vectors[0].type
    name = f"llvm.{name}.v{vector.count}{vector.element.intrinsic_name}"
    function = ir.FunctionType(vector, [vector] * len(vectors))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), vectors)


def _where(builder: Any, comparison: str, a: Any, b: Any, yes: Any, no: Any) -> Any:
    return builder.select(builder.fcmp_ordered(comparison, a, b), yes, no)


_EMIT: dict[np.ufunc, Callable[..., Any]] = {
    np.add: lambda builder, a, b: builder.fadd(a, b),
    np.subtract: lambda builder, a, b: builder.fsub(a, b),
    np.multiply: lambda builder, a, b: builder.fmul(a, b),
    np.absolute: lambda builder, a: _call(builder, "fabs", a),
    np.maximum: lambda builder, a, b: _where(builder, ">", a, b, a, b),
    np.minimum: lambda builder, a, b: _where(builder, "<", a, b, a, b),
}


def _constant(vector: Any, value: Any) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _spread(builder: Any, scalar: Any) -> Any:
    """Emit a vector with one value in all lanes."""
    first = builder.insert_element(ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined), scalar, _I32(0))
    return builder.shuffle_vector(first, first, _constant(ir.VectorType(_I32, LANES), 0))


def _step(builder: Any, step: str, missing: bool, total: Any, x: Any, w: Any) -> Any:
    """Emit one band's share in the distances of a tile to a unit."""
    if step == EXPANDED:
        return _call(builder, "fmuladd", x, w, total)
    away = builder.fsub(x, w)
    if missing:
        away = _where(builder, "ord", x, x, away, _constant(away.type, 0.0))
    return METRICS[step].step(_Lanes(builder, total), _Lanes(builder, away)).value


class _Memory:
    """Reads and writes of a C-contiguous array in the function under construction."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        struct = context.make_array(array_type)(context, builder, array)
        self.builder, self.data = builder, struct.data
        self.shape = [builder.extract_value(struct.shape, axis) for axis in range(array_type.ndim)]
        self.scalar = context.get_data_type(array_type.dtype)
        self.vector = ir.VectorType(self.scalar, LANES)
        self.size = context.get_abi_sizeof(self.scalar)

    def point(self, *index: Any) -> Any:
        """Give the address of one value."""
        place = _I64(0)
        for length, i in zip(self.shape, index, strict=True):
            place = self.builder.add(self.builder.mul(place, length), _I64(i) if isinstance(i, int) else i)
        return self.builder.gep(self.data, [place])

    def load(self, *index: Any) -> Any:
        """Load one value."""
        return self.builder.load(self.point(*index))

    def load_lanes(self, *index: Any) -> Any:
        """Load a vector that starts at an index."""
        return self.builder.load(self.builder.bitcast(self.point(*index), self.vector.as_pointer()), align=self.size)

    def store_lanes(self, lanes: Any, *index: Any) -> None:
        """Store a vector that starts at an index."""
        pointer = self.builder.bitcast(self.point(*index), self.vector.as_pointer())
        self.builder.store(lanes, pointer, align=self.size)


def _memories(context: Any, builder: Any, signature: Any, values: Any) -> list[_Memory]:
    """Return the arrays among a function's arguments."""
    arguments = zip(signature.args, values, strict=True)
    return [_Memory(context, builder, kind, value) for kind, value in arguments if isinstance(kind, types.Array)]


@intrinsic
def _pack_tile(typing_context, samples, first, center, scale, tiles, tile):  # type: ignore[no-untyped-def]
    """Write LANES rows of `samples`, as ``(x - center) * scale`` computed in float64, into a tile."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, mean, packed = _memories(context, builder, signature, values)
        scales = _spread(builder, values[3])
        with cgutils.for_range(builder, x.shape[1], intp=_I64) as loop:
            lanes = ir.Constant(x.vector, ir.Undefined)
            for lane in range(LANES):
                row = builder.add(values[1], _I64(lane))
                lanes = builder.insert_element(lanes, x.load(row, loop.index), _I32(lane))
            if x.vector != mean.vector:
                lanes = builder.fpext(lanes, mean.vector)
            lanes = builder.fmul(builder.fsub(lanes, _spread(builder, mean.load(loop.index))), scales)
            if packed.vector != mean.vector:
                lanes = builder.fptrunc(lanes, packed.vector)
                for comparison, far in ((">", FAR), ("<", -FAR)):
                    limit = _constant(packed.vector, far)
                    lanes = _where(builder, comparison, lanes, limit, limit, lanes)  # a NaN stays one
            packed.store_lanes(lanes, values[5], loop.index, 0)
        return context.get_dummy_value()

    return types.void(samples, first, center, scale, tiles, tile), emit


def _add_up_bands(
    builder: Any, step: str, missing: bool, x: _Memory, tile: Any, w: _Memory, begin: _Memory, group: Any, total: Any
) -> None:
    """Emit the distances of a tile to the units of a group, left in the variables `total`."""
    for u, variable in enumerate(total):
        builder.store(_spread(builder, begin.load(group, u)), variable)
    with cgutils.for_range(builder, x.shape[1], intp=_I64) as loop:
        lanes = x.load_lanes(tile, loop.index, 0)
        for u, variable in enumerate(total):
            weight = _spread(builder, w.load(group, loop.index, u))
            builder.store(_step(builder, step, missing, builder.load(variable), lanes, weight), variable)


def _rank(builder: Any, new: list[Any], ranks: list[list[Any]]) -> None:
    """Emit the insertion of a record into the ranks where its first value is strictly less: ties keep their order."""
    less = [builder.fcmp_ordered("<", new[0], builder.load(rank[0])) for rank in ranks]
    old = [[builder.load(variable) for variable in rank] for rank in ranks]
    for r, rank in enumerate(ranks):
        for i, variable in enumerate(rank):
            value = builder.select(less[r], new[i], old[r][i])
            builder.store(builder.select(less[r - 1], old[r - 1][i], value) if r else value, variable)


@intrinsic(prefer_literal=True)
def _search_tile(  # type: ignore[no-untyped-def]
    typing_context, step, missing, ranks, tiles, tile, panels, start, first, last, least, best
):
    """Take the groups from `first` to `last` into a tile's ranks: `least` and `best` (tiles, ranks, LANES).

    For the nearest unit alone, half a group is ranked at once, by its least total, and its totals are kept: which unit
    it was is told at the end, by the first of them that is the least. That is one comparison per half group instead of
    one per unit.
    """

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, w, begin, least, best = _memories(context, builder, signature, values)
        tile, first, last = values[4], values[7], values[8]
        units = GROUP_BYTES // x.size
        run = units // 2 if ranks.literal_value == 1 else 1
        # Variables on the stack: LLVM turns them into registers.
        total = [cgutils.alloca_once(builder, x.vector) for _ in range(units)]
        records = []
        for r in range(ranks.literal_value):
            record = [memory.load_lanes(tile, r, 0) for memory in (least, best)]
            record += record[:1] * run  # whose first is the least: `best` is right as it is
            records.append([cgutils.alloca_once_value(builder, lanes) for lanes in record])
        with cgutils.for_range_slice(builder, first, last, _I64(1), _I64) as (group, _):
            _add_up_bands(builder, step.literal_value, missing.literal_value, x, tile, w, begin, group, total)
            for u in range(0, units, run):
                totals = [builder.load(variable) for variable in total[u : u + run]]
                lowest = reduce(lambda a, b: _where(builder, "<", b, a, b, a), totals)
                unit = builder.trunc(builder.add(builder.mul(group, _I64(units)), _I64(u)), _I32)
                _rank(builder, [lowest, _spread(builder, unit), *totals], records)
        for r, record in enumerate(records):
            lowest, unit, *totals = (builder.load(variable) for variable in record)
            offset = _constant(unit.type, 0)
            for i in reversed(range(run)):
                offset = _where(builder, "==", totals[i], lowest, _constant(unit.type, i), offset)
            least.store_lanes(lowest, tile, r, 0)
            best.store_lanes(builder.add(unit, offset), tile, r, 0)
        return context.get_dummy_value()

    return types.void(step, missing, ranks, tiles, tile, panels, start, first, last, least, best), emit


@cache
def ranker(step: str, missing: bool, ranks: int) -> Callable[..., None]:
    """Return the search for one kind of distance, to be compiled.

    Parameters
    ----------
    step : str
        `EXPANDED`, or a name in `METRICS`.
    missing : bool
        Whether bands that are NaN contribute nothing.
    ranks : int
        1 for the nearest unit, 2 for the runner-up too; not more than there are units.

    Returns
    -------
    callable
        ``rank(samples, center, scale, panels, start, labels)``, all C-contiguous: `samples` (n, bands), float32 or
        float64, are searched as ``(samples - center) * scale``; `panels` (groups, bands, units of a group), float32 or
        float64; `start` (groups, units of a group), infinite where there is no unit; `labels` (ranks, n), uint32,
        written.
    """

    @kernel
    def rank(samples: Any, center: Any, scale: float, panels: Any, start: Any, labels: Any) -> None:
        n, bands = samples.shape
        groups = panels.shape[0]
        groups_at_once = max(1, PANEL_BYTES // (bands * GROUP_BYTES))
        tiles_at_once = max(1, min(-(-n // LANES), TILE_BYTES // (bands * LANES * panels.itemsize)))
        tiles = np.empty((tiles_at_once, bands, LANES), panels.dtype)
        least = np.empty((tiles_at_once, ranks, LANES), panels.dtype)
        best = np.empty((tiles_at_once, ranks, LANES), np.int32)
        for begin in range(0, n, tiles_at_once * LANES):
            in_block = min(n - begin, tiles_at_once * LANES)
            for tile in range(in_block // LANES):
                _pack_tile(samples, begin + tile * LANES, center, scale, tiles, tile)
            if in_block % LANES:  # the last tile; the lanes that are left over search too, in vain
                rest = np.zeros((LANES, bands), samples.dtype)
                for i in range(in_block % LANES):
                    for band in range(bands):
                        rest[i, band] = samples[n - in_block % LANES + i, band]
                _pack_tile(rest, 0, center, scale, tiles, in_block // LANES)
            for tile in range(tiles_at_once):
                for r in range(ranks):
                    for lane in range(LANES):
                        least[tile, r, lane] = np.inf
                        best[tile, r, lane] = r
            for first in range(0, groups, groups_at_once):
                last = min(first + groups_at_once, groups)
                for tile in range(-(-in_block // LANES)):
                    _search_tile(step, missing, ranks, tiles, tile, panels, start, first, last, least, best)
            for r in range(ranks):
                for i in range(in_block):
                    labels[r, begin + i] = best[i // LANES, r, i % LANES]

    return rank


@kernel
def to_unit_length(vectors: Any, out: Any) -> None:
    """Divide each row by its Euclidean length, without overflow or underflow; rows of zeros stay as they are."""
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
