"""A lazy pyramid as tiles that a page asks for: a bounded number of blocks is decoded for each.

Tiles have `TILE` pixels a side. A tile of step s shows every s-th row and column of the image, counted from its first
one, or, where the file has coarser levels, the pixel of the coarsest level that is fine enough and lies there. Tiles
for which too much would be decoded come from an overview that is read in the background.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import product
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.view.cache import Block, BlockCache
from dasksom.view.levels import Level
from dasksom.view.overview import Survey

TILE = 256
MOST_BYTES = 48 << 20
"""Of what is decoded for one tile, unless it is of no more than `CORNER` blocks."""
CORNER = 4
"""Blocks that meet in a point: so many may be needed for however small a tile."""
OVERVIEW_SIDE = 2048
"""Most pixels a side of an overview."""


class Layer:
    """Tiles of one image.

    Parameters
    ----------
    name : str
        Different for each layer of a cache.
    levels : sequence of Level
        The finest first.
    cache : BlockCache
    render : callable (Block) -> ndarray of shape (rows, columns, ...)
        Turns what was taken out of the arrays into what a tile holds; zeros are nothing.
    """

    side = TILE

    def __init__(self, name: str, levels: Sequence[Level], cache: BlockCache, render: Callable[[Block], Any]) -> None:
        self.name, self.levels, self.render = name, tuple(levels), render
        self._cache = cache
        self.survey = self._survey()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.levels[0].size

    def tile(self, step: int, row: int, column: int, executor: Executor) -> tuple[NDArray[Any], bool]:
        """Give a tile, and whether it is whole: of an overview that is still being read there may be more later.

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
        (ndarray of shape (TILE, TILE, ...), bool)
            Beyond the image's end it is zero.
        """
        rows, columns = (
            np.arange(start * TILE, min((start + 1) * TILE, -(-length // step))) * step
            for start, length in zip((row, column), self.size, strict=True)
        )
        whole = True
        if self.survey is not None and (self._is_costly(step) or (self.survey.share == 1 and step >= self.survey.step)):
            self.survey.start(executor)
            found, whole = self.survey.take(rows, columns)
        else:
            found = self.render(self.take(self._level_for(step), rows, columns))
        full = np.zeros((TILE, TILE, *found.shape[2:]), found.dtype)
        full[: found.shape[0], : found.shape[1]] = found
        return full, whole

    def take(self, number: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Block:
        """Take what a level holds at ascending rows and columns of the image."""
        level = self.levels[number]
        places = [
            np.minimum((at / factor).astype(np.int64), length - 1)
            for at, factor, length in zip((rows, columns), level.factors, level.size, strict=True)
        ]
        ends = [np.cumsum(lengths) for lengths in level.chunks]
        owners = [np.searchsorted(end, place, side="right") for end, place in zip(ends, places, strict=True)]
        out = tuple(np.zeros((len(rows), len(columns), *part.shape[2:]), part.dtype) for part in level.arrays)
        for down, across in product(*(np.unique(owner) for owner in owners)):
            block = self._block(number, int(down), int(across))
            here = np.ix_(owners[0] == down, owners[1] == across)
            first = [end[at - 1] if at else 0 for end, at in zip(ends, (down, across), strict=True)]
            inside = np.ix_(places[0][owners[0] == down] - first[0], places[1][owners[1] == across] - first[1])
            for target, part in zip(out, block, strict=True):
                target[here] = part[inside]
        return out

    def _block(self, number: int, down: int, across: int) -> Block:
        return self._cache.get((self.name, number, down, across), lambda: self.levels[number].read(down, across))

    def _level_for(self, step: int) -> int:
        """Give the coarsest level that is as fine as a step, up to a rounding of its size."""
        fine = [n for n, level in enumerate(self.levels) if max(level.factors) <= step * 1.02]
        return fine[-1] if fine else 0

    def _is_costly(self, step: int) -> bool:
        """Tell whether a tile is made of more than can be decoded while somebody waits."""
        level = self.levels[self._level_for(step)]
        count = 1
        for factor, lengths in zip(level.factors, level.chunks, strict=True):
            count *= min(len(lengths), ceil(TILE * step / factor / lengths[0]))
        return count > CORNER and count * level.block_bytes > MOST_BYTES

    def _survey(self) -> Survey | None:
        step = 1
        while max(self.size) > TILE * step:
            step *= 2
        if not self._is_costly(step):
            return None
        # of the level that the coarsest tile, the whole image, would be made of
        coarsest = self.levels[self._level_for(step)]
        step = 1
        while -(-max(self.size) // step) > OVERVIEW_SIDE:
            step *= 2
        return Survey(coarsest, self.size, step, self.render)
