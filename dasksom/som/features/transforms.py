"""Transforms of bands before they are scaled.

To add one: write its function and that of its inverse, and add its line to ``TRANSFORMS``. NumPy is imported on first
use, so that help texts and configurations do not need it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dasksom.deferred import deferred

_arcsinh, _sinh = deferred("numpy:arcsinh"), deferred("numpy:sinh")


@dataclass(frozen=True)
class Transform:
    """An increasing function of one band."""

    forward: Callable[..., Any]
    """Takes values (float64) and the numbers of the transform."""
    inverse: Callable[..., Any]
    """Takes the result of `forward` and the same numbers."""
    defaults: tuple[float, ...] = ()
    above: float = -math.inf
    """Values at or below it have no result, and are missing."""

    def check(self, numbers: tuple[float, ...]) -> str:
        """Return the accepted numbers, in words, if these are not; "" if they are."""
        return "" if all(0 < number < math.inf for number in numbers) else "a number above 0"


_BELOW_ZERO = math.nextafter(0.0, -1.0)

TRANSFORMS: dict[str, Transform] = {
    "none": Transform(lambda values: values, lambda values: values),
    "log1p": Transform(deferred("numpy:log1p"), deferred("numpy:expm1"), above=-1.0),
    "sqrt": Transform(deferred("numpy:sqrt"), deferred("numpy:square"), above=_BELOW_ZERO),
    "arcsinh": Transform(
        lambda values, cofactor: _arcsinh(values / cofactor),
        lambda values, cofactor: _sinh(values) * cofactor,
        defaults=(5.0,),
    ),
}
"""Transforms by name. arcsinh(x / 5) is that of mass cytometry (FlowSOM)."""
