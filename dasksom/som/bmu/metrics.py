"""Distance metrics: one function and one line in `METRICS` each.

A metric updates a running total, initially zero, with the difference in each band; the nearest unit has the least
total. The functions use NumPy's arithmetic: they work on arrays, and Numba compiles them for
`dasksom.som.bmu.exact_search`.
If `dasksom.som.bmu.rounding` has a bound for a function, it is also traced once to emit vector code
(`dasksom.som.bmu.llvm_kernels`), which is several times as fast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def add_square(total: Any, away: Any) -> Any:
    """Step of the squared Euclidean distance: sum of (x - w)^2."""
    return total + away * away


def add_absolute(total: Any, away: Any) -> Any:
    """Step of the Manhattan distance: sum of abs(x - w)."""
    return total + np.absolute(away)


def keep_largest(total: Any, away: Any) -> Any:
    """Step of the Chebyshev distance: max of abs(x - w)."""
    return np.maximum(total, np.absolute(away))


@dataclass(frozen=True)
class Metric:
    """A definition of the nearest unit.

    Attributes
    ----------
    step : callable
        ``step(total, away)`` returns the total updated with the difference in one more band. It may use anything that
        Numba compiles; with a rounding bound only sums, differences, products, `numpy.absolute`, `numpy.maximum` and
        `numpy.minimum`.
    unit_length : bool
        Whether samples and units are divided by their Euclidean length first. Zero vectors, which have no direction,
        are then as far from all vectors as orthogonal vectors are from each other.
    """

    step: Callable[[Any, Any], Any]
    unit_length: bool = False


METRICS = {
    "euclidean": Metric(add_square),
    "manhattan": Metric(add_absolute),
    "chebyshev": Metric(keep_largest),
    "cosine": Metric(add_square, unit_length=True),  # for vectors of length 1, |x - w|^2 / 2 = 1 - x.w
}
