"""BatchSOM: the map with the conventions of scikit-learn and dask-ml."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from dasksom.chunkwise import Progress
from dasksom.config.map_parameters import PARAMETERS
from dasksom.config.parameter import add_parameters
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.estimator.batch_map import BatchMap
from dasksom.estimator.notebook_display import map_html
from dasksom.estimator.progress_bars import progress_of
from dasksom.image.writers.options import Options
from dasksom.training.input_arrays import named_columns

_write_image: "Callable[..., None]" = deferred("dasksom.runs.array_output:write_image")
"""Runs use the map; this method uses a run, on its first call only."""


class NotTrainedError(InputError, NotFittedError):  # type: ignore[misc]
    """A map was used before it was trained."""


class BatchSOM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, BatchMap):  # type: ignore[misc]
    """A batch self-organizing map trained on every pixel of an image (or row of a table) of any size.

    {parameters}

    Attributes
    ----------
    weights_ : ndarray of shape (rows, columns, bands), float64
        In the units of the image for every color space and all features.
    features_ : PixelFeatures or None
        The features that the map compares, with all numbers that were measured; None: the bands as they are.
    feature_weights_ : ndarray of shape (rows, columns, features), float64, or None
        The codebook in these features.
    history_ : tuple of Epoch
        One record per epoch.
    quality_ : Quality or None
        Hits, errors and topographic error of the trained map over all samples; None where that would take another pass
        over the image ("stream", or a `sample`): `evaluate` measures it.
    dtype_ : str or None
        Type of the image that it was trained on.
    refine_ : int
        Epochs of its refinement.
    n_features_in_ : int
        Number of bands.
    feature_names_in_ : ndarray of str
        Names of the bands, if the samples have some: a data frame, a DataArray with names, or the image of a run.

    Notes
    -----
    Parameters are checked by `fit`, as in scikit-learn. Dask arrays are computed on the current Client, else on the
    local scheduler of dask; NumPy arrays always on the threads of this machine. The codebook has the same bits for any
    number of workers; trained with "colors", also for any chunking.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((20, 20, 3), np.uint8)
    >>> image[:, 10:] = 200
    >>> som = BatchSOM(1, 2, epochs=5).fit(image)
    >>> som.weights_.round().tolist()
    [[[0.0, 0.0, 0.0], [200.0, 200.0, 200.0]]]
    >>> som.predict(image)[0, [0, 19]].tolist()
    [0, 1]
    """

    def transform(self, X: Any) -> Any:  # defined here, because scikit-learn only wraps what its subclasses define
        """Return the distance of every sample to every unit, in the metric of the map.

        Parameters
        ----------
        X : array of shape (..., bands)

        Returns
        -------
        array of shape (..., units), float64
            Lazy for a dask array, NumPy for anything else; NaN for samples with NaN.
        """
        return super().transform(X)

    def write(
        self,
        X: Any,
        output: str | os.PathLike[str],
        *,
        mask: Any = None,
        image: bool = True,
        dither: str = "none",
        overwrite: bool = False,
        progress: Progress | bool | None = None,
        storage: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Write labels, palette and rebuilt image of an image as a file, as `dasksom apply` does.

        Parameters
        ----------
        X : array of shape (height, width, bands), DataArray, Picture, or path
            Dask arrays and files are written chunk by chunk, on the current Client if there is one.
        output : str or path
            Path, or URL of an object store; the suffix determines the format (.zarr, .ome.zarr, .tif, .png ...).
        mask : array of shape (height, width), bool, optional
            True where a pixel holds data.
        image : bool
            Whether the output has the rebuilt image, not only labels and palette (.zarr, .ome.zarr, .tif).
        dither : {"none", "bayer"}
            As for `predict`.
        overwrite : bool
            Whether an existing output is replaced, once the new one is complete.
        progress : bool or callable(done, total), optional
            True: a bar in a notebook or terminal (tqdm).
        storage : mapping, optional
            Options of the output's object store (fsspec).
        **options
            Fields of `dasksom.image.Options`: pixels, layout, chunk, shard, codec, ome_version.

        Raises
        ------
        InputError
            If the map is not trained, the bands are not those of the map, or the output cannot be written; before any
            pixel is read.

        Examples
        --------
        >>> som.write("slide.svs.tif", "slide.ome.zarr", progress=True)        # doctest: +SKIP
        """
        self._units()
        _write_image(
            self,
            X,
            output,
            mask=mask,
            image=image,
            dither=dither,
            overwrite=overwrite,
            progress=progress_of(progress),
            storage=storage,
            options=Options(**options),
        )

    @property
    def _n_features_out(self) -> int:
        return self.units

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = True
        return tags

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        """Show a trained map in notebooks by its picture, below scikit-learn's table of its parameters."""
        bundle: dict[str, str] = super()._repr_mimebundle_(**options)
        if self.__sklearn_is_fitted__():
            bundle["text/html"] = bundle.get("text/html", "") + map_html(self)
        return bundle

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "weights_")

    def _check_names(self, X: Any, *, reset: bool) -> None:
        validate_data(self, named_columns(X), reset=reset, skip_check_array=True, ensure_2d=False)

    def _not_trained(self) -> InputError:
        return NotTrainedError(str(super()._not_trained()))


BatchSOM.__doc__ = add_parameters(BatchSOM.__doc__, PARAMETERS)
