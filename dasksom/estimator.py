"""BatchSOM: the map on arrays, with scikit-learn's and dask-ml's conventions."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from dasksom._version import __version__
from dasksom.chunkwise import Keeper, Progress
from dasksom.config.map_parameters import parameter_section
from dasksom.errors import InputError
from dasksom.image.palette_files import write_palette
from dasksom.model_files import save_codebook
from dasksom.quantization.labels import Labeling, distances_to, labels_of, rebuild
from dasksom.som.bmu.search import Search
from dasksom.som.codebook import Codebook
from dasksom.som.color_spaces import from_space, scale_of, to_space
from dasksom.som.initialization import INITIALIZATIONS
from dasksom.som.lattice import Lattice
from dasksom.som.map_state import Epoch, MapState
from dasksom.som.quality import Quality
from dasksom.som.schedule import Decay, Step
from dasksom.training.checkpoint import STATE, Checkpoint, Throttled
from dasksom.training.color_histogram import has_color_table
from dasksom.training.epochs import OnEpoch, Training, train
from dasksom.training.input_arrays import as_image, as_weights, computing, is_lazy, several
from dasksom.training.parameter_checks import check_parameters, lattice_from
from dasksom.training.sources import Weighted, samples_of


class NotTrainedError(InputError, NotFittedError):  # type: ignore[misc]
    """A map was used before it was trained."""


class BatchSOM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A batch self-organizing map trained on every pixel of an image (or row of a table) of any size.

    {parameters}

    Attributes
    ----------
    weights_ : ndarray of shape (rows, columns, bands), float64
        In the units of the image, whatever the color space.
    history_ : tuple of Epoch
        One record per epoch.
    quality_ : Quality or None
        Hits, errors and topographic error of the trained map over all samples; None where that would take another pass
        over the image ("stream", or a `sample`): `evaluate` makes it.
    dtype_ : str or None
        Type of the image that it was trained on.
    n_features_in_ : int
        Number of bands.
    feature_names_in_ : ndarray of str
        Names of the bands, where `fit` got a data frame.

    Notes
    -----
    Parameters are checked by `fit`, as scikit-learn's estimators do. Dask arrays are computed on the current Client,
    else on dask's local scheduler; NumPy arrays always on this machine's threads. The codebook has the same bits for
    any number of workers; trained with "colors", also for any chunking.

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

    def __init__(
        self,
        rows: int = 16,
        columns: int = 16,
        *,
        epochs: int = 20,
        topology: str = "rectangular",
        toroidal: bool = False,
        neighborhood: str = "gaussian",
        sigma: tuple[float, float] | None = None,
        refine: int = 0,
        decay: str | Decay = "exponential",
        init: str | ArrayLike = "pca",
        metric: str = "euclidean",
        color_space: str = "rgb",
        empty_units: str = "keep",
        sample: float = 1.0,
        precision: str = "float32",
        missing: str = "exclude",
        tol: float = 0.0,
        warm_start: bool = False,
        method: str = "auto",
        cache: str = "auto",
        random_state: int | None = None,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.epochs = epochs
        self.topology = topology
        self.toroidal = toroidal
        self.neighborhood = neighborhood
        self.sigma = sigma
        self.refine = refine
        self.decay = decay
        self.init = init
        self.metric = metric
        self.color_space = color_space
        self.empty_units = empty_units
        self.sample = sample
        self.precision = precision
        self.missing = missing
        self.tol = tol
        self.warm_start = warm_start
        self.method = method
        self.cache = cache
        self.random_state = random_state

    # ------------------------------------------------------------------------------------------------------- training

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        mask: Any = None,
        sample_weight: Any = None,
        progress: Progress | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: str | Path | Keeper | None = None,
    ) -> Self:
        """Train the map.

        Parameters
        ----------
        X : array of shape (..., bands), or list of dask arrays
            An image or a table; dask, NumPy or a data frame, any real type. The last axis is the bands. Or several
            images of one type and number of bands, for one codebook.
        y : None
            Ignored; scikit-learn's pipelines pass it.
        mask : array of shape (...), bool, optional
            True where a sample counts, as in scikit-image. For several images a list of masks, or of None.
        sample_weight : array of shape (...), real, optional
            How much each sample counts, at least 0; likewise.
        progress : callable (done, total), optional
            Called as chunks are done; starts again with each pass.
        on_epoch : callable (Epoch, codebook of shape (units, bands)), optional
            Called after each epoch; training ends where it returns True.
        checkpoint : path, optional
            Folder for what a killed training needs: the same call goes on from there, to the same bits. It is emptied
            when training has ended. For dask arrays whose names are those of their data, as `open_image` gives them.
            Or what keeps records; they stay, and it is the caller's to see that they are of this training.

        Raises
        ------
        InputError
            If a parameter or an array cannot be used; infinities are found while the array is read; or the checkpoint
            is of another training, naming what differs.
        """
        steps = self.check_parameters()
        again = self.warm_start and hasattr(self, "weights_")
        images = self._take_all(X, mask, sample_weight, reset=not again)
        if again and len(self.history_) >= len(steps):
            warnings.warn(
                f"warm_start: all of epochs={self.epochs} and refine={self.refine} are done; raise one to go on",
                stacklevel=2,
            )
        with computing(X):
            if not isinstance(checkpoint, (str, Path)):
                self._train(images, steps, again, progress, on_epoch, checkpoint)
                return self
            own = self._checkpoint(checkpoint, X, images, again)
            self._train(images, steps, again, progress, on_epoch, own)
        own.clear()
        return self

    def partial_fit(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Self:
        """Make one more epoch, on these samples alone, at its place in the schedule; the last radius stays at its end.

        Parameters are those of `fit`. There is no refinement, which goes by the error of all samples.
        """
        steps = self.check_parameters()[: self.epochs]
        begun = hasattr(self, "weights_")
        images = self._take_all(X, mask, sample_weight, reset=not begun)
        done = len(self.history_) if begun else 0
        with computing(X):
            self._train(images, [steps[min(done, len(steps) - 1)]] * (done + 1), begun, None, None, None)
        return self

    def _train(
        self,
        images: list[Weighted],
        steps: Sequence[Step],
        again: bool,
        progress: Progress | None,
        on_epoch: OnEpoch | None,
        keeper: Keeper | None,
    ) -> None:
        first, seed = images[0][0], self.random_state or 0
        start = self._units() if again else self._given_codebook(first.shape[-1])
        scale, count = scale_of(first.dtype), all(self.counts_colors(*image) for image in images)
        samples = samples_of(
            images,
            self._search(),
            count=count,
            share=self.sample,
            seed=seed,
            cache=self.cache,
            progress=progress,
            keeper=keeper,
        )
        state = None if keeper is None else keeper.load(STATE)
        if state is None:
            if start is None:
                codebook = INITIALIZATIONS[str(self.init)](self._lattice(), samples, self.random_state)
            else:
                codebook = to_space(start, self.color_space, scale)
            state = MapState(codebook, codebook, self.history_ if again else ())
            if keeper is not None:
                keeper.save(STATE, state)  # to start from may have been a pass of its own
        how = Training(self._lattice(), self.neighborhood, self.tol, self.empty_units, seed)
        kept = None if keeper is None else Throttled(keeper)
        state = train(state, steps, samples, how, on_epoch=on_epoch, on_state=kept)
        free = count and self.sample == 1
        self.quality_: Quality | None = samples.quality(state.codebook, self._lattice()) if free else None
        self.weights_ = from_space(state.codebook, self.color_space, scale).reshape(self.rows, self.columns, -1)
        self.history_: tuple[Epoch, ...] = state.history
        self.dtype_: str | None = str(first.dtype)

    def take_up(
        self,
        weights: NDArray[np.float64],
        history: tuple[Epoch, ...],
        quality: Quality | None,
        dtype: str | None,
    ) -> Self:
        """Become the map that another process has trained with these parameters.

        Parameters
        ----------
        weights : array of shape (rows, columns, bands)
        history : of its epochs
        quality : of its fit
        dtype : of what it was trained on; None if that is not known
        """
        self.weights_, self.history_, self.quality_, self.dtype_ = weights, history, quality, dtype
        self.n_features_in_ = int(weights.shape[-1])
        return self

    # --------------------------------------------------------------------------------------------------- trained maps

    def predict(self, X: Any, *, mask: Any = None, dither: str = "none") -> Any:
        """Label every sample with its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)
        mask : array of shape (...), bool, optional
            True where a sample counts.
        dither : {"none", "bayer"}
            "bayer" spreads pixels between neighboring colors by an 8 x 8 pattern over the image, of shape (rows,
            columns, 1 or 3): labels are then not always those of the nearest unit.

        Returns
        -------
        array of shape (...), signed
            Row-major unit numbers, -1 for samples that do not count (masked, or with NaN); lazy for a dask array, NumPy
            for anything else.
        """

        def labeled(image: da.Array, weights: da.Array | None) -> da.Array:
            return labels_of(image, self.labeling_for(image.dtype).dithering(dither, image), weights)

        return self._map(X, mask, labeled)

    def quantize(self, X: Any, *, mask: Any = None, dither: str = "none") -> Any:
        """Give every sample the color of its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)
        mask : array of shape (...), bool, optional
            True where a sample counts.
        dither : {"none", "bayer"}
            As for `predict`.

        Returns
        -------
        array of the same shape and type
            Lazy for a dask array, NumPy for anything else. Integer types hold the vectors rounded. Samples that do not
            count are as they were.
        """

        def rebuilt(image: da.Array, weights: da.Array | None) -> da.Array:
            labeling = self.labeling_for(image.dtype).dithering(dither, image)
            return rebuild(image, labeling, self.codebook_.palette(image.dtype), weights)

        return self._map(X, mask, rebuilt)

    def transform(self, X: Any) -> Any:
        """Give the distance of every sample to every unit, in the map's metric.

        Parameters
        ----------
        X : array of shape (..., bands)

        Returns
        -------
        array of shape (..., units), float64
            Lazy for a dask array, NumPy for anything else; NaN for samples with NaN.
        """
        return self._map(X, None, lambda image, _: distances_to(image, self.labeling_for(image.dtype)))

    def fit_predict(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Any:
        """Train the map and label what it was trained on."""
        return self.fit(X, mask=mask, sample_weight=sample_weight).predict(X, mask=mask)

    def evaluate(self, X: Any, *, mask: Any = None, sample_weight: Any = None) -> Quality:
        """Tell how well the map fits samples, in one pass: hits, errors, explained variance, topographic error.

        Parameters are those of `fit`.
        """
        self._units()
        images = self._take_all(X, mask, sample_weight, reset=False)
        codebook = self.labeling_for(images[0][0].dtype).codebook
        with computing(X):
            count = all(self.counts_colors(*image) for image in images)
            return samples_of(images, self._search(), count=count).quality(codebook, self._lattice())

    def score(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> float:
        """Give minus the mean squared Euclidean distance of the samples to their units; more is better."""
        return -self.evaluate(X, mask=mask, sample_weight=sample_weight).mean_squared_error

    @property
    def codebook_(self) -> Codebook:
        """The trained map as it is saved."""
        self._units()
        parameters = self.get_params()
        if not isinstance(self.init, str):
            parameters["init"] = "pca"  # a given codebook is not kept
        if callable(self.decay):
            parameters["decay"] = "exponential"  # nor a function
        plain = {name: np.asarray(value).tolist() for name, value in parameters.items() if value is not None}
        about = {"dasksom": __version__, "parameters": plain}
        return Codebook(self.weights_, about if self.dtype_ is None else {**about, "dtype": self.dtype_})

    def save(self, path: str | Path) -> None:
        """Write the trained map as .npz, without pickle, and with a checksum that ``dasksom verify`` looks at."""
        save_codebook(self.codebook_, path)

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

    # ------------------------------------------------------------------------------------------------- what is checked

    def check_parameters(self) -> tuple[Step, ...]:
        """Check every parameter; give what each epoch does.

        Raises
        ------
        InputError
            Naming the parameter, what is allowed, and what was given.
        """
        return check_parameters(self.get_params(deep=False))

    def _check_bands(self, image: Any) -> None:
        """Refuse an image whose bands are not as many as those that the map was trained on."""
        bands = self.n_features_in_
        if image.shape[-1] != bands:
            raise InputError(
                f"X has {image.shape[-1]} features, but BatchSOM is expecting {bands} features as input: the bands, in "
                "the last axis"
            )

    def counts_colors(self, image: da.Array, weights: da.Array | None = None) -> bool:
        """Tell whether `fit` counts this image's colors rather than streaming it.

        Raises
        ------
        InputError
            If it is told to count what cannot be counted.
        """
        masked = weights is None or weights.dtype == np.bool_
        countable = has_color_table(image) and masked
        if self.method == "colors" and not countable:
            raise InputError(
                "method='colors' counts the colors of uint8 images with at most 3 bands, without sample weights; this "
                f"is {image.dtype} with {image.shape[-1]} bands{'' if masked else ', with weights'}: use "
                "method='stream' or 'auto'"
            )
        return countable and self.method != "stream"

    @property
    def units(self) -> int:
        """Number of units of the map."""
        return self.rows * self.columns

    def labeling_for(self, dtype: np.dtype[Any]) -> Labeling:
        """Tell how the trained map labels the pixels of an image of that type."""
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

    def _take(self, X: Any, mask: Any, sample_weight: Any, *, reset: bool) -> tuple[da.Array, da.Array | None]:
        image, own_mask = as_image(X)
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)  # names of a data frame's columns
        if reset:
            self.n_features_in_ = int(image.shape[-1])
        else:
            self._check_bands(image)
        if self.color_space != "rgb" and image.shape[-1] != 3:
            raise InputError(
                f"color_space={self.color_space!r} is for the three bands of sRGB; X has {image.shape[-1]}: take "
                "color_space='rgb', which compares the bands as they are"
            )
        return image, as_weights(image, mask, sample_weight, own_mask)

    def _take_all(self, X: Any, mask: Any, sample_weight: Any, *, reset: bool) -> list[Weighted]:
        if not several(X):
            return [self._take(X, mask, sample_weight, reset=reset)]
        taken = []
        for number, image in enumerate(X):
            own = [None if given is None else given[number] for given in (mask, sample_weight)]
            taken.append(self._take(image, *own, reset=reset and number == 0))
        types = sorted({str(image.dtype) for image, _ in taken})
        if len(types) > 1:
            raise InputError(f"images of {' and '.join(types)}: one map is trained on one type; convert them to one")
        return taken

    def _checkpoint(self, folder: str | Path, X: Any, images: list[Weighted], again: bool) -> Checkpoint:
        """Open the checkpoint of a training, refusing that of another."""
        if not (is_lazy(X) or several(X)):
            raise InputError("checkpoint: is for dask arrays; what is in memory is lost with the process, too")
        told: dict[str, Any] = {name: str(value) for name, value in self.get_params().items() if name != "cache"}
        told["init"] = self.init if isinstance(self.init, str) else tokenize(np.asarray(self.init, np.float64))
        told["start"] = tokenize(self._units()) if again else ""
        for number, (image, weights) in enumerate(images):
            told[f"image {number}"] = [image.name, "" if weights is None else weights.name, str(image.chunks)]
        return Checkpoint(folder, {**told, "dasksom": __version__, "numpy": np.__version__})

    def _map(self, X: Any, mask: Any, function: Callable[[da.Array, da.Array | None], da.Array]) -> Any:
        self._units()
        result = function(*self._take(X, mask, None, reset=False))
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
        return Search(self.metric, self.precision, self.missing, self.color_space)

    def _given_codebook(self, bands: int) -> NDArray[np.float64] | None:
        if isinstance(self.init, str):
            return None
        try:
            given = np.array(self.init, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"init: not an array of numbers ({error})") from error
        if given.shape != (self.rows, self.columns, bands):
            raise InputError(f"init: an array of shape {(self.rows, self.columns, bands)} is needed; got {given.shape}")
        return Codebook(given).units


BatchSOM.__doc__ = (BatchSOM.__doc__ or "").replace("{parameters}", parameter_section())
