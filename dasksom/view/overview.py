"""An overview of an image without coarse levels, read block by block in the background and shown as it grows.

A compressed block cannot be read in part, so all of an image of 10^9 pixels must be decoded before it can be shown
small: that takes seconds. Blocks are read in scattered order, so that something of every region appears soon.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.view.cache import Block
from dasksom.view.levels import ImageLevel

_GOLDEN = 5**0.5 / 2 - 0.5


class ProgressiveOverview:
    """Every nth row and column of an image.

    Parameters
    ----------
    level : ImageLevel
        The level that is read.
    size : (int, int)
        Height and width of the image at full resolution.
    step : int
        Rows and columns of the image for one of the overview.
    render : callable (Block) -> ndarray of shape (rows, columns, ...)
        Turns arrays of the level into the values that are stored.
    """

    def __init__(
        self,
        level: ImageLevel,
        size: tuple[int, int],
        step: int,
        render: Callable[[Block], Any],
    ) -> None:
        self.step = step
        self._level, self._render = level, render
        self._lock, self.started, self._blocks_read = Lock(), False, 0
        self._error: Exception | None = None
        self._blocks = list(product(*(range(len(lengths)) for lengths in level.chunks)))
        # the level's row, or column, of each row, or column, of the overview
        self._positions = [
            np.minimum((np.arange(0, length, step) / factor).astype(np.int64), end - 1)
            for length, factor, end in zip(size, level.factors, level.size, strict=True)
        ]
        empty = render(tuple(np.zeros((0, 0, *part.shape[2:]), part.dtype) for part in level.arrays))
        shape = len(self._positions[0]), len(self._positions[1])
        self._values = np.zeros((*shape, *empty.shape[2:]), empty.dtype)
        self._known = np.zeros(shape, np.bool_)

    @property
    def share(self) -> float:
        """Share of the blocks that are read, 0 to 1."""
        return self._blocks_read / len(self._blocks)

    def start(self, executor: Executor) -> None:
        """Start reading all blocks, once."""
        with self._lock:
            if self.started:
                return
            self.started = True
        count = len(self._blocks)
        for number in np.argsort(np.arange(count) * _GOLDEN % 1.0):
            executor.submit(self._read_block, *self._blocks[number])

    def take(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[NDArray[Any], bool]:
        """Return the values at rows and columns of the image, zeros where not read yet; and whether all are read.

        Raises
        ------
        Exception
            What reading a block raised.
        """
        if self._error is not None:
            raise self._error
        here = np.ix_(rows // self.step, columns // self.step)
        known = bool(self._known[here].all())  # looked up first: values are stored before
        return self._values[here], known

    def _read_block(self, down: int, across: int) -> None:
        if self._error is not None:
            return
        try:
            self._fill(down, across)
        except Exception as error:  # the page shows any error
            self._error = error
        with self._lock:
            self._blocks_read += 1

    def _fill(self, down: int, across: int) -> None:
        inside, taken = [], []
        for positions, lengths, index in zip(self._positions, self._level.chunks, (down, across), strict=True):
            start = sum(lengths[:index])
            part = np.flatnonzero((positions >= start) & (positions < start + lengths[index]))
            inside.append(part)
            taken.append(positions[part] - start)
        if all(map(len, inside)):
            block = self._level.read(down, across)
            self._values[np.ix_(*inside)] = self._render(tuple(part[np.ix_(*taken)] for part in block))
            self._known[np.ix_(*inside)] = True
