"""The float32 filter: find the nearest units of many samples, and the samples for which rounding could change them.

Samples are processed in tiles of 16, one per vector lane, and units in groups of about 16, so that the totals of each
sample and unit, and the least totals so far, stay in registers during the loop over the bands:

    for every group of units:
        total[u] = start[u]                                           one vector of 16 totals per unit
        for every band:  total[u] = step(total[u], x[band], w[band, u])    one load of x; w is the same in all lanes
        for every u:     where total[u] < least:  least, best = total[u], u

16 pairs of a sample and a unit take one multiply-add per band and two to three operations for ranking, and no matrix of
distances is stored. The code neither relies on auto-vectorization nor calls BLAS, whose threads and blocking would
change results. LLVM splits the vectors for processors with narrower registers. All lanes do the same and no sum is
reordered, so the result of a sample depends neither on its position nor on the shape of tiles and groups.

Tracking the least total outside the ranks takes two more operations per half group. A sample is settled if its totals
differ by more than the bound of `dasksom.som.bmu.rounding`; the others are passed to `dasksom.som.bmu.exact_search`,
which is also the reference for tests of this kernel.
"""

from collections.abc import Callable
from functools import cache, reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dasksom.som.bmu.llvm_vectors import (
    GROUP,
    I32,
    I64,
    LANES,
    ArrayMemory,
    Lanes,
    array_memories,
    call_elementwise,
    constant,
    spread_scalar,
    where,
)
from dasksom.som.bmu.rounding import EXPANDED
from dasksom.som.choices import METRICS
from dasksom.som.numba_kernel import kernel

_TILE_BYTES, _PANEL_BYTES = 1 << 17, 1 << 18
"""Bytes of a block of samples and of a block of units; both stay in the second-level cache while they are compared."""


def emit_step(builder: Any, step: str, missing: bool, total: Any, x: Any, w: Any) -> Any:
    """Emit one band's step of the totals of a tile for a unit."""
    if step == EXPANDED:
        return call_elementwise(builder, "fmuladd", x, w, total)
    away = builder.fsub(x, w)
    if missing:
        away = where(builder, "ord", x, x, away, constant(away.type, 0.0))
    return METRICS[step].step(Lanes(builder, total), Lanes(builder, away)).value


def _emit_size(builder: Any, step: str, missing: bool, size: Any, x: Any) -> Any:
    """Emit one band's step of the totals of a tile for the zero vector."""
    if step == EXPANDED:
        return call_elementwise(builder, "fmuladd", x, x, size)
    return emit_step(builder, step, missing, size, x, constant(x.type, 0.0))


@intrinsic(prefer_literal=True)
def pack_tile(  # type: ignore[no-untyped-def]
    typing_context, step, missing, samples, first, center, scale, tiles, tile, sizes
):
    """Write LANES rows of `samples` to a tile, as ``(x - center) * scale`` computed in float64, and their sizes."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, mean, packed, out = array_memories(context, builder, signature, values)
        kind = step.literal_value, missing.literal_value
        row, tile, scales = values[3], values[7], spread_scalar(builder, values[5])
        size = cgutils.alloca_once_value(builder, constant(packed.vector, 0.0))
        with cgutils.for_range(builder, x.shape[1], intp=I64) as loop:
            lanes = ir.Constant(x.vector, ir.Undefined)
            for lane in range(LANES):
                lanes = builder.insert_element(lanes, x.load(builder.add(row, I64(lane)), loop.index), I32(lane))
            if x.vector != mean.vector:
                lanes = builder.fpext(lanes, mean.vector)
            lanes = builder.fmul(builder.fsub(lanes, spread_scalar(builder, mean.load(loop.index))), scales)
            lanes = builder.fptrunc(lanes, packed.vector)
            builder.store(_emit_size(builder, *kind, builder.load(size), lanes), size)
            packed.store_lanes(lanes, tile, loop.index, 0)
        out.store_lanes(builder.load(size), tile, 0)
        return context.get_dummy_value()

    return types.void(step, missing, samples, first, center, scale, tiles, tile, sizes), emit


def emit_totals(
    builder: Any,
    kind: tuple[str, bool],
    x: ArrayMemory,
    tile: Any,
    units: tuple[ArrayMemory, ArrayMemory],
    group: Any,
    total: list[Any],
) -> None:
    """Emit the totals of a tile for the units (panels and start) of a group into the variables `total`."""
    panels, start = units
    for u, variable in enumerate(total):
        builder.store(spread_scalar(builder, start.load(group, u)), variable)
    with cgutils.for_range(builder, x.shape[1], intp=I64) as loop:
        lanes = x.load_lanes(tile, loop.index, 0)
        for u, variable in enumerate(total):
            weight = spread_scalar(builder, panels.load(group, loop.index, u))
            builder.store(emit_step(builder, *kind, builder.load(variable), lanes, weight), variable)


def _emit_rank(builder: Any, new: list[Any], ranks: list[list[Any]], beyond: Any) -> None:
    """Emit the insertion of a record into the ranks if its first value is strictly less: ties keep their order.

    `beyond` is the least first value of all records outside the ranks.
    """
    less = [builder.fcmp_ordered("<", new[0], builder.load(rank[0])) for rank in ranks]
    old = [[builder.load(variable) for variable in rank] for rank in ranks]
    last = where(builder, ">", new[0], old[-1][0], new[0], old[-1][0])
    rest = builder.load(beyond)
    builder.store(where(builder, "<", last, rest, last, rest), beyond)
    for r, rank in enumerate(ranks):
        for i, variable in enumerate(rank):
            value = builder.select(less[r], new[i], old[r][i])
            builder.store(builder.select(less[r - 1], old[r - 1][i], value) if r else value, variable)


def _emit_second(builder: Any, totals: list[Any], others: Any) -> Any:
    """Emit the minimum of `others` and of all totals except the first least one."""
    lowest = totals[0]
    for total in totals[1:]:
        larger = where(builder, ">", total, lowest, total, lowest)
        lowest = where(builder, "<", total, lowest, total, lowest)
        others = where(builder, "<", larger, others, larger, others)
    return others


@intrinsic(prefer_literal=True)
def search_tile(  # type: ignore[no-untyped-def]
    typing_context, step, missing, ranks, tiles, tile, panels, start, first, last, least, best, beyond
):
    """Update a tile's ranks `least`, `best` and `beyond` with the groups from `first` to `last`.

    `least` and `best` are (tiles, ranks, LANES); `beyond`, the least total outside the ranks, is (tiles, LANES).

    If only the nearest unit is wanted, half a group is ranked at once by its least total, and its totals are saved; the
    first one that equals the least gives the unit at the end. This needs one comparison per half group, not per unit.
    """

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, panels, start, least, best, beyond = array_memories(context, builder, signature, values)
        kind = step.literal_value, missing.literal_value
        tile, first, last = values[4], values[7], values[8]
        run = GROUP // 2 if ranks.literal_value == 1 else 1
        infinite = constant(x.vector, float("inf"))
        # Stack variables; LLVM moves them to registers.
        total = [cgutils.alloca_once(builder, x.vector) for _ in range(GROUP)]
        rest = cgutils.alloca_once_value(builder, beyond.load_lanes(tile, 0))
        records = []
        for r in range(ranks.literal_value):
            lowest, unit = (memory.load_lanes(tile, r, 0) for memory in (least, best))
            # of earlier totals only the least matters: `best` is already correct
            record = [lowest, unit, lowest, *[infinite] * (run - 1)]
            records.append([cgutils.alloca_once_value(builder, lanes) for lanes in record])
        with cgutils.for_range_slice(builder, first, last, I64(1), I64) as (group, _):
            emit_totals(builder, kind, x, tile, (panels, start), group, total)
            for u in range(0, GROUP, run):
                totals = [builder.load(variable) for variable in total[u : u + run]]
                lowest = reduce(lambda a, b: where(builder, "<", b, a, b, a), totals)
                unit = builder.trunc(builder.add(builder.mul(group, I64(GROUP)), I64(u)), I32)
                _emit_rank(builder, [lowest, spread_scalar(builder, unit), *totals], records, rest)
        for r, record in enumerate(records):
            lowest, unit, *totals = (builder.load(variable) for variable in record)
            offset = constant(unit.type, 0)
            for i in reversed(range(run)):
                offset = where(builder, "==", totals[i], lowest, constant(unit.type, i), offset)
            if run > 1:
                builder.store(_emit_second(builder, totals, builder.load(rest)), rest)
            least.store_lanes(lowest, tile, r, 0)
            best.store_lanes(builder.add(unit, offset), tile, r, 0)
        beyond.store_lanes(builder.load(rest), tile, 0)
        return context.get_dummy_value()

    return types.void(step, missing, ranks, tiles, tile, panels, start, first, last, least, best, beyond), emit


@intrinsic(prefer_literal=True)
def write_totals(typing_context, step, missing, tiles, tile, panels, start, group, out):  # type: ignore[no-untyped-def]
    """Write the totals of a tile for the units of a group to the group's rows of `out`."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, panels, start, products = array_memories(context, builder, signature, values)
        kind = step.literal_value, missing.literal_value
        total = [cgutils.alloca_once(builder, x.vector) for _ in range(GROUP)]
        emit_totals(builder, kind, x, values[3], (panels, start), values[6], total)
        first = builder.mul(values[6], I64(len(total)))
        for u, variable in enumerate(total):
            products.store_lanes(builder.load(variable), builder.add(first, I64(u)), 0)
        return context.get_dummy_value()

    return types.void(step, missing, tiles, tile, panels, start, group, out), emit


@intrinsic(prefer_literal=True)
def settle_tile(  # type: ignore[no-untyped-def]
    typing_context, ranks, tile, least, beyond, sizes, bound, row, limits, settled
):
    """Write to row `row` the limits of a tile's totals, and one bit per lane: whether its ranks are proven."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        least, beyond, sizes, bound, limits, settled = array_memories(context, builder, signature, values)
        tile, row = values[1], values[6]
        of_size, of_total, absolute = (spread_scalar(builder, bound.load(i)) for i in range(3))
        allowance = builder.fadd(builder.fmul(of_size, sizes.load_lanes(tile, 0)), absolute)
        proven = constant(ir.VectorType(ir.IntType(1), LANES), 1)
        for r in range(ranks.literal_value):
            lowest = least.load_lanes(tile, r, 0)
            limit = builder.fadd(lowest, builder.fadd(builder.fmul(of_total, lowest), allowance))
            above = beyond.load_lanes(tile, 0) if r + 1 == ranks.literal_value else least.load_lanes(tile, r + 1, 0)
            proven = builder.and_(proven, builder.fcmp_ordered(">", above, limit))
        limits.store_lanes(limit, row, 0)
        builder.store(builder.bitcast(proven, settled.scalar), settled.point(row))
        return context.get_dummy_value()

    return types.void(ranks, tile, least, beyond, sizes, bound, row, limits, settled), emit


@cache
def filter_kernel(step: str, missing: bool, ranks: int) -> Callable[..., None]:
    """Return the filter for one kind of total, to be compiled.

    Parameters
    ----------
    step : str
        `EXPANDED`, or a name in `METRICS`.
    missing : bool
        Whether bands that are NaN contribute nothing.
    ranks : int
        1 for the nearest unit, 2 for the two nearest units; at most the number of units.

    Returns
    -------
    callable
        ``rank(samples, center, scale, panels, start, bound, labels, limits, settled)``, all C-contiguous: `samples`
        (n, bands), float32 or float64, are searched as ``(samples - center) * scale``; `panels` (groups, bands, GROUP)
        and `start` (groups, GROUP), float32, `start` infinite where there is no unit; `bound` (3,),
        float32, from `rounding_bound`. Outputs are `labels` (ranks, n), uint32, and by tile `limits` (tiles, LANES),
        float32 (no nearest unit has a total above its limit), and `settled` (tiles,), uint16 (one bit per lane: whether
        the labels are proven).
    """

    @kernel
    def rank(
        samples: Any,
        center: Any,
        scale: float,
        panels: Any,
        start: Any,
        bound: Any,
        labels: Any,
        limits: Any,
        settled: Any,
    ) -> None:
        n, bands = samples.shape
        groups = panels.shape[0]
        groups_at_once = max(1, _PANEL_BYTES // (bands * GROUP * 4))
        tiles_at_once = max(1, min(-(-n // LANES), _TILE_BYTES // (bands * LANES * 4)))
        tiles = np.empty((tiles_at_once, bands, LANES), np.float32)
        least = np.empty((tiles_at_once, ranks, LANES), np.float32)
        best = np.empty((tiles_at_once, ranks, LANES), np.int32)
        beyond, sizes = np.empty((tiles_at_once, LANES), np.float32), np.empty((tiles_at_once, LANES), np.float32)
        for begin in range(0, n, tiles_at_once * LANES):
            in_block = min(n - begin, tiles_at_once * LANES)
            in_use = -(-in_block // LANES)
            for tile in range(in_block // LANES):
                pack_tile(step, missing, samples, begin + tile * LANES, center, scale, tiles, tile, sizes)
            if in_block % LANES:  # the last tile is padded; results of the padding are discarded
                rest = np.zeros((LANES, bands), samples.dtype)
                rest[: in_block % LANES] = samples[n - in_block % LANES :]
                pack_tile(step, missing, rest, 0, center, scale, tiles, in_block // LANES, sizes)
            least[:] = np.inf
            beyond[:] = np.inf
            for r in range(ranks):
                best[:, r] = r
            for first in range(0, groups, groups_at_once):
                last = min(first + groups_at_once, groups)
                for tile in range(in_use):
                    search_tile(step, missing, ranks, tiles, tile, panels, start, first, last, least, best, beyond)
            for tile in range(in_use):
                settle_tile(ranks, tile, least, beyond, sizes, bound, begin // LANES + tile, limits, settled)
            for r in range(ranks):
                for i in range(in_block):
                    labels[r, begin + i] = best[i // LANES, r, i % LANES]

    return rank
