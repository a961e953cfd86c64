"""How samples are taken from a chunk and their best-matching units found: what a map's parameters say of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.color_spaces import scale_of, to_space
from dasksom.som.samples import Samples, take_samples
from dasksom.som.unit_sums import UnitSums, gather


@dataclass(frozen=True)
class Search:
    """A way to search; travels to the workers."""

    metric: str = "euclidean"
    """A name in ``dasksom.som.bmu.metrics.METRICS``."""
    precision: str = "float32"
    """Of the distances that are compared: float32 or float64."""
    missing: str = "error"
    """What NaN means: one of ``dasksom.som.samples.MISSING``."""
    color_space: str = "rgb"
    """A name in ``dasksom.som.color_spaces.COLOR_SPACES``; codebooks are in that space."""

    @property
    def _how(self) -> dict[str, Any]:
        return {"metric": self.metric, "precision": self.precision, "missing": self.missing == "bands"}

    def take(self, block: NDArray[Any], corner: tuple[int, ...], weights: NDArray[Any] | None = None) -> Samples:
        """Give the samples of a chunk that count, as they are; see `take_samples`."""
        return take_samples(block, corner, weights, self.missing)

    def convert(self, samples: Samples, dtype: np.dtype[Any]) -> Samples:
        """Give samples of an image of that type in the color space."""
        values = to_space(samples.values, self.color_space, scale_of(dtype))
        return samples if values is samples.values else replace(samples, values=values)

    def best(self, samples: Samples, codebook: NDArray[np.float64]) -> NDArray[Any]:
        """Find each sample's best-matching unit."""
        return nearest_units(samples.values, codebook, **self._how)

    def two_best(self, samples: Samples, codebook: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Find each sample's best and second-best units."""
        return two_nearest_units(samples.values, codebook, **self._how)

    def gather(
        self, samples: Samples, codebook: NDArray[np.float64], best: NDArray[Any], second: NDArray[Any] | None = None
    ) -> UnitSums:
        """Add samples up by unit; see `gather`."""
        return gather(samples, codebook, best, second, missing=self.missing == "bands")

    def distances(self, values: NDArray[Any], codebook: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the distance of each of an image's values (n, bands) to each unit: shape (n, units), float64."""
        values = np.asarray(to_space(values, self.color_space, scale_of(values.dtype)), np.float64)
        found = np.empty((len(values), len(codebook)))
        lengths = np.sqrt((values**2).sum(axis=1))
        for k, unit in enumerate(codebook):
            if self.metric == "cosine":
                norm = lengths * np.sqrt((unit**2).sum())
                found[:, k] = 1 - np.divide(
                    values @ unit, norm, out=np.where(np.isnan(norm), norm, 0.0), where=norm > 0
                )
                continue
            away = np.abs(values - unit)
            if self.missing == "bands":
                away = np.where(np.isnan(away), 0.0, away)
            if self.metric == "euclidean":
                found[:, k] = np.sqrt((away**2).sum(axis=1))
            else:
                found[:, k] = away.sum(axis=1) if self.metric == "manhattan" else away.max(axis=1)
        return found
