"""Parameters and training of the map."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike

from dasksom.chunkwise import Keeper, Progress
from dasksom.config.feature_parameters import Features
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.estimator.map_predictor import MapPredictor
from dasksom.som.schedule import Decay, Step, WarmUp
from dasksom.training.checkpoint import Checkpoint
from dasksom.training.color_histogram import has_color_table
from dasksom.training.epochs import OnEpoch
from dasksom.training.input_arrays import computing, is_lazy, several
from dasksom.training.map_training import are_countable, identity_of, train_map
from dasksom.training.parameter_checks import check_parameters, fixed_colors, plan_epochs
from dasksom.training.sources import Weighted, blurred_images
from dasksom.training.trained_map import TrainedMap

_plan_warm_up: "Callable[..., WarmUp]" = deferred("dasksom.training.warm_up_plan:plan_warm_up")
_progress_of: "Callable[..., Progress | None]" = deferred("dasksom.estimator.progress_bars:progress_of")


class BatchMap(MapPredictor):
    """The map as runs use it: `BatchSOM` without the base classes of scikit-learn, which take a second to import."""

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
        refine: int | None = 0,
        decay: str | Decay = "exponential",
        init: str | ArrayLike = "pca",
        keep: str | Sequence[str] | ArrayLike = (),
        metric: str = "euclidean",
        color_space: str = "rgb",
        scale: str = "none",
        features: Features | None = None,
        empty_units: str = "keep",
        sample: float = 1.0,
        warm_up: int | str = "auto",
        precision: str = "float32",
        device: str = "auto",
        missing: str = "exclude",
        tol: float = 0.0,
        warm_start: bool = False,
        method: str = "auto",
        cache: str = "auto",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
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
        self.keep = keep
        self.metric = metric
        self.color_space = color_space
        self.scale = scale
        self.features = features
        self.empty_units = empty_units
        self.sample = sample
        self.warm_up = warm_up
        self.precision = precision
        self.device = device
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
        progress: Progress | bool | None = None,
        on_epoch: OnEpoch | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Train the map.

        Parameters
        ----------
        X : array of shape (..., bands), or list of dask arrays
            An image or a table of any real type: dask, NumPy or a data frame. The last axis is the bands. A list holds
            several images of one type and number of bands, for one codebook. DataArrays of xarray have any order of
            dimensions; the bands of a Dataset are its variables.
        y : None
            Ignored; scikit-learn's pipelines pass it.
        mask : array of shape (...), bool, optional
            True where a sample is used, as in scikit-image. For several images a list of masks, or of None.
        sample_weight : array of shape (...), real, optional
            Weight of each sample, at least 0; for several images a list.
        progress : callable (done, total) or True, optional
            Called as chunks are done; starts again with each pass. True: bars in a notebook or a terminal, which need
            ``dasksom[notebook]``.
        on_epoch : callable (Epoch, codebook of shape (units, bands)), optional
            Called after each epoch with its record and a read-only codebook; a true result ends the training.
        checkpoint : path, optional
            Folder for the records of the training: after it was killed, the same call resumes, to the same bits. The
            folder is emptied when the training ends. For dask arrays whose names identify their data, as those of
            `open_image` do.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a parameter or an array cannot be used; infinities are detected while the array is read; or if the
            checkpoint is of another training, naming the differences.
        """
        progress = _progress_of(progress)
        if checkpoint is None:
            return self.fit_with_keeper(
                X, None, mask=mask, sample_weight=sample_weight, progress=progress, on_epoch=on_epoch
            )
        if not (is_lazy(X) or several(X)):
            raise InputError("checkpoint: is for dask arrays; what is in memory is lost with the process, too")
        self.check_parameters()
        before = self._before()
        images = self._prepare_all(X, mask, sample_weight, reset=before is None)
        keeper = Checkpoint(checkpoint, identity_of(images, self.get_params(), before))
        self._train(X, images, self._to_train(images, before), before, progress, on_epoch, keeper)
        keeper.clear()
        return self

    def fit_with_keeper(
        self,
        X: Any,
        keeper: Keeper | None,
        *,
        mask: Any = None,
        sample_weight: Any = None,
        band_names: Sequence[str] = (),
        blurred: Sequence[da.Array] | None = None,
        progress: Progress | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train the map as `fit` does, with the records of a keeper in place of a checkpoint.

        Records are neither checked nor deleted: the keeper must be that of the same training. `band_names` are the
        names of the bands, if the arrays have none. `blurred` are the same images as `blur_image` returns them, if they
        are known. Other parameters are those of `fit`.
        """
        self.check_parameters()
        before = self._before()
        images = self._prepare_all(X, mask, sample_weight, reset=before is None)
        if band_names:
            self.feature_names_in_ = np.array(band_names, object)
        used = self._to_train(images, before, blurred)
        self._train(X, images, used, before, progress, on_epoch, keeper)
        return self

    def partial_fit(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Self:
        """Train one more epoch, on these samples only, at its position in the schedule; the last radius remains.

        Parameters are those of `fit`. There is no refinement, which depends on the error of all samples.
        """
        self.check_parameters()
        before = self._before(always=True)
        images = self._prepare_all(X, mask, sample_weight, reset=before is None)
        dtype, images = str(images[0][0].dtype), self._to_train(images, before)
        steps = self._steps(images)[: self.epochs]
        done = 0 if before is None else len(before.history)
        with computing(X):
            step = steps[min(done, len(steps) - 1)]
            parameters, names = self.get_params(deep=False), self._band_names()
            trained = train_map(images, parameters, [step] * (done + 1), before, names=names)
        return self.restore(replace(trained, dtype=dtype), 0 if before is None else self.refine_)

    def _to_train(
        self, images: list[Weighted], before: TrainedMap | None, blurred: Sequence[da.Array] | None = None
    ) -> list[Weighted]:
        """Return the images that the map is trained on: blurred, if it blurs."""
        if blurred is not None:
            return [(image, weights) for image, (_, weights) in zip(blurred, images, strict=True)]
        features = self.features if before is None else before.features
        return blurred_images(images, 0.0 if features is None else features.blur or 0.0)

    def _before(self, *, always: bool = False) -> TrainedMap | None:
        """Return the map to continue with, if there is one."""
        if not hasattr(self, "weights_") or not (always or self.warm_start):
            return None
        if self.weights_.shape[:2] != (self.rows, self.columns):
            rows, columns = self.weights_.shape[:2]
            raise InputError(
                f"rows={self.rows}, columns={self.columns}: the map to continue with has {rows} x {columns} units; "
                f"use rows={rows}, columns={columns}, or train a new one (clone it, or fit with warm_start=False)"
            )
        return self._trained()

    def _steps(self, images: list[Weighted]) -> tuple[Step, ...]:
        fixed_colors(self.keep, images[0][0].dtype, images[0][0].shape[-1])  # raises if the image cannot have them
        counted = all(self.counts_colors(*image) for image in images)
        return plan_epochs(
            self.get_params(deep=False),
            counts_colors=counted,
            palette=all(has_color_table(image) and image.dtype == np.uint8 for image, _ in images),
            countable=all(are_countable(*image) for image in images),
        )

    def _warm_up(self, images: list[Weighted], epochs: int) -> WarmUp:
        if all(are_countable(*image) for image in images):
            return WarmUp()
        return _plan_warm_up(self.get_params(deep=False), [image for image, _ in images], epochs)

    def _train(
        self,
        X: Any,
        images: list[Weighted],
        used: list[Weighted],
        before: TrainedMap | None,
        progress: Progress | None,
        on_epoch: OnEpoch | None,
        keeper: Keeper | None,
    ) -> None:
        steps = self._steps(used)
        if before is not None and len(before.history) >= len(steps):
            warnings.warn(
                f"warm_start: all of epochs={self.epochs} and refine={len(steps) - self.epochs} are done; raise one to "
                "continue",
                stacklevel=4,
            )
        given = self.get_params(deep=False)
        with computing(X):
            trained = train_map(
                used,
                given,
                steps,
                before,
                warm_up=self._warm_up(used, len(steps) - (0 if before is None else len(before.history))),
                names=self._band_names(),
                progress=progress,
                on_epoch=on_epoch,
                keeper=keeper,
            )
        self.restore(replace(trained, dtype=str(images[0][0].dtype)), len(steps) - self.epochs)

    def fit_predict(self, X: Any, y: None = None, *, mask: Any = None, sample_weight: Any = None) -> Any:
        """Train the map and label the samples that it was trained on."""
        return self.fit(X, mask=mask, sample_weight=sample_weight).predict(X, mask=mask)

    def check_parameters(self) -> None:
        """Check every parameter.

        Raises
        ------
        InputError
            Naming the parameter, the accepted values, and the value given.
        """
        check_parameters(self.get_params(deep=False))

    def total_epochs(self, image: da.Array) -> int:
        """Return the epochs of `fit` on this image, the refinement included."""
        return len(self._steps([(image, None)]))

    def planned_warm_up(self, image: da.Array) -> WarmUp:
        """Return the warm-up of `fit` on this image: the epochs that run on a sample of it."""
        return self._warm_up([(image, None)], self.total_epochs(image))
