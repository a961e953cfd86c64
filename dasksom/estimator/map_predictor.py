"""The methods of a trained map: labels, colors, distances, errors, files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from dasksom._version import __version__
from dasksom.errors import InputError
from dasksom.estimator.map_structure import MapStructure
from dasksom.image.palette_files import write_palette
from dasksom.image.xarray_input import in_band_order, is_data_array
from dasksom.model_files import save_codebook
from dasksom.quantization.labels import Labeling, distances_to, labels_of, rebuild
from dasksom.som.bmu.search import Search
from dasksom.som.codebook import Codebook
from dasksom.som.color_spaces import scale_of, to_space
from dasksom.som.lattice import Lattice
from dasksom.som.map_state import Epoch
from dasksom.som.quality import Quality
from dasksom.som.schedule import Decay
from dasksom.training.input_arrays import (
    as_image,
    as_weights,
    check_bands,
    check_types,
    computing,
    is_lazy,
    named_columns,
    several,
)
from dasksom.training.map_training import counts_colors
from dasksom.training.parameter_checks import lattice_from, search_from
from dasksom.training.sources import Weighted, samples_of
from dasksom.training.trained_map import TrainedMap


class NotTrainedError(InputError, NotFittedError):  # type: ignore[misc]
    """A map was used before it was trained."""


class MapPredictor(MapStructure, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The base of `BatchSOM`: all that a trained map does; parameters and attributes are those of `BatchSOM`."""

    rows: int
    columns: int
    refine: int | None
    decay: str | Decay
    init: str | ArrayLike
    color_space: str
    missing: str
    method: str
    random_state: int | np.random.RandomState | np.random.Generator | None
    weights_: NDArray[np.float64]
    history_: tuple[Epoch, ...]
    quality_: Quality | None
    dtype_: str | None
    refine_: int
    n_features_in_: int

    def predict(self, X: Any, *, mask: Any = None, dither: str = "none") -> Any:
        """Label every sample with its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)
        mask : array of shape (...), bool, optional
            True where a sample is used.
        dither : {"none", "bayer"}
            "bayer" spreads pixels between neighboring colors by an 8 x 8 pattern over the image, of shape (rows,
            columns, 1 or 3): labels are then not always those of the nearest unit.

        Returns
        -------
        array of shape (...), int32
            Row-major unit numbers, -1 for samples without data (masked, or with NaN); lazy for a dask array or data
            frame, NumPy for anything else.
        """

        def labeled(image: da.Array, weights: da.Array | None) -> da.Array:
            return labels_of(image, self.labeling_for(image.dtype).dithering(dither, image), weights)

        return self._map(X, mask, labeled)

    def quantize(self, X: Any, *, mask: Any = None, dither: str = "none") -> Any:
        """Replace every sample by the color of its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)
        mask : array of shape (...), bool, optional
            True where a sample is used.
        dither : {"none", "bayer"}
            As for `predict`.

        Returns
        -------
        array of the same shape and type
            Lazy for a dask array, NumPy for anything else. Integer types hold the vectors rounded. Samples without data
            are unchanged.
        """

        def rebuilt(image: da.Array, weights: da.Array | None) -> da.Array:
            labeling = self.labeling_for(image.dtype).dithering(dither, image)
            return rebuild(image, labeling, self.codebook_.palette(image.dtype), weights)

        return self._map(X, mask, rebuilt)

    def transform(self, X: Any) -> Any:
        """Return the distance of every sample to every unit, in the metric of the map.

        Parameters
        ----------
        X : array of shape (..., bands)

        Returns
        -------
        array of shape (..., units), float64
            Lazy for a dask array, NumPy for anything else; NaN for samples with NaN.
        """
        return self._map(X, None, lambda image, _: distances_to(image, self.labeling_for(image.dtype)))

    def evaluate(self, X: Any, *, mask: Any = None, sample_weight: Any = None) -> Quality:
        """Measure how well the map fits samples, in one pass: hits, errors, explained variance, topographic error.

        Parameters are those of `fit`.
        """
        self._units()
        images = self._prepare_all(X, mask, sample_weight, reset=False)
        codebook = self.labeling_for(images[0][0].dtype).codebook
        with computing(X):
            count = all(self.counts_colors(*image) for image in images)
            return samples_of(images, self._search(), count=count).quality(codebook, self._lattice())

    def score(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> float:
        """Return minus the mean squared Euclidean distance of the samples to their units; more is better."""
        return -self.evaluate(X, mask=mask, sample_weight=sample_weight).mean_squared_error

    @property
    def codebook_(self) -> Codebook:
        """The trained map as it is saved."""
        self._units()
        parameters = {**self.get_params(), "refine": self.refine_}
        if not isinstance(self.init, str):
            parameters["init"] = "pca"  # a given codebook is not saved
        if callable(self.decay):
            parameters["decay"] = "exponential"  # nor a function
        if not isinstance(self.random_state, (int, np.integer)):
            parameters["random_state"] = None  # nor a random generator
        plain = {name: np.asarray(value).tolist() for name, value in parameters.items() if value is not None}
        about: dict[str, Any] = {"dasksom": __version__, "parameters": plain}
        if hasattr(self, "feature_names_in_"):
            about["bands"] = [str(name) for name in self.feature_names_in_]
        return Codebook(self.weights_, about if self.dtype_ is None else {**about, "dtype": self.dtype_})

    def save(self, path: str | Path) -> None:
        """Write the trained map as .npz, without pickle, with a checksum that ``dasksom verify`` checks.

        The file keeps what `partial_fit`, `warm_start` and checks of later arrays depend on: history, quality, type and
        names of the bands. A decay that is a function, and an array or random generator that training started from, are
        not kept.
        """
        codebook = self.codebook_
        state = {**self._trained().state(), "refine": None if self.refine is None else int(self.refine)}
        save_codebook(Codebook(codebook.weights, {**codebook.about, "state": state}), path)

    def save_palette(self, path: str | Path, *, bands: Sequence[int] | None = None, overwrite: bool = False) -> None:
        """Write the map's colors as .gpl (GIMP), .act (Adobe), .clr (QGIS), .txt (GDAL) or .png (a swatch).

        Parameters
        ----------
        path : str or Path
        bands : sequence of int, optional
            Which three bands are red, green and blue, or which one is gray; counted from 0.
        overwrite : bool
            Whether a file of that name is replaced.

        Raises
        ------
        InputError
            If the suffix is unknown, the file exists, or it cannot hold so many colors or bands.
        """
        write_palette(path, self.codebook_.weights, bands, overwrite=overwrite)

    def counts_colors(self, image: da.Array, weights: da.Array | None = None) -> bool:
        """Return whether `fit` counts the colors of this image, in place of streaming it.

        Raises
        ------
        InputError
            If `method` is "colors" and they cannot be counted.
        """
        return counts_colors(image, weights, self.method)

    @property
    def units(self) -> int:
        """Number of units of the map."""
        return self.rows * self.columns

    def restore(self, trained: TrainedMap, refine: int) -> Self:
        """Become a map that was trained elsewhere with these parameters, and so many epochs of refinement."""
        self.weights_, self.history_ = trained.weights, trained.history
        self.quality_, self.dtype_, self.refine_ = trained.quality, trained.dtype, refine
        self.n_features_in_ = int(trained.weights.shape[-1])
        return self

    def _trained(self) -> TrainedMap:
        return TrainedMap(self.weights_, self.history_, self.quality_, self.dtype_)

    def labeling_for(self, dtype: np.dtype[Any]) -> Labeling:
        """Return how the trained map labels the pixels of an image of that type."""
        return Labeling(to_space(self._units(), self.color_space, scale_of(dtype)), self._search())

    @property
    def _n_features_out(self) -> int:
        return self.units

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def _prepare(self, X: Any, mask: Any, sample_weight: Any, *, reset: bool) -> Weighted:
        if not reset and is_data_array(X) and hasattr(self, "feature_names_in_"):
            X = in_band_order(X, [str(name) for name in self.feature_names_in_])
        image, own_mask = as_image(X)
        unnamed = isinstance(X, (da.Array, np.ndarray)) and (X.ndim > 2 or is_lazy(X))
        if reset or not unnamed:  # scikit-learn would warn of every image, because arrays have no names
            validate_data(self, named_columns(X), reset=reset, skip_check_array=True, ensure_2d=False)
        if reset:
            self.n_features_in_ = int(image.shape[-1])
        check_bands(image, self.n_features_in_, self.color_space)
        return image, as_weights(image, mask, sample_weight, own_mask)

    def _prepare_all(self, X: Any, mask: Any, sample_weight: Any, *, reset: bool) -> list[Weighted]:
        if not several(X):
            return [self._prepare(X, mask, sample_weight, reset=reset)]
        images = []
        for number, image in enumerate(X):
            own = [None if given is None else given[number] for given in (mask, sample_weight)]
            images.append(self._prepare(image, *own, reset=reset and number == 0))
        check_types([image for image, _ in images])
        return images

    def _map(self, X: Any, mask: Any, function: Callable[[da.Array, da.Array | None], da.Array]) -> Any:
        self._units()
        result = function(*self._prepare(X, mask, None, reset=False))
        if is_lazy(X):
            return result
        with computing(X):
            return result.compute()

    def _units(self) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise NotTrainedError("this BatchSOM is not trained (fitted) yet; call fit first")
        return np.asarray(self.weights_, np.float64).reshape(-1, self.weights_.shape[-1])

    def _lattice(self) -> Lattice:
        return lattice_from(self.get_params(deep=False))

    def _search(self) -> Search:
        return search_from(self.get_params(deep=False))
