"""Merge small regions of a class image into their largest neighbors, over the borders of chunks.

Regions inside a chunk are merged in it. The driver connects the others from the borders of the chunks, in two passes:
the first returns the pixels of each region that touches a border; the second, which knows the sizes, their largest
neighbors. The driver holds the border lines of the chunks, not their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dasksom.chunkwise import Corner, Progress, map_chunks
from dasksom.som.class_images.regions import chain_ends, contact_order, find_largest_neighbors, label_regions

_LINES: dict[str, Any] = {
    "top": (0, slice(None)),
    "bottom": (-1, slice(None)),
    "left": (slice(None), 0),
    "right": (slice(None), -1),
}


@dataclass(frozen=True, eq=False)
class _ChunkBorder:
    """The regions of a chunk that touch its border, numbered from 0 in the order of their labels."""

    corner: Corner
    values: NDArray[np.int64]
    """Class of each region."""
    sizes: NDArray[np.int64]
    """Pixels of each region in this chunk."""
    lines: dict[str, NDArray[np.int32]]
    """Region of each pixel of the border lines; -1 without class."""


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Neighbors of small regions that touch borders; the best of each is its largest neighbor."""

    regions: NDArray[np.int64]
    sizes: NDArray[np.int64]
    """Size of the neighbor."""
    contacts: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Region at the end of the chain that begins with the neighbor; -1 if it is inside a chunk, or there is none."""
    values: NDArray[np.int64]
    """Class at the end of the chain where it is inside a chunk; 0 if there is no end."""


@dataclass(frozen=True, eq=False)
class RegionSieve:
    """Merges the small regions of the chunks of one class image."""

    least: int
    """Regions with fewer pixels are merged."""
    width: int
    """Width of the image."""
    regions: dict[Corner, NDArray[np.int64]] = field(repr=False)
    """Region of the image of each region at the border of a chunk."""
    sizes: NDArray[np.int64] = field(repr=False)
    """Pixels of each region that touches a border."""
    values: NDArray[np.int64] = field(repr=False)
    """Class of each region that touches a border, after merging once `sieve_of` has returned it."""

    def merge(self, classes: NDArray[Any], corner: Corner) -> NDArray[Any]:
        """Return the classes of a chunk after merging; shape (rows, columns)."""
        chunk = _ChunkRegions.of(classes, corner, self)
        after = chunk.values.copy()
        inside = chunk.at_border[chunk.ends] < 0
        after[inside] = np.where(chunk.ends[inside] > 0, chunk.values[chunk.ends[inside]], after[inside])
        ends = self.values[chunk.at_border[chunk.ends[~inside]]]
        after[~inside] = np.where(ends > 0, ends, after[~inside])
        return after.astype(classes.dtype)[chunk.labels]


@dataclass(frozen=True, eq=False)
class _ChunkRegions:
    """All regions of a chunk; region 0 is the pixels without class."""

    labels: NDArray[np.int32]
    values: NDArray[np.int64]
    sizes: NDArray[np.int64]
    at_border: NDArray[np.int64]
    """Region of the image of each region; -1 for those inside the chunk."""
    neighbors: NDArray[np.int32]
    contacts: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Region at the end of the chain from each region: a large one or one at the border; 0 if there is none."""

    @classmethod
    def of(cls, classes: NDArray[Any], corner: Corner, sieve: RegionSieve) -> _ChunkRegions:
        labels, values = label_regions(classes)
        sizes = np.bincount(labels.reshape(-1), minlength=len(values))
        sizes[0] = 0
        at_border = np.full(len(values), -1)
        at_border[_border_labels(labels)] = regions = sieve.regions[corner]
        sizes[at_border >= 0] = sieve.sizes[regions]
        neighbors, contacts = np.zeros(len(values), np.int32), np.zeros(len(values), np.int64)
        place = int(corner[0]), int(corner[1])
        find_largest_neighbors(labels, sizes, sieve.least, place, sieve.width, neighbors, contacts)
        is_end = (at_border >= 0) | (sizes >= sieve.least)
        ends = chain_ends(np.where(neighbors > 0, neighbors, -1), is_end)
        return cls(labels, values, sizes, at_border, neighbors, contacts, np.maximum(ends, 0))


def _border_labels(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    found = np.unique(np.concatenate([labels[line] for line in _LINES.values()]))
    return found[found > 0]


def _border_of_chunk(block: NDArray[Any], corner: Corner) -> tuple[_ChunkBorder, ...]:
    labels, values = label_regions(block[..., 0])
    touching = _border_labels(labels)
    numbers = np.full(len(values), -1, np.int32)
    numbers[touching] = np.arange(len(touching))
    sizes = np.bincount(labels.reshape(-1), minlength=len(values))[touching]
    lines = {name: numbers[labels[line]] for name, line in _LINES.items()}
    return (_ChunkBorder(corner[:2], values[touching], sizes, lines),)


def _candidates_of_chunk(block: NDArray[Any], corner: Corner, *, sieve: RegionSieve) -> tuple[_Candidates, ...]:
    chunk = _ChunkRegions.of(block[..., 0], corner[:2], sieve)
    small = np.flatnonzero((chunk.at_border >= 0) & (chunk.neighbors > 0))
    neighbors = chunk.neighbors[small]
    ends = chunk.ends[neighbors]
    values = np.where((ends > 0) & (chunk.at_border[ends] < 0), chunk.values[ends], 0)
    found = chunk.at_border[small], chunk.sizes[neighbors], chunk.contacts[small], chunk.at_border[ends], values
    return (_Candidates(*found),)


def _listed(parts: Sequence[Iterable[Any]]) -> Iterable[Any]:
    return tuple(chain.from_iterable(parts))


def sieve_of(classes: da.Array, least: int, progress: Progress | None = None) -> RegionSieve:
    """Find what becomes of the regions that touch the borders of chunks, in two passes.

    Parameters
    ----------
    classes : dask array of shape (height, width, 1), unsigned
    least : int
        Least number of pixels of a region that is not merged.
    progress : callable, optional
    """

    def run(function: Callable[..., tuple[Any, ...]], **arguments: Any) -> list[Any]:
        return list(chain.from_iterable(map_chunks(classes, function, _listed, progress=progress, **arguments)))

    borders: list[_ChunkBorder] = run(_border_of_chunk)
    sieve, touching = _connected(borders, least, classes.shape[1])
    return _merged(sieve, [*touching, *run(_candidates_of_chunk, sieve=sieve)])


def _connected(borders: Sequence[_ChunkBorder], least: int, width: int) -> tuple[RegionSieve, list[_Candidates]]:
    """Connect regions of equal classes over the borders; return those that touch there as candidates of each other."""
    starts = np.cumsum([0, *(len(border.sizes) for border in borders)])
    values = np.concatenate([border.values for border in borders])
    pairs = list(_pairs(borders, starts[:-1], width))
    first, second, contacts = (np.concatenate([pair[part] for pair in pairs] or [starts[:0]]) for part in range(3))
    equal = values[first] == values[second]
    edges = coo_array((np.ones(equal.sum(), np.int8), (first[equal], second[equal])), shape=(starts[-1], starts[-1]))
    count, members = connected_components(edges, directed=False)
    sizes, value_of = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(sizes, members, np.concatenate([border.sizes for border in borders]))
    value_of[members] = values
    regions = {
        border.corner: members[start:stop].astype(np.int64)
        for border, start, stop in zip(borders, starts[:-1], starts[1:], strict=True)
    }
    one, other, contacts = members[first[~equal]], members[second[~equal]], contacts[~equal]
    touching = [
        _Candidates(region, sizes[neighbor], contacts, neighbor.astype(np.int64), np.zeros(len(region), np.int64))
        for region, neighbor in ((one, other), (other, one))
    ]
    return RegionSieve(least, width, regions, sizes, value_of), touching


def _pairs(
    borders: Sequence[_ChunkBorder], starts: NDArray[np.int64], width: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the regions on both sides of each border between chunks, pixel by pixel, and the order of their contact."""
    number = {border.corner: index for index, border in enumerate(borders)}
    for index, border in enumerate(borders):
        row, column = border.corner
        below = number.get((row + len(border.lines["left"]), column))
        right = number.get((row, column + len(border.lines["top"])))
        for side, next_index, line, next_line in ((0, below, "bottom", "top"), (1, right, "right", "left")):
            if next_index is None:
                continue
            here, there = border.lines[line], borders[next_index].lines[next_line]
            along = np.flatnonzero((here >= 0) & (there >= 0))
            down, across = borders[next_index].corner
            rows, columns = (down, across + along) if side == 0 else (down + along, across)
            order = contact_order(rows, columns, width, side)
            yield starts[index] + here[along], starts[next_index] + there[along], order


def _merged(sieve: RegionSieve, candidates: Sequence[_Candidates]) -> RegionSieve:
    """Return the sieve with the classes of the regions after merging; 0 for small ones that keep theirs."""
    regions, sizes, contacts, ends, values = (
        np.concatenate([getattr(part, column.name) for part in candidates]) for column in fields(_Candidates)
    )
    is_small = sieve.sizes < sieve.least
    order = np.lexsort((contacts, -sizes, regions))
    order = order[is_small[regions[order]]]
    found, first = np.unique(regions[order], return_index=True)
    chosen = order[first]
    following = np.full(len(sieve.sizes), -1)
    following[found] = ends[chosen]
    after = np.where(is_small, 0, sieve.values)
    after[found] = values[chosen]
    is_end = ~is_small | (after > 0)
    end = chain_ends(following, is_end)
    return replace(sieve, values=np.where(end >= 0, after[end], 0))
