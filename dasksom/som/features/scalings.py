"""Scalings of features: (feature - center) / spread, with numbers from all pixels.

To add one: write its function of the statistics and add its line to ``SCALINGS``. NumPy is not imported, so that help
texts and configurations do not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of each feature over the pixels, shape (features,) each; NaN where there are no values."""

    mean: Numbers | None = None
    deviation: Numbers | None = None
    """Standard deviation of the population (ddof=0)."""
    percentiles: tuple[Numbers, ...] = ()
    """One for each number of the scaling."""


def _standard(of: Statistics) -> tuple[Numbers, Numbers]:
    assert of.mean is not None  # noqa: S101 - not percentiles
    assert of.deviation is not None  # noqa: S101 - not percentiles
    return of.mean, of.deviation


def _over_percentile(of: Statistics) -> tuple[Numbers, Numbers]:
    return 0 * of.percentiles[0], abs(of.percentiles[0])


def _between_percentiles(of: Statistics) -> tuple[Numbers, Numbers]:
    return of.percentiles[0], of.percentiles[1] - of.percentiles[0]


@dataclass(frozen=True)
class Scaling:
    """A scaling: from statistics to center and spread."""

    numbers_of: Callable[[Statistics], tuple[Numbers, Numbers]]
    defaults: tuple[float, ...] = ()
    """Percentiles, from 0 to 100; none: mean and standard deviation."""
    positive: bool = False
    """Whether the percentiles are those of the values above 0."""

    def check(self, numbers: tuple[float, ...]) -> str:
        """Return the accepted numbers, in words, if these are not; "" if they are."""
        ascending = all(low < high for low, high in pairwise(numbers))
        return "" if ascending and all(0 <= number <= 100 for number in numbers) else "percentiles from 0 to 100"


SCALINGS: dict[str, Scaling] = {
    "none": Scaling(_standard),
    "standard": Scaling(_standard),
    "percentile": Scaling(_over_percentile, (99.9,)),
    "positive": Scaling(_over_percentile, (99.9,), positive=True),
    "minmax": Scaling(_between_percentiles, (1.0, 99.0)),
}
"""Scalings by name: none; zero mean and unit variance; over a percentile; over a percentile of the values above 0 (for
bands that are 0 almost everywhere); between two percentiles (0,100 for the extremes)."""


@dataclass(frozen=True)
class ScalingCost:
    """Passes and memory that a scaling adds to a training that streams."""

    passes: int = 0
    chunk_bytes: int = 0
    """Bytes of the counts of one chunk."""
