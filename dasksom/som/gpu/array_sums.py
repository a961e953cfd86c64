"""Sums of units on arrays of a device, such as those of CuPy, with the bits of the processor's; NumPy runs them too.

The sums of `dasksom.som.unit_sums` are defined to the bit: each unit adds up its samples of a block one after another,
and blocks are added one after another. Here all units of many blocks take their first sample, then their second, and
so on: each round is one addition of arrays, and no two samples of a unit are in the same round. Results do not depend
on which workers have a GPU.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.gpu.device import DEVICE_LOCK, piece_bytes, sums_bytes, to_host, work_in_pieces
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import BLOCK_SAMPLES, UnitSums, add_up, gather

_ROUND_VALUES = 1 << 15
"""Values that the processor adds in the time in which a device begins a round; estimated, not measured."""


def gather_on_device(
    xp: Any,
    samples: Samples,
    codebook: NDArray[np.float64],
    best: NDArray[Any],
    second: NDArray[Any] | None = None,
) -> UnitSums:
    """Sum the samples of each unit on a device.

    Parameters
    ----------
    xp : module
        numpy, cupy, or another with the same interface.
    samples, codebook, best, second
        As for `dasksom.som.unit_sums.gather`, without missing bands.

    Returns
    -------
    UnitSums
        Equal to that of `gather`, bit for bit. Where a unit has so many samples that the rounds take longer than the
        processor, it computes them.

    Raises
    ------
    DeviceMemoryError
        If the device has no memory for a block.
    """
    parts: list[UnitSums] = []

    def add(part: slice) -> None:
        block = _part(samples, part)
        winners, others = best[part], None if second is None else second[part]
        found = _sums(xp, block, codebook, winners, others, parts[-1] if parts else None)
        parts[:] = [found]

    if not len(samples):
        return gather(samples, codebook, best, second)
    with DEVICE_LOCK:
        rows = piece_bytes(xp) // sums_bytes(*codebook.shape) * BLOCK_SAMPLES
        work_in_pieces(xp, add, len(samples), rows, least=BLOCK_SAMPLES)
    return parts[0]


def _part(samples: Samples, part: slice) -> Samples:
    return Samples(samples.values[part], None if samples.weights is None else samples.weights[part], None)


def _sums(
    xp: Any,
    samples: Samples,
    codebook: NDArray[np.float64],
    best: NDArray[Any],
    second: NDArray[Any] | None,
    before: UnitSums | None,
) -> UnitSums:
    """Add the sums of some blocks to those of the blocks before them."""
    (units, bands), count = codebook.shape, len(samples)
    winners = xp.asarray(best).astype(np.int64)
    segments = xp.arange(count) // BLOCK_SAMPLES * units + winners  # the units of the first block, of the second ...
    sizes = xp.bincount(segments, minlength=-(-count // BLOCK_SAMPLES) * units)
    if int(sizes.max()) * _ROUND_VALUES > count * bands:
        return _sums_of_processor(samples, codebook, best, second, before)
    values, distances = _columns(xp, samples, codebook, winners, second)
    by_segment = _sums_in_rounds(xp, values, segments, sizes).reshape(-1, units, values.shape[1])
    total = xp.zeros((units, values.shape[1])) if before is None else xp.asarray(_packed(before))
    for block in by_segment:
        total += block
    distance = 0.0 if before is None else before.distance
    for begin in range(0, count, BLOCK_SAMPLES):
        # one after another, as the processor does
        distance += float(np.add.accumulate(distances[begin : begin + BLOCK_SAMPLES])[-1])
    return _unpacked(to_host(total), bands, distance)


def _sums_of_processor(
    samples: Samples,
    codebook: NDArray[np.float64],
    best: NDArray[Any],
    second: NDArray[Any] | None,
    before: UnitSums | None,
) -> UnitSums:
    blocks = [] if before is None else [before]
    for begin in range(0, len(samples), BLOCK_SAMPLES):
        part = slice(begin, begin + BLOCK_SAMPLES)
        others = None if second is None else second[part]
        blocks = [add_up([*blocks, gather(_part(samples, part), codebook, best[part], others)])]
    return blocks[0]


def _columns(
    xp: Any, samples: Samples, codebook: NDArray[np.float64], winners: Any, second: NDArray[Any] | None
) -> tuple[Any, NDArray[np.float64]]:
    """Return what is summed of each sample, on the device, and its weighted distance, of NumPy."""
    bands = codebook.shape[1]
    values, vectors = xp.asarray(samples.values).astype(np.float64), xp.asarray(codebook)
    weight = xp.ones(len(values)) if samples.weights is None else xp.asarray(samples.weights).astype(np.float64)
    error = _squared_distances(xp, values, vectors, winners)
    columns = xp.empty((len(values), bands + (2 if second is None else 3)))
    columns[:, :bands] = values * weight[:, np.newaxis]
    columns[:, bands] = weight
    columns[:, bands + 1] = weight * error
    if second is not None:
        other = _squared_distances(xp, values, vectors, xp.asarray(second).astype(np.int64))
        columns[:, bands + 2] = weight * (other - error)
    return columns, to_host(weight * xp.sqrt(error))


def _squared_distances(xp: Any, values: Any, vectors: Any, units: Any) -> Any:
    """Return the squared distance of each sample to its unit, added up band by band."""
    total = xp.zeros(len(values))
    for band in range(values.shape[1]):
        away = values[:, band] - vectors[units, band]
        away *= away
        total += away
    return total


def _sums_in_rounds(xp: Any, values: Any, segments: Any, sizes: Any) -> Any:
    """Return the sums of the rows of each segment, added one after another, shape (segments, columns)."""
    ordered = values[xp.argsort(segments, kind="stable")]
    largest_first = xp.argsort(-sizes, kind="stable")
    first = (xp.cumsum(sizes) - sizes)[largest_first]
    descending = to_host(sizes[largest_first])
    active = np.searchsorted(-descending, -np.arange(descending[0]))  # segments with more rows than have been added
    sums = xp.zeros((len(sizes), values.shape[1]))
    for number, count in enumerate(active.tolist()):
        unfinished = sums[:count]
        unfinished += ordered[first[:count] + number]
    result = xp.empty_like(sums)
    result[largest_first] = sums
    return result


def _packed(sums: UnitSums) -> NDArray[np.float64]:
    columns = [sums.sums, sums.hits[:, np.newaxis], sums.squared_errors[:, np.newaxis]]
    return np.hstack(columns if sums.utilities is None else [*columns, sums.utilities[:, np.newaxis]])


def _unpacked(columns: NDArray[np.float64], bands: int, distance: float) -> UnitSums:
    hits = columns[:, bands].copy()
    return UnitSums(
        sums=np.ascontiguousarray(columns[:, :bands]),
        counts=hits[:, np.newaxis],
        hits=hits,
        squared_errors=columns[:, bands + 1].copy(),
        distance=distance,
        utilities=columns[:, bands + 2].copy() if columns.shape[1] > bands + 2 else None,
    )
