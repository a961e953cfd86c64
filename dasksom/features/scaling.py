"""Measure how features are scaled, in passes over all samples."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner
from dasksom.som.bmu.search import Search
from dasksom.som.features.named_choices import parse_choice
from dasksom.som.features.order_statistics import Digit, count_digits, digit_bytes, digit_passes, select_percentiles
from dasksom.som.features.pixel_features import ImageFeatures, PixelFeatures, transformed
from dasksom.som.features.scalings import SCALINGS, ScalingCost, Statistics
from dasksom.som.statistics.moments import Moments, merge_moments, moments
from dasksom.som.unit_sums import add_up


class MeasuredSamples(Protocol):
    """Samples that are read chunk by chunk."""

    def searching(self, features: ImageFeatures) -> Self:
        """Return the same samples, converted to other features."""

    def reduce(self, function: Callable[..., Any], combine: Callable[[Sequence[Any]], Any], **arguments: Any) -> Any:
        """Run a function of (block, corner, weights, search=..., **arguments) on every chunk; combine the results."""

    def moments(self) -> Moments:
        """Return the moments of the features of all samples."""


def scaling_cost(scale: str, dtype: np.dtype[Any], bands: int, *, has_moments: bool) -> ScalingCost:
    """Return the cost of a scaling.

    Parameters
    ----------
    scale : str
        Name and numbers.
    dtype, bands
        Those of the image.
    has_moments : bool
        Whether the initialization of the map takes a pass for moments, which "standard" uses.
    """
    name, numbers = parse_choice(scale, SCALINGS, "scale")
    if name == "none":
        return ScalingCost()
    if not numbers:
        return ScalingCost(passes=int(not has_moments))
    return ScalingCost(digit_passes(dtype), digit_bytes(dtype, bands, len(numbers)))


def fit_scaling(
    samples: MeasuredSamples,
    features: PixelFeatures,
    name: str,
    numbers: tuple[float, ...],
    *,
    dtype: np.dtype[Any],
    missing: str,
    counted: bool = False,
) -> tuple[PixelFeatures, Moments | None]:
    """Measure a scaling.

    Parameters
    ----------
    samples : MeasuredSamples
    features : PixelFeatures
        Not scaled yet.
    name, numbers : str, tuple of float
        A name in ``dasksom.som.features.scalings.SCALINGS``, not "none", and its numbers.
    dtype : dtype of the image
    missing : str
        One of ``dasksom.som.samples.MISSING``.
    counted : bool
        Whether the weights of the samples are their numbers. Otherwise percentiles do not depend on the weights,
        except that samples of weight 0 are not used.

    Returns
    -------
    PixelFeatures
        Scaled.
    Moments or None
        The moments of the scaled features, if they are known without another pass.
    """
    scaling = SCALINGS[name]
    measured: Moments | None = None
    if numbers:
        statistics = Statistics(
            percentiles=_percentiles(samples, features, numbers, scaling.positive, dtype=dtype, counted=counted)
        )
    elif missing == "bands":
        by_band = samples.searching(features).reduce(_band_moments, _merge_bands)
        statistics = _mean_and_deviation(by_band)
    else:
        measured = samples.searching(features).moments()
        statistics = _mean_and_deviation([measured])
    center, spread = scaling.numbers_of(statistics)
    # features that do not vary, or have no values, are only shifted
    center = np.where(np.isfinite(center), center, 0.0)
    spread = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
    scaled = replace(features, center=tuple(center.tolist()), spread=tuple(spread.tolist()))
    if measured is None:
        return scaled, None
    return scaled, measured.scaled(center, 1 / spread)


def _mean_and_deviation(groups: Sequence[Moments]) -> Statistics:
    variance = np.concatenate([group.squares / max(group.count, 1e-300) for group in groups])
    mean = np.concatenate([group.mean for group in groups])
    # the variance of equal values is a rounding error, not a spread
    varies = variance > (1e-12 * mean) ** 2
    return Statistics(mean=mean, deviation=np.sqrt(np.where(varies, variance, 0.0)))


def _band_moments(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None = None, *, search: Search
) -> list[Moments]:
    """Return the moments of each feature over the samples that have it."""
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    parts = []
    for column in samples.values.T[:, :, None]:
        known = ~np.isnan(column[:, 0])
        parts.append(moments(column[known], None if samples.weights is None else samples.weights[known]))
    return parts


def _merge_bands(parts: Sequence[list[Moments]]) -> list[Moments]:
    return [merge_moments(of_band) for of_band in zip(*parts, strict=True)]


def _percentiles(
    samples: MeasuredSamples,
    features: PixelFeatures,
    numbers: tuple[float, ...],
    positive: bool,
    *,
    dtype: np.dtype[Any],
    counted: bool,
) -> tuple[NDArray[np.float64], ...]:
    # features that increase with one band are measured in the image's own type, which takes fewer passes
    direct = features.by_band and features.is_total(dtype)
    measured = samples.searching(None if direct else features)

    def count(digit: Digit) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = measured.reduce(_chunk_digits, add_up, digit=digit, counted=counted)
        return counts

    def to_features(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return transformed(values, features.transform, features.numbers) if direct else values

    value_dtype = dtype if direct else np.result_type(dtype, np.float32)
    return select_percentiles(count, value_dtype, features.count, numbers, positive, to_features)


def _chunk_digits(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    search: Search,
    digit: Digit,
    counted: bool,
) -> NDArray[np.int64]:
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    times = samples.weights.astype(np.int64) if counted and samples.weights is not None else None
    return count_digits(samples.values, digit, times)
