"""How the inner loops are compiled."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call, and keep the result on disk for the next process.

    The GIL is released, so that dask's threads run side by side; Numba's own threads are left alone, because its
    default threading layer aborts when two of dask's threads start it; and no reordering of sums is allowed, so that
    results repeat bit for bit.
    """
    return cast("Callable[P, R]", njit(nogil=True, cache=True)(function))
