"""Moments of samples: the input of starts and scalings, computed by chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel

WIDEST_SCATTER = 512
"""Most bands of which products of two are summed; of more, only squares: 10^5 columns have 10^10 pairs."""
_BLOCK_VALUES = 1 << 19
_BLOCK_ROWS = 1 << 16
"""Most values and rows that are converted to float64 at once: they stay in the cache."""
_TOGETHER = 16
"""Number of rows that are multiplied together: products with wide rows wait for memory."""


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of samples."""

    count: float
    """Number of samples, or their total weight."""
    mean: NDArray[np.float64]
    """Shape (bands,)."""
    scatter: NDArray[np.float64]
    """Sum of the outer products of the samples' differences from their mean, shape (bands, bands); of more than
    `WIDEST_SCATTER` bands only its diagonal, shape (bands,)."""

    @property
    def squares(self) -> NDArray[np.float64]:
        """Sum of the squared differences from the mean, shape (bands,)."""
        return self.scatter if self.scatter.ndim == 1 else np.diag(self.scatter)

    def scaled(self, center: NDArray[np.float64] | float, factor: NDArray[np.float64]) -> "Moments":
        """Return the moments of (samples - center) * factor."""
        products = factor**2 if self.scatter.ndim == 1 else np.outer(factor, factor)
        return Moments(self.count, (self.mean - center) * factor, self.scatter * products)


@kernel
def _scatter(samples: Any, mean: Any, times: Any) -> Any:
    """Sum outer products about a mean, each times its weight; unlike BLAS, in an order independent of threads.

    Four rows are added at once, because loading and storing the sums takes longer than the products.
    """
    n, bands = samples.shape
    scatter = np.zeros((bands, bands))
    away, weights = np.zeros((4, bands)), np.zeros(4)
    for first in range(0, n, 4):
        rows = min(4, n - first)
        weights[rows:] = 0.0  # rows of the last group that are missing
        for i in range(rows):
            weights[i] = times[first + i]
            for b in range(bands):
                away[i, b] = samples[first + i, b] - mean[b]
        for b in range(bands):
            one, two = weights[0] * away[0, b], weights[1] * away[1, b]
            three, four = weights[2] * away[2, b], weights[3] * away[3, b]
            for c in range(bands):
                scatter[b, c] += (one * away[0, c] + two * away[1, c]) + (three * away[2, c] + four * away[3, c])
    return scatter


def moments(samples: NDArray[Any], weights: NDArray[Any] | None = None) -> Moments:
    """Return the moments of samples of shape (n, bands), weighted by `weights`; NaN means a missing band.

    Missing bands are replaced by the mean of the band in the block. The mean is subtracted before multiplication, so a
    large offset loses no precision.
    """
    bands = samples.shape[1]
    is_wide = bands > WIDEST_SCATTER
    parts = [Moments(0.0, np.zeros(bands), np.zeros(bands if is_wide else (bands, bands)))]
    for part, times in _blocks(samples, weights):
        known = np.isfinite(part)
        if known.all():
            mean = np.einsum("n,nb->b", times, part) / times.sum()
        else:
            mean = np.einsum("n,nb->b", times, np.where(known, part, 0)) / np.maximum(times @ known, 1e-300)
            part = np.where(known, part, mean)
        scatter = np.einsum("n,nb->b", times, (part - mean) ** 2) if is_wide else _scatter(part, mean, times)
        parts.append(Moments(float(times.sum()), mean, scatter))
    return merge_moments(parts)


def _blocks(
    samples: NDArray[Any], weights: NDArray[Any] | None
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    rows = min(_BLOCK_ROWS, max(1, _BLOCK_VALUES // samples.shape[1]))
    for start in range(0, len(samples), rows):
        part = np.asarray(samples[start : start + rows], np.float64)
        yield part, np.ones(len(part)) if weights is None else weights[start : start + rows].astype(np.float64)


def scatter_products(
    samples: NDArray[Any], weights: NDArray[Any] | None, mean: NDArray[np.float64], basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the scatter about a mean times some vectors, without the scatter itself.

    Parameters
    ----------
    samples : array of shape (n, bands)
        NaN is replaced by the mean.
    weights : array of shape (n,), optional
    mean : array of shape (bands,)
    basis : array of shape (bands, vectors)

    Returns
    -------
    ndarray of shape (bands, vectors), float64
    """
    total = np.zeros(basis.shape)
    for part, times in _blocks(samples, weights):
        _add_products(np.nan_to_num(part - mean, nan=0.0), times, basis, total)
    return total


@kernel
def _add_products(away: Any, times: Any, basis: Any, total: Any) -> None:
    """Add the weighted scatter of rows, times a basis, to a total; unlike BLAS, in an order independent of threads."""
    n, bands = away.shape
    vectors = basis.shape[1]
    along = np.empty((_TOGETHER, vectors))
    for first in range(0, n, _TOGETHER):
        rows = min(_TOGETHER, n - first)
        along[:] = 0.0
        for b in range(bands):
            for i in range(rows):
                value = away[first + i, b]
                for v in range(vectors):
                    along[i, v] += value * basis[b, v]
        for i in range(rows):
            for v in range(vectors):
                along[i, v] *= times[first + i]
        for b in range(bands):
            for i in range(rows):
                value = away[first + i, b]
                for v in range(vectors):
                    total[b, v] += value * along[i, v]


@kernel
def squared_distances(samples: Any, mean: Any) -> Any:
    """Return the squared distance of each of some samples (n, bands) from a mean, over the bands that are not NaN."""
    n, bands = samples.shape
    squares = np.zeros(n)
    for i in range(n):
        for b in range(bands):
            away = samples[i, b] - mean[b]
            if not np.isnan(away):
                squares[i] += away * away
    return squares


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """Merge the moments of several groups of samples, in the given order.

    Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """
    total = parts[0]
    for part in parts[1:]:
        count = total.count + part.count
        if not part.count or not total.count:
            total = total if total.count else part
            continue
        step = part.mean - total.mean
        mean = total.mean + step * (part.count / count)
        shift = (step**2 if step.shape == part.scatter.shape else np.outer(step, step)) * (
            total.count * (part.count / count)
        )
        total = Moments(count, mean, total.scatter + part.scatter + shift)
    return total
