"""A small view of an image that has no coarse levels: read block by block in the background, shown as it grows.

A compressed block cannot be read in part, so the whole of an image of 10^9 pixels must be decoded before all of it can
be shown small: that takes seconds. Blocks are read in scattered order, so that something of every part is soon there.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.view.cache import Block
from dasksom.view.levels import Level

_GOLDEN = 5**0.5 / 2 - 0.5


class Survey:
    """Every nth row and column of an image.

    Parameters
    ----------
    level : Level
        What to read.
    size : (int, int)
        Height and width of the image at full resolution.
    step : int
        Rows and columns of the image for one of the view.
    render : callable (Block) -> ndarray of shape (rows, columns, ...)
        Turns what was taken of it into what is kept.
    """

    def __init__(
        self,
        level: Level,
        size: tuple[int, int],
        step: int,
        render: Callable[[Block], Any],
    ) -> None:
        self.step = step
        self._level, self._render = level, render
        self._lock, self.started, self._done = Lock(), False, 0
        self._error: Exception | None = None
        self._blocks = list(product(*(range(len(lengths)) for lengths in level.chunks)))
        # the level's row, or column, that each of the view's lies in
        self._places = [
            np.minimum((np.arange(0, length, step) / factor).astype(np.int64), end - 1)
            for length, factor, end in zip(size, level.factors, level.size, strict=True)
        ]
        nothing = render(tuple(np.zeros((0, 0, *part.shape[2:]), part.dtype) for part in level.arrays))
        shape = len(self._places[0]), len(self._places[1])
        self._values = np.zeros((*shape, *nothing.shape[2:]), nothing.dtype)
        self._known = np.zeros(shape, np.bool_)

    @property
    def share(self) -> float:
        """How much of it is there, 0 to 1."""
        return self._done / len(self._blocks)

    def start(self, executor: Executor) -> None:
        """Have all blocks read; once is enough."""
        with self._lock:
            if self.started:
                return
            self.started = True
        count = len(self._blocks)
        for number in np.argsort(np.arange(count) * _GOLDEN % 1.0):
            executor.submit(self._look_at, *self._blocks[number])

    def take(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[NDArray[Any], bool]:
        """Give what is known at rows and columns of the image, zeros elsewhere; and whether that is all.

        Raises
        ------
        Exception
            What reading a block raised.
        """
        if self._error is not None:
            raise self._error
        here = np.ix_(rows // self.step, columns // self.step)
        known = bool(self._known[here].all())  # looked up first: what is known is there
        return self._values[here], known

    def _look_at(self, down: int, across: int) -> None:
        if self._error is not None:
            return
        try:
            self._fill(down, across)
        except Exception as error:  # whatever it is, the page shall say it
            self._error = error
        with self._lock:
            self._done += 1

    def _fill(self, down: int, across: int) -> None:
        inside, taken = [], []
        for places, lengths, at in zip(self._places, self._level.chunks, (down, across), strict=True):
            start = sum(lengths[:at])
            part = np.flatnonzero((places >= start) & (places < start + lengths[at]))
            inside.append(part)
            taken.append(places[part] - start)
        if all(map(len, inside)):
            block = self._level.read(down, across)
            self._values[np.ix_(*inside)] = self._render(tuple(part[np.ix_(*taken)] for part in block))
            self._known[np.ix_(*inside)] = True
