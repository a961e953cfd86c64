"""Online training, sample by sample, as in MiniSom.

At iteration t a sample x pulls every unit k toward itself: ``w_k += eta_t h(k, winner, sigma_t) (x - w_k)``. The
learning rate eta and the radius sigma decay; one compiled loop runs all iterations. On large maps, its speed is limited
by reading the codebook twice and writing it once from the second-level cache.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.minisom.activation import CODES, EUCLIDEAN, from_bands, lowest, measure_units, to_bands
from dasksom.minisom.neighborhood import OnlineNeighborhood, write_shares
from dasksom.som.numba_kernel import kernel

_NEGLIGIBLE = 2.0**-80
"""Updates with a smaller factor are lost in the rounding of weights: rows with only such factors are skipped."""


@dataclass(frozen=True)
class Pace:
    """The learning rate and sigma of some iterations."""

    step: NDArray[np.int64]
    """Index of the rate and sigma of each iteration, shape (iterations,)."""
    rates: NDArray[np.float64]
    sigmas: NDArray[np.float64]


@kernel
def _pull(x: Any, by_band: Any, first: int, last: int, shares: Any) -> None:
    near = shares[first:last]
    for band in range(len(x)):
        value, weights = (
            x[band],
            by_band[band, first:last],
        )  # slices known to be contiguous compile to vector loops
        for k in range(len(weights)):
            weights[k] += near[k] * (value - weights[k])


@kernel
def _learn(
    metric: int,
    by_band: Any,
    samples: Any,
    forced: Any,
    step: Any,
    rates: Any,
    along_x: Any,
    along_y: Any,
    shift: Any,
    x: int,
) -> None:
    distances, shares, columns = np.empty(by_band.shape[1]), np.empty(by_band.shape[1]), np.empty(len(shift))
    for i in range(len(samples)):
        winner = forced[i]
        if winner < 0:
            measure_units(metric, samples[i], by_band, x * len(shift), distances)
            winner = lowest(metric, distances)
        t = step[i]
        first, last = write_shares(along_x[t], along_y[t], shift, x, winner, rates[t], _NEGLIGIBLE, columns, shares)
        _pull(samples[i], by_band, first, last, shares)


def learn(
    by_band: NDArray[np.float64],
    samples: NDArray[np.float64],
    forced: NDArray[np.int64],
    pace: Pace,
    neighborhood: OnlineNeighborhood,
    metric: str,
) -> None:
    """Train a codebook online, sample by sample.

    Parameters
    ----------
    by_band : ndarray of shape (bands, room), float64
        The codebook, as `to_bands` arranges it; changed in place.
    samples : ndarray of shape (iterations, bands), float64, C-contiguous, finite
    forced : ndarray of shape (iterations,), int64
        The unit that wins a sample, or -1 for the nearest one.
    pace : Pace
    neighborhood : OnlineNeighborhood
    metric : str
        A name in `dasksom.minisom.activation.DISTANCES`.
    """
    along_x, along_y = neighborhood.factors(pace.sigmas)
    shift, x = neighborhood.shift, neighborhood.x
    _learn(CODES[metric], by_band, samples, forced, pace.step, pace.rates, along_x, along_y, shift, x)


@kernel
def _add_samples(samples: Any, winners: Any, hits: Any, sums: Any) -> None:
    for i in range(len(samples)):
        hits[winners[i]] += 1
        for band in range(samples.shape[1]):
            sums[winners[i], band] += samples[i, band]


def add_samples(
    samples: NDArray[np.float64], winners: NDArray[np.int64], hits: NDArray[Any], sums: NDArray[Any]
) -> None:
    """Add samples to the hits, shape (units,), and the sums, shape (units, bands), of their winners, in place."""
    _add_samples(samples, winners, hits, sums)


@kernel
def _spread(hits: Any, sums: Any, along_x: Any, along_y: Any, shift: Any, x: int, totals: Any) -> None:
    """Sum, by band, the neighborhood-weighted samples for all units; the last band is their weighted number."""
    shares, columns = np.empty(totals.shape[1]), np.empty(len(shift))
    for winner in range(len(hits)):
        if hits[winner] > 0:
            first, last = write_shares(along_x, along_y, shift, x, winner, 1.0, 0.0, columns, shares)
            for band in range(len(totals)):
                value = sums[winner, band] if band < sums.shape[1] else hits[winner]
                for k in range(first, last):
                    totals[band, k] += shares[k] * value


def spread(
    hits: NDArray[np.float64], sums: NDArray[np.float64], neighborhood: OnlineNeighborhood, sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Apply the neighborhood to the sums of each unit, once per unit: the sum over its samples is linear.

    Parameters
    ----------
    hits : ndarray of shape (units,), float64
    sums : ndarray of shape (units, bands), float64
        Number and sum of the samples that each unit won.
    neighborhood : OnlineNeighborhood
    sigma : float
        Radius, in lattice units.

    Returns
    -------
    numerator : ndarray of shape (units, bands), float64
    denominator : ndarray of shape (units,), float64
    """
    totals = to_bands(np.zeros((len(hits), sums.shape[1] + 1)))
    along_x, along_y = neighborhood.factors(np.array([sigma], np.float64))
    _spread(hits, sums, along_x[0], along_y[0], neighborhood.shift, neighborhood.x, totals)
    spread = from_bands(totals, len(hits))
    return spread[:, :-1], spread[:, -1]


@kernel
def _distortion(samples: Any, winners: Any, by_band: Any, along_x: Any, along_y: Any, shift: Any, x: int) -> float:
    distances, shares, columns = np.empty(by_band.shape[1]), np.empty(by_band.shape[1]), np.empty(len(shift))
    units, distortion = x * len(shift), 0.0
    for i in range(len(samples)):
        measure_units(EUCLIDEAN, samples[i], by_band, units, distances)
        first, last = write_shares(along_x, along_y, shift, x, winners[i], 1.0, 0.0, columns, shares)
        for k in range(first, min(last, units)):
            distortion += shares[k] * np.sqrt(distances[k])
    return distortion


def distortion(
    samples: NDArray[np.float64],
    winners: NDArray[np.int64],
    codebook: NDArray[Any],
    neighborhood: OnlineNeighborhood,
    sigma: float,
) -> float:
    """Sum the euclidean distances of samples from all units, weighted by the neighborhood of the winner.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), float64, C-contiguous
    winners : ndarray of shape (n,), int64
    codebook : ndarray of shape (units, bands), real
    neighborhood : OnlineNeighborhood
    sigma : float
        Radius, in lattice units.
    """
    along_x, along_y = neighborhood.factors(np.array([sigma], np.float64))
    by_band, shift = to_bands(codebook), neighborhood.shift
    return _distortion(samples, winners, by_band, along_x[0], along_y[0], shift, neighborhood.x)
