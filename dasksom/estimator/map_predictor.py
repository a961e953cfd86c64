"""The methods of a trained map: labels, colors, distances, errors, files."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dasksom._version import __version__
from dasksom.config.map_parameters import PARAMETERS
from dasksom.config.parameter import plain_colors
from dasksom.deferred import deferred
from dasksom.estimator.labeled_arrays import LastAxis, finest_level, in_sample_order, labeled_like, with_bands_last
from dasksom.estimator.map_structure import MapStructure
from dasksom.image.sources.dtypes_and_axes import is_data_array
from dasksom.quantization.labels import distances_to, labels_of, rebuild
from dasksom.som.codebook import Codebook
from dasksom.som.quality import Quality
from dasksom.som.schedule import Decay
from dasksom.training.input_arrays import (
    as_image,
    as_weights,
    check_bands,
    check_types,
    computing,
    is_lazy,
    several,
)
from dasksom.training.map_training import counts_colors
from dasksom.training.sources import Weighted, blurred_images, samples_of, searched
from dasksom.training.trained_map import TrainedMap

_SORTED = sorted(PARAMETERS, key=lambda parameter: parameter.name)
_in_band_order = deferred("dasksom.image.xarray_input:in_band_order")
_save_codebook = deferred("dasksom.model_files:save_codebook")
_write_palette = deferred("dasksom.image.palette_files:write_palette")


class MapPredictor(MapStructure):
    """The methods of a trained map; parameters and attributes are those of `BatchSOM`."""

    refine: int | None
    decay: str | Decay
    init: str | ArrayLike
    keep: Any
    missing: str
    method: str
    random_state: int | np.random.RandomState | np.random.Generator | None
    refine_: int
    n_features_in_: int
    feature_names_in_: NDArray[Any]

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
            frame, a DataArray with dimensions, coordinates and attributes (lazy if the image is) for a DataArray or
            Dataset of xarray, NumPy for anything else.

        Raises
        ------
        InputError
            If the map is not trained, or the samples have other bands than it was trained on.
        """

        def labeled(image: da.Array, weights: da.Array | None, _: np.dtype[Any]) -> da.Array:
            return labels_of(image, self.labeling_of(image, weights).dithering(dither, image), weights)

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

        def rebuilt(image: da.Array, weights: da.Array | None, dtype: np.dtype[Any]) -> da.Array:
            labeling = self.labeling_of(image, weights).dithering(dither, image)
            return rebuild(image, labeling, self.codebook_.palette(dtype), weights)

        return self._map(X, mask, rebuilt, "bands")

    def transform(self, X: Any) -> Any:
        """Return the distance of every sample to every unit; see `BatchSOM.transform`."""
        return self._map(X, None, lambda image, *_: distances_to(image, self.labeling_of(image)), "units")

    def evaluate(self, X: Any, *, mask: Any = None, sample_weight: Any = None) -> Quality:
        """Measure how well the map fits samples, in one pass: hits, errors, explained variance, topographic error.

        Parameters are those of `fit`.
        """
        self._units()
        images = blurred_images(self._prepare_all(X, mask, sample_weight, reset=False), self.blur)
        codebook = self.labeling_for(images[0][0].dtype).codebook
        with computing(X):
            count = all(self.counts_colors(*image) for image in images)
            plain, search = samples_of(images, self._search(), count=count), self._search()
            samples = searched(plain, search, features=self._own_features(plain, images[0][0].dtype))
            return samples.quality(codebook, self._lattice())

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
        parameters["device"] = "auto"  # a model is used on other machines too
        given = {name: value for name, value in parameters.items() if value is not None}
        plain = {name: np.asarray(value).tolist() for name, value in given.items() if name not in ("features", "keep")}
        if len(self.keep):
            plain["keep"] = plain_colors(self.keep)
        if self.features is not None:
            plain["features"] = asdict(self.features)
        about: dict[str, Any] = {"dasksom": __version__, "parameters": plain}
        if hasattr(self, "feature_names_in_"):
            about["bands"] = [str(name) for name in self.feature_names_in_]
        about = about if self.dtype_ is None else {**about, "dtype": self.dtype_}
        return Codebook(self.weights_, about, self.feature_weights_)

    def save(self, path: str | Path) -> None:
        """Write the trained map as .npz, without pickle, with a checksum that ``dasksom verify`` checks.

        The file keeps what `partial_fit`, `warm_start` and checks of later arrays depend on: history, quality, type and
        names of the bands. A decay that is a function, and an array or random generator that training started from, are
        not kept.
        """
        _save_codebook(self.complete_codebook(), path)

    def complete_codebook(self) -> Codebook:
        """Return the trained map as `save` writes it."""
        codebook = self.codebook_
        state = {**self._trained().state(), "refine": None if self.refine is None else int(self.refine)}
        return replace(codebook, about={**codebook.about, "state": state})

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
            If the suffix is unknown, the file exists, or it cannot hold this number of colors or bands.
        """
        _write_palette(path, self.codebook_.weights, bands, overwrite=overwrite)

    def counts_colors(self, image: da.Array, weights: da.Array | None = None) -> bool:
        """Return whether `fit` counts the colors of this image, in place of streaming it.

        Raises
        ------
        InputError
            If `method` is "colors" and they cannot be counted.
        """
        return counts_colors(image, weights, self.get_params(deep=False))

    def restore(self, trained: TrainedMap, refine: int) -> Self:
        """Take over the result of a training with these parameters and `refine` epochs of refinement."""
        self.weights_, self.history_ = trained.weights, trained.history
        self.quality_, self.dtype_, self.refine_ = trained.quality, trained.dtype, refine
        self.features_, self.feature_weights_ = trained.features, trained.feature_weights
        self.n_features_in_ = int(trained.weights.shape[-1])
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn does."""
        return {parameter.name: getattr(self, parameter.name) for parameter in _SORTED}

    def _check_names(self, X: Any, *, reset: bool) -> None:
        """Compare the names of a data frame's columns with those of the training."""

    def _prepare(self, X: Any, mask: Any, sample_weight: Any, *, reset: bool) -> Weighted:
        X = with_bands_last(finest_level(X))
        X = X if reset else self._in_band_order(X)
        mask, sample_weight = in_sample_order(mask, X), in_sample_order(sample_weight, X)
        image, own_mask = as_image(X)
        unnamed = isinstance(X, (da.Array, np.ndarray)) and (X.ndim > 2 or is_lazy(X))
        if reset or not unnamed:  # scikit-learn would warn of every image, because arrays have no names
            self._check_names(X, reset=reset)
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

    def _map(
        self,
        X: Any,
        mask: Any,
        function: Callable[[da.Array, da.Array | None, np.dtype[Any]], da.Array],
        last: LastAxis = None,
    ) -> Any:
        self._units()
        original = finest_level(X)
        X = self._in_band_order(with_bands_last(original))
        image, weights = self._prepare(X, mask, None, reset=False)
        with computing(X):  # features of this image may be measured
            result = function(*blurred_images([(image, weights)], self.blur)[0], image.dtype)
            result = result if is_lazy(X) else result.compute()
        return labeled_like(result, X, original, last) if is_data_array(X) else result

    def _in_band_order(self, X: Any) -> Any:
        """Return a DataArray with the bands of the map in its order; other arrays as they are."""
        return _in_band_order(X, self._band_names()) if is_data_array(X) and self._band_names() else X

    def _band_names(self) -> tuple[str, ...]:
        """Return the names of the bands; none if `fit` got none."""
        return tuple(str(name) for name in getattr(self, "feature_names_in_", ()))
