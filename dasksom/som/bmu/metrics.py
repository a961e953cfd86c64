"""How far a sample is from a unit: one function and one line in `METRICS` per metric.

A metric goes over the bands one by one and takes the difference in each into a running total, that starts at zero; the
nearest unit is the one with the least total. The functions are written in NumPy's arithmetic, so that they work on
arrays, are compiled by Numba (`dasksom.som.bmu.exact_search`), and where `dasksom.som.bmu.rounding` has a bound for
them also run once on stand-ins for the processor's vectors (`dasksom.som.bmu.llvm_kernels`), which is several times as
fast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def add_square(total: Any, away: Any) -> Any:
    """Go on to the squared Euclidean distance: sum of (x - w)^2."""
    return total + away * away


def add_absolute(total: Any, away: Any) -> Any:
    """Go on to the Manhattan distance: sum of abs(x - w)."""
    return total + np.absolute(away)


def keep_largest(total: Any, away: Any) -> Any:
    """Go on to the Chebyshev distance: max of abs(x - w)."""
    return np.maximum(total, np.absolute(away))


@dataclass(frozen=True)
class Metric:
    """One way to tell which unit is nearest.

    Attributes
    ----------
    step : callable
        ``step(total, away)`` takes the difference of one more band into the total. It may use what Numba compiles;
        with a rounding bound sums, differences, products, `numpy.absolute`, `numpy.maximum` and `numpy.minimum`.
    unit_length : bool
        Whether samples and units are divided by their Euclidean length first. Then zero vectors, that have no
        direction, are as far from everything as two vectors at right angles.
    """

    step: Callable[[Any, Any], Any]
    unit_length: bool = False


METRICS = {
    "euclidean": Metric(add_square),
    "manhattan": Metric(add_absolute),
    "chebyshev": Metric(keep_largest),
    "cosine": Metric(add_square, unit_length=True),  # of vectors of length 1, |x - w|^2 / 2 = 1 - x.w
}
