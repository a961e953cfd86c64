"""Labeling of pixels by a trained map: lattice, search, and features of an image."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Keeper, Progress
from dasksom.config.feature_parameters import Features
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.quantization.labels import Labeling
from dasksom.som.bmu.search import Search
from dasksom.som.lattice import Lattice
from dasksom.som.quality import Epoch, Quality
from dasksom.training.parameter_checks import lattice_from, search_from
from dasksom.training.sources import samples_of
from dasksom.training.trained_map import TrainedMap

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures

_fit_features = deferred("dasksom.training.start:fit_features")
_NOT_TRAINED = "this BatchSOM is not trained (fitted) yet; call fit first"


class MapLabeling:
    """The base of `MapStructure` with what labels depend on."""

    rows: int
    columns: int
    features: Features | None
    weights_: NDArray[np.float64]
    history_: tuple[Epoch, ...]
    quality_: Quality | None
    dtype_: str | None
    features_: "PixelFeatures | None"
    feature_weights_: NDArray[np.float64] | None

    @property
    def units(self) -> int:
        """Number of units of the map."""
        return self.rows * self.columns

    @property
    def measures_each_image(self) -> bool:
        """Whether the trained map scales each image by statistics of its own."""
        features = getattr(self, "features_", None)
        return features is not None and features.by_image

    @property
    def blur(self) -> float:
        """Standard deviation of the blur of the trained map, or else of the next training; 0 without a blur."""
        features = self.features_ if hasattr(self, "weights_") else self.features
        return 0.0 if features is None else float(features.blur or 0)

    def labeling_for(self, dtype: np.dtype[Any]) -> Labeling:
        """Return how the trained map labels the pixels of an image of that type."""
        units, search = self._trained().compared_units, self._search()
        compared = units if search.features is not None else search.compared(units, dtype)
        return Labeling(compared, search, colors=self._units())

    def labeling_of(
        self,
        image: da.Array,
        weights: da.Array | None = None,
        *,
        progress: Progress | None = None,
        keeper: Keeper | None = None,
    ) -> Labeling:
        """Return how the trained map labels an image, after passes that measure its features if the map does so.

        Parameters
        ----------
        image : dask array of shape (..., bands)
            Blurred, if the map blurs.
        weights : dask array of shape (..., 1), optional
        progress : callable, optional
        keeper : Keeper, optional
            Saves and returns what was measured.
        """
        labeling = self.labeling_for(image.dtype)
        if not self.measures_each_image:
            return labeling
        plain = samples_of([(image, weights)], labeling.search, count=False, progress=progress, keeper=keeper)
        (features,) = self._own_features(plain, image.dtype, keeper)
        return replace(labeling, search=replace(labeling.search, features=features))

    def _own_features(
        self, samples: Any, dtype: np.dtype[Any], keeper: Keeper | None = None
    ) -> "tuple[PixelFeatures, ...]":
        """Return the features of each image, if the map measures them by image; else none."""
        if not self.measures_each_image:
            return ()
        features: tuple[PixelFeatures, ...] = _fit_features(self.features_, samples, self._search(), dtype, keeper)[0]
        return features

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        raise NotImplementedError

    def _not_trained(self) -> InputError:
        return InputError(_NOT_TRAINED)

    def _trained(self) -> TrainedMap:
        self._units()
        trained = TrainedMap(self.weights_, self.history_, self.quality_, self.dtype_)
        return replace(trained, features=self.features_, feature_weights=self.feature_weights_)

    def _units(self) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise self._not_trained()
        return np.asarray(self.weights_, np.float64).reshape(-1, self.weights_.shape[-1])

    def _lattice(self) -> Lattice:
        return lattice_from(self.get_params(deep=False))

    def _search(self) -> Search:
        return replace(search_from(self.get_params(deep=False)), features=self.features_)
