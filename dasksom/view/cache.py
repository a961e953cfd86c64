"""A cache of decoded blocks of images, of which a page asks for many tiles each."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = tuple[NDArray[Any], ...]
"""Arrays of the same rows and columns."""


class BlockCache:
    """Caches the blocks that were used last; each is made once, however many threads ask for it at the same time.

    Parameters
    ----------
    capacity : int
        Bytes of all blocks together. The last one is cached whatever its size: else each of its tiles would decode it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._blocks: OrderedDict[Hashable, Block] = OrderedDict()
        self._underway: dict[Hashable, Future[Block]] = {}
        self._bytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the cached blocks."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Block]) -> Block:
        """Return a block; an error of `make` reaches all threads that wait for it, and the next one tries again."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
            waiting = self._underway.get(key)
            if waiting is None:
                mine = self._underway[key] = Future()
        if waiting is not None:
            return waiting.result()
        try:
            block = make()
        except BaseException as error:
            with self._lock:
                del self._underway[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._underway[key]
            self._blocks[key] = block
            self._bytes += _size(block)
            while self._bytes > self.capacity and len(self._blocks) > 1:
                self._bytes -= _size(self._blocks.popitem(last=False)[1])
        mine.set_result(block)
        return block


def _size(block: Block) -> int:
    return sum(np.asarray(part).nbytes for part in block)
