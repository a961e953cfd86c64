"""BatchSOM: the map on arrays, with scikit-learn's and dask-ml's conventions."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from math import prod
from pathlib import Path
from typing import Any, Self

import dask
import dask.array as da
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dasksom import __version__
from dasksom.color_table import count_image, has_color_table
from dasksom.errors import InputError
from dasksom.parameters import check_parameters, lattice_of
from dasksom.passes import Progress, keep_in_memory
from dasksom.quantization import labels_of, rebuild
from dasksom.som.codebook import Codebook, load_codebook
from dasksom.som.initialization import pca_codebook, random_codebook
from dasksom.som.quality import Quality
from dasksom.som.schedule import Decay
from dasksom.training import Epoch, SumPixels, image_moments, sample_codebook, stream_sums, train

logger = logging.getLogger(__name__)

NUMPY_CHUNK_BYTES = 16 << 20
"""Chunks that arrays in memory are worked on in."""


class BatchSOM:
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
        Hits and error of the trained map over all samples; None where that would take another pass over the image
        ("stream").
    n_features_in_ : int
        Number of bands.

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
        rows: int,
        columns: int,
        *,
        epochs: int = 20,
        topology: str = "rectangular",
        toroidal: bool = False,
        neighborhood: str = "gaussian",
        sigma: tuple[float, float] | None = None,
        decay: str | Decay = "exponential",
        init: str | ArrayLike = "pca",
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
        self.method = method
        self.cache = cache
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the constructor's arguments by name."""
        return {name: getattr(self, name) for name in PARAMETERS}

    def set_params(self, **parameters: Any) -> Self:
        """Change constructor's arguments."""
        for name, value in parameters.items():
            if name not in PARAMETERS:
                raise InputError(f"BatchSOM has no parameter {name!r}; it has {', '.join(PARAMETERS)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items() if value is not None)
        return f"BatchSOM({shown})"

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        progress: Progress | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> Self:
        """Train the map.

        Parameters
        ----------
        X : array of shape (..., bands)
            An image or a table; dask or NumPy, any real type. The last axis is the bands.
        y : None
            Ignored; scikit-learn's pipelines pass it.
        progress : callable (done, total), optional
            Called as chunks are done; starts again with each pass.
        on_epoch : callable (Epoch), optional
            Called after each epoch.

        Raises
        ------
        InputError
            If a parameter or the array cannot be used; NaN and infinity are found while the array is read.
        """
        sigmas = self.check_parameters()
        image = _as_image(X)
        with _computing(X):
            codebook, history, quality = self._train(image, sigmas, progress, on_epoch)
        self.weights_ = codebook.reshape(self.rows, self.columns, -1)
        self.history_ = history
        self.quality_ = quality
        self.n_features_in_ = int(image.shape[-1])
        return self

    def _train(
        self,
        image: da.Array,
        sigmas: tuple[float, ...],
        progress: Progress | None,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> tuple[NDArray[np.float64], tuple[Epoch, ...], Quality | None]:
        lattice = lattice_of(self.get_params())
        start = self._given_codebook(image.shape[-1])
        table = count_image(image, progress) if self.counts_colors(image) else None
        sum_pixels: SumPixels
        if table is not None:
            logger.info("%d different colors in %d pixels", len(table), table.counts.sum())
            sum_pixels = table.batch_sums
        else:
            image = keep_in_memory(image, self.cache)
            sum_pixels = stream_sums(image, progress)
        if start is None and self.init == "sample":
            start = sample_codebook(image, lattice.units, self.random_state)
        elif start is None:
            of = image_moments(image, progress) if table is None else table.moments()
            start = pca_codebook(lattice, of) if self.init == "pca" else random_codebook(lattice, of, self.random_state)
        codebook, history = train(start, lattice, sigmas, sum_pixels, neighborhood=self.neighborhood, on_epoch=on_epoch)
        return codebook, history, None if table is None else table.quality(codebook)

    def predict(self, X: Any) -> Any:
        """Label every sample with its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)

        Returns
        -------
        array of shape (...), unsigned
            Row-major unit numbers; lazy for a dask array, NumPy for anything else.
        """
        return self._map(X, lambda image: labels_of(image, self._units()))

    def quantize(self, X: Any) -> Any:
        """Give every sample the color of its best-matching unit.

        Parameters
        ----------
        X : array of shape (..., bands)

        Returns
        -------
        array of the same shape and type
            Lazy for a dask array, NumPy for anything else. Integer types hold the vectors rounded.
        """

        def rebuilt(image: da.Array) -> da.Array:
            return rebuild(labels_of(image, self._units()), self.codebook_.palette(image.dtype))

        return self._map(X, rebuilt)

    def fit_predict(self, X: Any, y: None = None) -> Any:
        """Train the map and label what it was trained on."""
        return self.fit(X).predict(X)

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

    def _units(self) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise InputError("this BatchSOM is not trained yet; call fit first")
        return np.asarray(self.weights_, np.float64).reshape(-1, self.weights_.shape[-1])

    def _map(self, X: Any, function: Callable[[da.Array], da.Array]) -> Any:
        image = _as_image(X)
        self.check_bands(image)
        result = function(image)
        if isinstance(X, da.Array):
            return result
        with _computing(X):
            return result.compute()

    @property
    def units(self) -> int:
        """Number of units of the map."""
        return self.rows * self.columns

    def counts_colors(self, image: da.Array) -> bool:
        """Tell whether `fit` counts this image's colors rather than streaming it.

        Raises
        ------
        InputError
            If it is told to count what cannot be counted.
        """
        countable = has_color_table(image)
        if self.method == "colors" and not countable:
            raise InputError(
                "method='colors' counts the colors of uint8 images with at most 3 bands; this one is "
                f"{image.dtype} with {image.shape[-1]} bands: use method='stream' or 'auto'"
            )
        return countable and self.method != "stream"

    def check_bands(self, image: da.Array) -> None:
        """Refuse an image whose bands are not as many as those that the map was trained on."""
        bands = self._units().shape[1]
        if image.shape[-1] != bands:
            raise InputError(f"the image has {image.shape[-1]} bands in its last axis; this map was trained on {bands}")

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

    def check_parameters(self) -> tuple[float, ...]:
        """Check every parameter; give sigma for each epoch, in lattice units.

        Raises
        ------
        InputError
            Naming the parameter, what is allowed, and what was given.
        """
        return check_parameters(self.get_params())


PARAMETERS = (
    "rows",
    "columns",
    "epochs",
    "topology",
    "toroidal",
    "neighborhood",
    "sigma",
    "decay",
    "init",
    "method",
    "cache",
    "random_state",
)


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
    kept = {name: value for name, value in told.items() if name in PARAMETERS and name not in ("rows", "columns")}
    if isinstance(kept.get("sigma"), list):
        kept["sigma"] = tuple(kept["sigma"])  # JSON has lists alone
    som = BatchSOM(rows, columns, **kept)
    som.check_parameters()
    som.weights_ = codebook.weights
    som.history_ = ()
    som.quality_ = None
    som.n_features_in_ = bands
    return som


def _as_image(X: Any) -> da.Array:
    """Give an array as a lazy image: whole bands in each chunk, and no chunk without samples."""
    if isinstance(X, da.Array):
        array = X
    else:
        data = np.asanyarray(X)
        rows = max(1, NUMPY_CHUNK_BYTES // max(1, data[:1].nbytes)) if data.ndim else 1
        array = da.from_array(data, chunks=(rows, *data.shape[1:]), name=False) if data.ndim else da.asarray(data)
    if array.ndim < 2:
        raise InputError(
            f"an array of shape {array.shape} has no samples and bands; give (height, width, bands) for an image or "
            "(n, bands) for a table. A single band is x[..., None]"
        )
    if array.dtype.kind not in "uif" or array.dtype.itemsize > 8:
        raise InputError(
            f"an array of {array.dtype}; a map takes integers or floating point numbers, for example x.astype('uint8')"
        )
    if isinstance(array._meta, np.ma.MaskedArray):
        raise InputError("a masked array; masks are not taken yet: fill the array, or give only the samples that count")
    if any(np.isnan(size) for size in array.shape):
        raise InputError("the array's chunk sizes are unknown; call x.compute_chunk_sizes() first")
    if prod(array.shape) == 0:
        raise InputError(f"an array of shape {array.shape} holds no samples; at least one is needed")
    chunks = tuple(tuple(size for size in sizes if size) for sizes in array.chunks[:-1])
    return array.rechunk((*chunks, -1)) if (*chunks, (array.shape[-1],)) != array.chunks else array


def _computing(X: Any) -> Any:
    """Give the context to compute an array in: what is in this process's memory is worked on by its threads."""
    return nullcontext() if isinstance(X, da.Array) else dask.config.set(scheduler="threads")
