"""Cache parsed headers: each is parsed once per process, several in parallel; the least recently used are dropped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class HeaderCache(Generic[T]):
    """An LRU cache; threads that request the same key wait for the first of them, without blocking other keys.

    Parameters
    ----------
    most : int
        Limit of the total size of the cached values; one larger value is still cached.
    size : callable
        Returns the size of a value, in the unit of `most`.
    """

    def __init__(self, most: int, size: Callable[[T], int] = lambda value: 1) -> None:
        self._most, self._size = most, size
        self._lock = Lock()
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._pending: dict[Hashable, Future[T]] = {}
        self._held = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made if it is not cached; an error of `make` is raised in all waiting threads."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            pending = self._pending.get(key)
            own = Future[T]()
            if pending is None:
                self._pending[key] = own
        if pending is not None:
            return pending.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            own.set_exception(error)
            raise
        with self._lock:
            size = self._size(value)
            self._values[key] = value, size
            self._held += size
            while self._held > self._most and len(self._values) > 1:
                _, (_, dropped) = self._values.popitem(last=False)
                self._held -= dropped
            del self._pending[key]
        own.set_result(value)
        return value

    def cache_clear(self) -> None:
        """Drop all values."""
        with self._lock:
            self._values.clear()
            self._held = 0
