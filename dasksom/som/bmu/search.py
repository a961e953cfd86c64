"""The search defined by a map's parameters: samples of a chunk, their best-matching units, sums and distances."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.errors import DeviceMemoryError
from dasksom.som.bmu.exact_search import exact_totals
from dasksom.som.bmu.metrics import add_square
from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.choices import METRICS
from dasksom.som.color_spaces import from_space, scale_of, to_space
from dasksom.som.samples import Samples, take_samples, without_missing
from dasksom.som.unit_sums import UnitSums, gather

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures

_gather_on_device: "Callable[..., UnitSums]" = deferred("dasksom.som.gpu.array_sums:gather_on_device")
_array_module = deferred("dasksom.som.gpu.device:array_module")
logger = logging.getLogger(__name__)
_LEAST_WORK = 1 << 30
"""Products (samples x units x bands) from which "auto" uses a GPU; the processor takes about 20 ms for so many."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Search:
    """Parameters of the search; sent to the workers."""

    metric: str = "euclidean"
    """A name in ``dasksom.som.choices.METRICS``."""
    precision: str = "float32"
    """Precision of the first comparison of distances, float32 or float64; labels are the same."""
    missing: str = "error"
    """Treatment of NaN: one of ``dasksom.som.choices.MISSING``."""
    color_space: str = "rgb"
    """A name in ``dasksom.som.choices.COLOR_SPACES``; codebooks are in that space."""
    features: "PixelFeatures | None" = None
    """Features that are compared in place of the bands; codebooks are of these features."""
    device: str = "cpu"
    """One of ``dasksom.som.choices.DEVICES``; results are the same, bit for bit."""

    @property
    def _how(self) -> dict[str, Any]:
        return {"metric": self.metric, "precision": self.precision, "missing": self.missing == "bands"}

    @property
    def fits_devices(self) -> bool:
        """Whether a GPU can search: by squared differences, of complete samples."""
        return METRICS[self.metric].step is add_square and self.missing != "bands"

    def on_driver(self) -> "Search":
        """Return the search for the process of the driver, which needs no GPU where workers do."""
        return replace(self, device="auto") if self.device == "cuda" else self

    def _on_device(self, work: Callable[[Any], _Result], samples: Samples, codebook: NDArray[np.float64]) -> _Result:
        """Work with the arrays of this process's device; with None where the processor is to work."""
        small = self.device == "auto" and len(samples) * codebook.size < _LEAST_WORK
        arrays = None if self.device == "cpu" or small or not self.fits_devices else _array_module(self.device)
        try:
            return work(arrays)
        except DeviceMemoryError as error:
            if self.device != "auto":
                raise
            logger.warning("%s; the processor continues", error)
            return work(None)

    def take(self, block: NDArray[Any], corner: tuple[int, ...], weights: NDArray[Any] | None = None) -> Samples:
        """Return the used samples of a chunk, unconverted; see `take_samples`."""
        return take_samples(block, corner, weights, self.missing)

    def convert(self, samples: Samples, dtype: np.dtype[Any]) -> Samples:
        """Convert samples of an image of type `dtype` to features, or to the color space.

        Samples without a feature are left out, unless missing bands are allowed.

        Raises
        ------
        InputError
            If a feature has no value while that is an error.
        """
        values = self.compared(samples.values, dtype)
        if values is samples.values:
            return samples
        converted = replace(samples, values=values)
        if self.features is None or self.features.is_total(dtype):
            return converted
        return without_missing(converted, self.missing)

    def compared(self, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return what is compared of values (n, bands) of an image of type `dtype`: features, or converted colors."""
        if self.features is not None:
            return self.features.compute(values)
        return to_space(values, self.color_space, scale_of(dtype))

    def uncompared(self, codebook: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
        """Return the bands of units, in the units of an image of type `dtype`."""
        if self.features is not None:
            return self.features.restore(codebook)
        return from_space(codebook, self.color_space, scale_of(dtype))

    def best(self, samples: Samples, codebook: NDArray[np.float64]) -> NDArray[Any]:
        """Return each sample's best-matching unit."""
        return self._on_device(
            lambda arrays: nearest_units(samples.values, codebook, arrays=arrays, **self._how), samples, codebook
        )

    def two_best(self, samples: Samples, codebook: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return each sample's best and second-best units."""
        return self._on_device(
            lambda arrays: two_nearest_units(samples.values, codebook, arrays=arrays, **self._how), samples, codebook
        )

    def gather(
        self, samples: Samples, codebook: NDArray[np.float64], best: NDArray[Any], second: NDArray[Any] | None = None
    ) -> UnitSums:
        """Sum the samples of each unit; see `unit_sums.gather`."""

        def work(arrays: Any) -> UnitSums:
            if arrays is not None:
                return _gather_on_device(arrays, samples, codebook, best, second)
            return gather(samples, codebook, best, second, missing=self.missing == "bands")

        return self._on_device(work, samples, codebook)

    def distances(self, values: NDArray[Any], codebook: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance of each of an image's values (n, bands) to each unit: shape (n, units), float64.

        The nearest unit by these distances is the result of `best`.
        """
        values = np.asarray(self.compared(values, values.dtype), np.float64)
        totals = exact_totals(values, codebook, self.metric, self.missing == "bands")
        if self.metric == "cosine":
            totals /= 2  # for vectors of length 1, |x - w|^2 / 2 = 1 - x.w
            totals[~values.any(axis=1)] = 1.0
        return np.sqrt(totals, out=totals) if self.metric == "euclidean" else totals
