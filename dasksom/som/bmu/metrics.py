"""Distance metrics: each has one function here and one line in `dasksom.som.choices`.

A metric updates a running total, initially zero, with the difference in each band; the nearest unit has the least
total. The functions use NumPy's arithmetic: they work on arrays, and Numba compiles them for
`dasksom.som.bmu.exact_search`.
If `dasksom.som.bmu.rounding` has a bound for a function, it is also traced once to emit vector code
(`dasksom.som.bmu.llvm_kernels`), which is several times as fast.
"""

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
