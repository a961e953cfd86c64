"""The start of a training: the features that the map compares, the initial codebook, and units that do not move."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Keeper
from dasksom.config.feature_parameters import Features
from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.som.bmu.search import Search
from dasksom.som.choices import INITIALIZATIONS
from dasksom.som.codebook import Codebook
from dasksom.som.initialization import best_start, is_arbitrary
from dasksom.som.statistics.moments import WIDEST_SCATTER, merge_moments
from dasksom.training.checkpoint import FEATURES
from dasksom.training.color_histogram import ColorTable
from dasksom.training.parameter_checks import lattice_from
from dasksom.training.sources import measured
from dasksom.training.trained_map import TrainedMap

if TYPE_CHECKING:
    from dasksom.som.features.pixel_features import PixelFeatures
    from dasksom.som.statistics.moments import Moments
    from dasksom.training.converted_colors import ComparedColors
    from dasksom.training.streaming import Stream, Streams

    PlainSamples: TypeAlias = ColorTable | Stream | Streams
    ComparedSamples: TypeAlias = ColorTable | ComparedColors | Stream | Streams

_features_from_state = deferred("dasksom.som.features.pixel_features:features_from_state")
_measured_features = deferred("dasksom.features.fitting:measured_features")
_planned_features = deferred("dasksom.features.fitting:planned_features")
_unit_means = deferred("dasksom.features.unit_means:unit_means")

logger = logging.getLogger(__name__)

_UNEVEN = 100.0
"""Ratio of the variances of two bands from which a warning is logged."""
_DECIDING = 0.01
"""Share of the variance of all bands from which on one band of a wide table decides."""


@dataclass(frozen=True)
class TrainingImages:
    """What all images of a training have in common."""

    dtype: np.dtype[Any]
    bands: int
    names: tuple[str, ...] = ()
    """Names of the bands; empty if they have none."""

    def name(self, band: int) -> str:
        """Return the name of a band, or its number, from 0."""
        return self.names[band] if self.names else str(band)


def plan_features(given: Mapping[str, Any], images: TrainingImages) -> PixelFeatures | None:
    """Return the features of a new map as far as they are known before any pixel is read; None: the bands as they are.

    Raises
    ------
    InputError
        If a formula or a weight names a band that does not exist.
    """
    if given["features"] is None and given["scale"] == "none":
        return None
    features = given["features"] or Features()
    planned: PixelFeatures = _planned_features(features, given["scale"], images.names, images.bands)
    return None if planned.is_trivial else planned


def fit_features(
    planned: PixelFeatures,
    samples: PlainSamples,
    search: Search,
    dtype: np.dtype[Any],
    keeper: Keeper | None,
) -> tuple[tuple[PixelFeatures, ...], Moments | None]:
    """Measure planned features on samples, or load those of a killed training.

    Returns
    -------
    tuple of PixelFeatures
        Those of all images, or those of each image if they are measured by image.
    Moments or None
        Moments of the features, if they are known without another pass.
    """
    saved = None if keeper is None else keeper.load(FEATURES)
    if saved is not None:
        return tuple(_features_from_state(state) for state in saved), None
    streams = measured(samples, search)
    parts = getattr(streams, "parts", ()) if planned.by_image else ()
    parts = parts if len(parts) > 1 else (streams,)
    options = {"dtype": dtype, "missing": search.missing, "counted": isinstance(samples, ColorTable)}
    features, moments = zip(*(_measured_features(planned, part, **options) for part in parts), strict=True)
    if keeper is not None:
        keeper.save(FEATURES, [one.state() for one in features])
    return features, None if None in moments else merge_moments(moments)


def bands_of(
    codebook: NDArray[np.float64],
    samples: PlainSamples,
    search: Search,
    features: tuple[PixelFeatures, ...],
    dtype: np.dtype[Any],
) -> NDArray[np.float64]:
    """Return the bands of units: those of their features, or else the means of their pixels."""
    if len(features) <= 1 and all(one.is_invertible for one in features):
        return search.uncompared(codebook, dtype)
    means: NDArray[np.float64] = _unit_means(measured(samples, search).searching(features), codebook)
    return means


class _Start:
    """Samples whose moments are computed at most once."""

    def __init__(self, samples: ComparedSamples, known: Moments | None) -> None:
        self._samples, self.known = samples, known

    def moments(self) -> Moments:
        if self.known is None:
            self.known = self._samples.moments()
        return self.known

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._samples.scatter_products(mean, basis)

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        return self._samples.draw(units, seed)


def first_codebook(
    samples: ComparedSamples,
    search: Search,
    given: Mapping[str, Any],
    images: TrainingImages,
    seed: int | None,
    before: TrainedMap | None,
    known: Moments | None,
    sigmas: Sequence[float] = (),
) -> NDArray[np.float64]:
    """Return the codebook that a training starts from, in the features that the search compares.

    Parameters
    ----------
    samples, search, given, images, seed
        Those of the training.
    before : TrainedMap, optional
        The map to continue with.
    known : Moments, optional
        Moments of the samples, if they are known.
    sigmas : sequence of float
        Radii of the epochs by which several starts are tried if that of principal components is arbitrary; empty: none
        is tried.
    """
    if before is not None and before.features is not None:
        return before.compared_units
    units = _given_codebook(given, images.bands) if before is None else before.compared_units
    if units is not None:
        return np.asarray(search.compared(units, images.dtype), np.float64)
    start, lattice = _Start(samples, known), lattice_from(given)
    codebook = INITIALIZATIONS[str(given["init"])](lattice, start, seed)
    if search.features is None and search.color_space == "rgb":
        moments = start.known
        _warn_of_uneven(codebook.var(axis=0) if moments is None else moments.squares, images)
    if not sigmas or start.known is None or not is_arbitrary(start.known):
        return codebook
    _, drawn = cast("Stream | Streams", samples).random_samples()  # never counted colors
    return best_start(codebook, drawn, search, lattice, str(given["neighborhood"]), sigmas)


def _given_codebook(given: Mapping[str, Any], bands: int) -> NDArray[np.float64] | None:
    if isinstance(given["init"], str):
        return None
    try:
        codebook = np.array(given["init"], np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"init: not an array of numbers ({error})") from error
    shape = (given["rows"], given["columns"], bands)
    if codebook.shape != shape:
        raise InputError(f"init: an array of shape {shape} is needed; got {codebook.shape}")
    return Codebook(codebook).units


def _warn_of_uneven(variances: NDArray[np.float64], images: TrainingImages) -> None:
    """Warn if one band varies so much more than another that it decides alone; bands that do not vary are ignored."""
    colors = images.bands <= 3 and images.dtype.kind in "ui"
    varying = variances[variances > 0]
    if colors or not len(varying) or varying.max() <= _UNEVEN * varying.min():
        return
    largest = int(variances.argmax())
    if images.bands > WIDEST_SCATTER and variances[largest] < _DECIDING * variances.sum():
        return
    logger.warning(
        "band %s has %.3g%% of the variance of all %d bands, %.3g times that of another band, and so decides which "
        "unit a pixel gets; --scale standard (scale='standard') compares all bands alike",
        images.name(largest),
        100 * variances[largest] / variances.sum(),
        images.bands,
        varying.max() / varying.min(),
    )


def fixed_vectors(colors: NDArray[np.float64], search: Search, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Return what a search compares of the colors of fixed units.

    Raises
    ------
    InputError
        If a color has no value of a feature.
    """
    vectors = np.array(search.compared(colors, dtype), np.float64)
    if not np.isfinite(vectors).all():
        number = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        shown = "/".join(f"{value:g}" for value in colors[number])
        raise InputError(f"keep: {shown} has no value of a feature that the map compares; remove it, or the feature")
    return vectors


def place_fixed(codebook: NDArray[np.float64], vectors: NDArray[np.float64]) -> tuple[int, ...]:
    """Give each vector to the nearest unit that has none yet, in place, and return the numbers of these units.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
    vectors : ndarray of shape (fixed, bands), float64
        At most as many as units.
    """
    free, chosen = np.ones(len(codebook), bool), []
    for vector in vectors:
        distances = np.where(free, ((codebook - vector) ** 2).sum(axis=1), np.inf)
        unit = int(distances.argmin())
        free[unit] = False
        chosen.append(unit)
        codebook[unit] = vector
    return tuple(chosen)
