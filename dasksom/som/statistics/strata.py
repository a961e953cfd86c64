"""Strata of pixels, the cells of a small codebook, whose exact totals calibrate the weights of a sample.

Sums over a weighted sample differ from those over all pixels by chance. If the weights are changed, as little as
possible, so that the number of pixels and the means of their features are exact in each stratum, sums over the cells of
other codebooks are nearly exact too. Totals are sums of whole steps, so that they do not depend on the chunks.

Source: Deville, Sarndal, "Calibration estimators in survey sampling" (1992), the linear method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel

_STEPS = 64.0
"""Number of steps in a feature's standard deviation within strata."""
_MOST_STEPS = 8192.0
"""Largest number of steps of a value: float64 adds up those of 10^12 pixels exactly."""
_ROUNDS = 5
"""Number of updates of the centers."""
_SAMPLES_A_FEATURE = 32
"""Fewest samples of a stratum for each feature whose mean is calibrated."""
_LEAST_FACTOR, _MOST_FACTOR = 0.1, 10.0
"""Limits of the change of a weight."""


@kernel
def _steps_from(value: float, center: float, steps: float) -> float:
    number = np.rint((value - center) * steps)
    return 0.0 if number != number else min(max(number, -_MOST_STEPS), _MOST_STEPS)


@kernel
def _add(
    values: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    centers: NDArray[np.float64],
    steps: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    for i in range(len(values)):
        stratum, weight = labels[i], weights[i]
        totals[stratum, 0] += weight
        for feature in range(values.shape[1]):
            away = _steps_from(values[i, feature], centers[stratum, feature], steps[feature])
            totals[stratum, feature + 1] += weight * away


@dataclass(frozen=True, eq=False)
class Strata:
    """Strata in the space of the features."""

    centers: NDArray[np.float64]
    """Shape (strata, features); a pixel belongs to the nearest."""
    steps: NDArray[np.float64]
    """Number of steps for each unit of a feature, shape (features,)."""

    def no_totals(self) -> NDArray[np.float64]:
        """Return the totals of no pixels: shape (strata, 1 + features), the weight and the steps from the center."""
        return np.zeros((len(self.centers), self.centers.shape[1] + 1))

    def add(
        self,
        values: NDArray[Any],
        labels: NDArray[np.integer],
        weights: NDArray[np.float64] | None,
        totals: NDArray[np.float64],
    ) -> None:
        """Add pixels to totals, in place.

        Parameters
        ----------
        values : ndarray of shape (n, features), real
            NaN where a band is missing.
        labels : ndarray of shape (n,)
            Numbers of their strata.
        weights : ndarray of shape (n,), optional
            1 each by default.
        totals : ndarray
            As `no_totals` returns it.
        """
        amounts = np.ones(len(values)) if weights is None else weights
        dtype = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
        block = np.ascontiguousarray(values, dtype)
        _add(block, labels.astype(np.int64), amounts, self.centers, self.steps, totals)

    def calibrated(
        self,
        values: NDArray[Any],
        labels: NDArray[np.integer],
        weights: NDArray[np.float64],
        totals: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return weights of a sample, shape (n,), with which its totals are those of all pixels, or close to them."""
        result = weights.copy()
        order = np.argsort(labels, kind="stable")
        ends = np.searchsorted(labels[order], np.arange(len(self.centers) + 1))
        for stratum, (center, total) in enumerate(zip(self.centers, totals, strict=True)):
            here = order[ends[stratum] : ends[stratum + 1]]
            if not len(here) or not total[0] > 0:
                continue
            scaled = weights[here] * (total[0] / weights[here].sum())
            result[here] = scaled
            if len(here) < _SAMPLES_A_FEATURE * len(center):
                continue
            away = np.nan_to_num(np.rint((values[here] - center) * self.steps)).clip(-_MOST_STEPS, _MOST_STEPS) / _STEPS
            terms = np.column_stack([np.ones(len(here)), away])
            missing = np.append(total[0], total[1:] / _STEPS) - scaled @ terms
            change = np.linalg.lstsq((terms * scaled[:, np.newaxis]).T @ terms, missing, rcond=1e-10)[0]
            result[here] = scaled * (1 + terms @ change).clip(_LEAST_FACTOR, _MOST_FACTOR)
        return result


def strata_of(
    values: NDArray[np.float64], count: int, nearest: Callable[[NDArray[np.float64]], NDArray[np.integer]]
) -> Strata:
    """Return strata of about equal extent for samples in random order.

    Parameters
    ----------
    values : ndarray of shape (n, features)
    count : int
        Number of strata, at most n.
    nearest : callable (centers) -> ndarray of shape (n,)
        Returns the number of the nearest center of each sample.
    """
    known = ~np.isnan(values)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centers = np.where(known[:count], values[:count], mean)
    for _ in range(_ROUNDS):
        labels = nearest(centers).astype(np.int64)
        away = np.where(known, values - centers[labels], 0.0)
        sums = np.stack([np.bincount(labels, one, minlength=count) for one in away.T], axis=1)
        centers = centers + sums / np.maximum(np.bincount(labels, minlength=count), 1)[:, np.newaxis]
    away = np.where(known, values - centers[nearest(centers).astype(np.int64)], 0.0)
    spread = np.sqrt((away**2).mean(axis=0))
    return Strata(centers, np.divide(_STEPS, spread, out=np.zeros_like(spread), where=spread > 0))
