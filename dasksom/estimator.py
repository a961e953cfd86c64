"""BatchSOM: the map on arrays, with scikit-learn's and dask-ml's conventions."""

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from dasksom import __version__
from dasksom.arrays import as_image, as_weights, computing
from dasksom.color_table import ColorTable, count_image, has_color_table
from dasksom.errors import InputError
from dasksom.image.palette_files import write_palette
from dasksom.parameters import check_parameters, lattice_of
from dasksom.passes import Progress, keep_in_memory
from dasksom.quantization import Labeling, distances_to, labels_of, rebuild
from dasksom.som.codebook import Codebook, load_codebook
from dasksom.som.initialization import INITIALIZATIONS
from dasksom.som.lattice import Lattice
from dasksom.som.quality import Quality
from dasksom.som.schedule import Decay
from dasksom.som.search import Search
from dasksom.streaming import Stream
from dasksom.training import Epoch, OnEpoch, train

logger = logging.getLogger(__name__)


class NotTrainedError(InputError, NotFittedError):  # type: ignore[misc]
    """A map was used before it was trained."""


class BatchSOM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A batch self-organizing map trained on every pixel of an image (or row of a table) of any size.

    Parameters
    ----------
    rows, columns : int
        Size of the lattice; rows x columns is the number of colors in the palette, at most 65,536.
    epochs : int
        Times that every pixel is presented, at least 1.
    topology : {"rectangular", "hexagonal"}
        Whether a unit has 8 neighbors, or 6 all at the same distance (every second row is shifted by half a unit).
    toroidal : bool
        Whether the map has no edge: its last row is next to its first one, and its columns likewise.
    neighborhood : {"gaussian", "bubble", "triangle", "epanechnikov"}
        How much a unit's neighbors learn with it.
    sigma : (float, float), optional
        Radius of the neighborhood in the first and in the last epoch, in lattice units. By default from half the longer
        side of the lattice (a quarter on a torus) to 0.1. A last radius of 0.5 or more keeps neighbors alike; toward 0
        the error of the palette is least (at 0 an epoch is a step of k-means).
    decay : {"exponential", "linear", "inverse", "asymptotic"} or callable (first, last, progress) -> float
        How the radius goes from first to last while progress goes from 0 to 1.
    init : {"pca", "sample", "random"} or array of shape (rows, columns, bands)
        Codebook to start from: spread over the plane of the two principal components, seeded pixels, seeded random
        numbers with the mean and deviation of the pixels, or the one given.
    metric : {"euclidean", "cosine", "manhattan", "chebyshev"}
        How best-matching units are chosen. Units become weighted means of samples, and errors are Euclidean, whatever
        it is.
    precision : {"float32", "float64"}
        Of the distances that "stream" compares; sums are float64 either way, and 8-bit colors are always exact.
    missing : {"exclude", "bands", "error"}
        What becomes of samples with NaN: left out, compared and averaged by the bands that they have, or an error.
    tol : float
        Training stops early after an epoch that moved the units, in the root mean square, by no more than this share of
        the samples' standard deviation. 0 never stops.
    warm_start : bool
        Whether `fit` goes on from the map that it made before, at its place in the schedule: with more `epochs` after
        `set_params`, or after an early stop.
    method : {"auto", "colors", "stream"}
        "colors" reads the image once, counts its colors and trains on the counts, exactly (uint8, at most 3 bands);
        "stream" reads it once per epoch (any real type, any number of bands). "auto" takes "colors" where it can.
    cache : {"auto", "memory", "none"}
        Whether "stream" holds the image in the cluster's memory between epochs; "auto" does where it fits with room to
        spare.
    random_state : int, optional
        Seed of ``init="sample"`` and ``init="random"``.

    Attributes
    ----------
    weights_ : ndarray of shape (rows, columns, bands), float64
    history_ : tuple of Epoch
        One record per epoch.
    quality_ : Quality or None
        Hits, errors and topographic error of the trained map over all samples; None where that would take another pass
        over the image ("stream"): `evaluate` makes it.
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
        decay: str | Decay = "exponential",
        init: str | ArrayLike = "pca",
        metric: str = "euclidean",
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
        self.decay = decay
        self.init = init
        self.metric = metric
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
    ) -> Self:
        """Train the map.

        Parameters
        ----------
        X : array of shape (..., bands)
            An image or a table; dask, NumPy or a data frame, any real type. The last axis is the bands.
        y : None
            Ignored; scikit-learn's pipelines pass it.
        mask : array of shape (...), bool, optional
            True where a sample counts, as in scikit-image.
        sample_weight : array of shape (...), real, optional
            How much each sample counts, at least 0.
        progress : callable (done, total), optional
            Called as chunks are done; starts again with each pass.
        on_epoch : callable (Epoch, codebook of shape (units, bands)), optional
            Called after each epoch; training ends where it returns True.

        Raises
        ------
        InputError
            If a parameter or an array cannot be used; infinities are found while the array is read.
        """
        sigmas = self.check_parameters()
        again = self.warm_start and hasattr(self, "weights_")
        image, weights = self._take(X, mask, sample_weight, reset=not again)
        start, done = (self._units(), len(self.history_)) if again else (None, 0)
        if done >= len(sigmas):
            warnings.warn(
                f"warm_start: {done} of epochs={self.epochs} epochs are done already; raise epochs to go on",
                stacklevel=2,
            )
        with computing(X):
            self._train(image, weights, start, sigmas[done:], done, progress, on_epoch)
        return self

    def partial_fit(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Self:
        """Make one more epoch, on these samples alone, at its place in the schedule; the last radius stays at its end.

        Parameters are those of `fit`.
        """
        sigmas = self.check_parameters()
        begun = hasattr(self, "weights_")
        image, weights = self._take(X, mask, sample_weight, reset=not begun)
        start, done = (self._units(), len(self.history_)) if begun else (None, 0)
        with computing(X):
            self._train(image, weights, start, [sigmas[min(done, len(sigmas) - 1)]], done, None, None)
        return self

    def _train(
        self,
        image: da.Array,
        weights: da.Array | None,
        start: NDArray[np.float64] | None,
        sigmas: Any,
        done: int,
        progress: Progress | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        start = self._given_codebook(image.shape[-1]) if start is None else start
        samples: ColorTable | Stream
        if self.counts_colors(image, weights):
            samples = count_image(image, weights, progress)
            logger.info("%d different colors in %d pixels", len(samples), samples.counts.sum())
        else:
            samples = Stream(keep_in_memory(image, self.cache), weights, self._search(), progress)
        if start is None:
            start = INITIALIZATIONS[str(self.init)](self._lattice(), samples, self.random_state)
        codebook, history = train(
            start,
            self._lattice(),
            sigmas,
            samples,
            neighborhood=self.neighborhood,
            tolerance=self.tol,
            done=done,
            on_epoch=on_epoch,
        )
        counted = isinstance(samples, ColorTable)
        self.quality_: Quality | None = samples.quality(codebook, self._lattice()) if counted else None
        self.weights_ = codebook.reshape(self.rows, self.columns, -1)
        self.history_: tuple[Epoch, ...] = (*(self.history_ if done else ()), *history)

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
            return labels_of(image, self._labeling().dithering(dither, image), weights)

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
            labeling = self._labeling().dithering(dither, image)
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
        return self._map(X, None, lambda image, _: distances_to(image, self._labeling()))

    def fit_predict(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Any:
        """Train the map and label what it was trained on."""
        return self.fit(X, mask=mask, sample_weight=sample_weight).predict(X, mask=mask)

    def evaluate(self, X: Any, *, mask: Any = None, sample_weight: Any = None) -> Quality:
        """Tell how well the map fits samples, in one pass: hits, errors, explained variance, topographic error.

        Parameters are those of `fit`.
        """
        image, weights = self._take(X, mask, sample_weight, reset=False)
        with computing(X):
            if self.counts_colors(image, weights):
                return count_image(image, weights).quality(self._units(), self._lattice())
            return Stream(image, weights, self._search()).quality(self._units(), self._lattice())

    def score(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> float:
        """Give minus the mean squared Euclidean distance of the samples to their units; more is better."""
        return -self.evaluate(X, mask=mask, sample_weight=sample_weight).mean_squared_error

    @property
    def codebook_(self) -> Codebook:
        """The trained map as it is saved."""
        self._units()
        about = self.get_params()
        if not isinstance(self.init, str):
            about["init"] = "pca"  # a given codebook is not kept
        if callable(self.decay):
            about["decay"] = "exponential"  # nor a function
        plain = {name: np.asarray(value).tolist() for name, value in about.items() if value is not None}
        return Codebook(self.weights_, {"dasksom": __version__, "parameters": plain})

    def save(self, path: str | Path) -> None:
        """Write the trained map as .npz, without pickle."""
        self.codebook_.save(path)

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

    def check_parameters(self) -> tuple[float, ...]:
        """Check every parameter; give sigma for each epoch, in lattice units.

        Raises
        ------
        InputError
            Naming the parameter, what is allowed, and what was given.
        """
        return check_parameters(self.get_params(deep=False))

    def check_bands(self, image: Any) -> None:
        """Refuse an image whose bands are not as many as those that the map was trained on."""
        bands = self._units().shape[1]
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
        countable = has_color_table(image) and masked and self.metric == "euclidean"
        if self.method == "colors" and not countable:
            raise InputError(
                "method='colors' counts the colors of uint8 images with at most 3 bands, by Euclidean distance and "
                f"without sample weights; this is {image.dtype} with {image.shape[-1]} bands, metric={self.metric!r}"
                f"{'' if masked else ', with weights'}: use method='stream' or 'auto'"
            )
        return countable and self.method != "stream"

    @property
    def units(self) -> int:
        """Number of units of the map."""
        return self.rows * self.columns

    @property
    def labeling_(self) -> Labeling:
        """How the trained map labels pixels."""
        return self._labeling()

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
        if not reset:
            self._units()
        image, own_mask = as_image(X)
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)  # names of a data frame's columns
        if reset:
            self.n_features_in_ = int(image.shape[-1])
        else:
            self.check_bands(image)
        return image, as_weights(image, mask, sample_weight, own_mask)

    def _map(self, X: Any, mask: Any, function: Callable[[da.Array, da.Array | None], da.Array]) -> Any:
        result = function(*self._take(X, mask, None, reset=False))
        if isinstance(X, da.Array):
            return result
        with computing(X):
            return result.compute()

    def _units(self) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise NotTrainedError("this BatchSOM is not trained (fitted) yet; call fit first")
        return np.asarray(self.weights_, np.float64).reshape(-1, self.weights_.shape[-1])

    def _lattice(self) -> Lattice:
        return lattice_of(self.get_params(deep=False))

    def _search(self) -> Search:
        return Search(self.metric, self.precision, self.missing)

    def _labeling(self) -> Labeling:
        return Labeling(self._units(), self._search())

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


def load(path: str | Path) -> BatchSOM:
    """Load a trained map that `BatchSOM.save` or ``dasksom train`` wrote.

    Raises
    ------
    InputError
        If the file is missing or not a model.
    """
    return from_codebook(load_codebook(path))


def from_codebook(codebook: Codebook) -> BatchSOM:
    """Make a trained map of a codebook; its parameters are those that the codebook tells, or else the defaults."""
    rows, columns, bands = codebook.weights.shape
    told = codebook.about.get("parameters", {})
    if not isinstance(told, dict):
        raise InputError(f"a model whose parameters are {told!r}, not a mapping; train it again")
    known = BatchSOM().get_params()
    kept = {name: value for name, value in told.items() if name in known and name not in ("rows", "columns")}
    if isinstance(kept.get("sigma"), list):
        kept["sigma"] = tuple(kept["sigma"])  # JSON has lists alone
    som = BatchSOM(rows, columns, **kept)
    som.check_parameters()
    som.weights_ = codebook.weights
    som.history_ = ()
    som.quality_ = None
    som.n_features_in_ = bands
    return som
