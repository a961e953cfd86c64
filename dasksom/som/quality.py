"""How well a codebook fits the samples that it labeled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Quality:
    """Hits and errors over some samples."""

    hits: NDArray[np.int64]
    """Samples of each unit, shape (units,)."""
    squared_error: float
    """Sum over the samples of the squared Euclidean distance to their unit."""

    @property
    def mean_squared_error(self) -> float:
        """Mean over the samples of the squared Euclidean distance to their unit (summed over the bands)."""
        return self.squared_error / int(self.hits.sum())


def add_qualities(parts: Sequence[Quality]) -> Quality:
    """Combine the qualities of several groups of samples, in the order given."""
    hits, squared_error = parts[0].hits, parts[0].squared_error
    for part in parts[1:]:
        hits, squared_error = hits + part.hits, squared_error + part.squared_error
    return Quality(hits, squared_error)
