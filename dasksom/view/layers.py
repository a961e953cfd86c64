"""Tiles of a lazy pyramid, each decoded from a bounded number of blocks.

Tiles have `VIEW_TILE` pixels a side. A tile of step s shows every s-th row and column of the image, from the first, or,
where the file has coarser levels, the pixels there of the coarsest level that is fine enough. Tiles that would need too
much decoding come from an overview that is read in the background.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import product
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.view.cache import Block, BlockCache
from dasksom.view.levels import ImageLevel
from dasksom.view.overview import ProgressiveOverview

VIEW_TILE = 256
"""Pixels a side of a tile."""
TILE_BYTES = 48 << 20
"""Most bytes decoded for one tile of more than `_CORNER` blocks."""
_CORNER = 4
"""Blocks that meet in a point, all of which the smallest tile may need."""
OVERVIEW_SIDE = 2048
"""Most pixels a side of an overview."""


class Layer:
    """Tiles of one image.

    Parameters
    ----------
    name : str
        Different for each layer of a cache.
    levels : sequence of ImageLevel
        The finest first.
    cache : BlockCache
    render : callable (Block) -> ndarray of shape (rows, columns, ...)
        Turns parts of the arrays into the values of a tile; zeros are no data.
    """

    side = VIEW_TILE

    def __init__(
        self, name: str, levels: Sequence[ImageLevel], cache: BlockCache, render: Callable[[Block], Any]
    ) -> None:
        self.name, self.levels, self.render = name, tuple(levels), render
        self._cache = cache
        self.overview = self._make_overview()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.levels[0].size

    def tile(self, step: int, row: int, column: int, executor: Executor) -> tuple[NDArray[Any], bool]:
        """Return a tile, and whether it is complete: an overview may still be in the making.

        Parameters
        ----------
        step : int
            A power of two: rows and columns of the image for one of the tile.
        row, column : int
            Of the tile.
        executor : Executor
            Reads the overview, where one is needed.

        Returns
        -------
        (ndarray of shape (VIEW_TILE, VIEW_TILE, ...), bool)
            Zero beyond the image's end.
        """
        rows, columns = (
            np.arange(start * VIEW_TILE, min((start + 1) * VIEW_TILE, -(-length // step))) * step
            for start, length in zip((row, column), self.size, strict=True)
        )
        complete = True
        if self.overview is not None and (
            self._is_costly(step) or (self.overview.share == 1 and step >= self.overview.step)
        ):
            self.overview.start(executor)
            values, complete = self.overview.take(rows, columns)
        else:
            values = self.render(self.take(self._level_for(step), rows, columns))
        full = np.zeros((VIEW_TILE, VIEW_TILE, *values.shape[2:]), values.dtype)
        full[: values.shape[0], : values.shape[1]] = values
        return full, complete

    def take(self, number: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Block:
        """Return the values of a level at ascending rows and columns of the image."""
        level = self.levels[number]
        positions = [
            np.minimum((index / factor).astype(np.int64), length - 1)
            for index, factor, length in zip((rows, columns), level.factors, level.size, strict=True)
        ]
        ends = [np.cumsum(lengths) for lengths in level.chunks]
        owners = [np.searchsorted(end, position, side="right") for end, position in zip(ends, positions, strict=True)]
        out = tuple(np.zeros((len(rows), len(columns), *part.shape[2:]), part.dtype) for part in level.arrays)
        for down, across in product(*(np.unique(owner) for owner in owners)):
            block = self._block(number, int(down), int(across))
            here = np.ix_(owners[0] == down, owners[1] == across)
            first = [end[index - 1] if index else 0 for end, index in zip(ends, (down, across), strict=True)]
            inside = np.ix_(positions[0][owners[0] == down] - first[0], positions[1][owners[1] == across] - first[1])
            for target, part in zip(out, block, strict=True):
                target[here] = part[inside]
        return out

    def _block(self, number: int, down: int, across: int) -> Block:
        return self._cache.get((self.name, number, down, across), lambda: self.levels[number].read(down, across))

    def _level_for(self, step: int) -> int:
        """Return the coarsest level that is as fine as a step, up to a rounding of its size."""
        fine = [n for n, level in enumerate(self.levels) if max(level.factors) <= step * 1.02]
        return fine[-1] if fine else 0

    def _is_costly(self, step: int) -> bool:
        """Return whether a tile needs more decoding than a user should wait for."""
        level = self.levels[self._level_for(step)]
        count = 1
        for factor, lengths in zip(level.factors, level.chunks, strict=True):
            count *= min(len(lengths), ceil(VIEW_TILE * step / factor / lengths[0]))
        return count > _CORNER and count * level.block_bytes > TILE_BYTES

    def _make_overview(self) -> ProgressiveOverview | None:
        step = 1
        while max(self.size) > VIEW_TILE * step:
            step *= 2
        if not self._is_costly(step):
            return None
        # of the level that the coarsest tile, which shows all of the image, would be made of
        coarsest = self.levels[self._level_for(step)]
        step = 1
        while -(-max(self.size) // step) > OVERVIEW_SIDE:
            step *= 2
        return ProgressiveOverview(coarsest, self.size, step, self.render)
