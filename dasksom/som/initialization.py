"""Initial codebooks: each is a function of (lattice, samples, seed) with a line in `dasksom.som.choices`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.lattice import Lattice
from dasksom.som.numba_kernel import kernel
from dasksom.som.samples import NO_SAMPLES

_BENDS = 6
"""Number of principal components along which the initial plane is bent."""
_BEND = 0.1
"""Amplitude of the bend, in standard deviations of each component."""


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of samples: the input of a principal component analysis, computed by chunk."""

    count: float
    """Number of samples, or their total weight."""
    mean: NDArray[np.float64]
    """Shape (bands,)."""
    scatter: NDArray[np.float64]
    """Sum of the outer products of the samples' differences from their mean, shape (bands, bands)."""


@kernel
def _scatter(away: Any, times: Any) -> Any:
    """Sum outer products, each ``times`` its weight; unlike BLAS, in an order independent of threads."""
    n, bands = away.shape
    scatter = np.zeros((bands, bands))
    for i in range(n):
        for b in range(bands):
            share = times[i] * away[i, b]
            for c in range(bands):
                scatter[b, c] += share * away[i, c]
    return scatter


def moments(samples: NDArray[Any], weights: NDArray[Any] | None = None) -> Moments:
    """Return the moments of samples of shape (n, bands), weighted by `weights`; NaN means a missing band.

    Missing bands are replaced by the mean of the band in the block. The mean is subtracted before multiplication, so a
    large offset loses no precision.
    """
    block = 1 << 16  # float64 copies of a complete chunk would be many times its size
    bands = samples.shape[1]
    parts = [Moments(0.0, np.zeros(bands), np.zeros((bands, bands)))]
    for start in range(0, len(samples), block):
        part = np.asarray(samples[start : start + block], np.float64)
        times = np.ones(len(part)) if weights is None else weights[start : start + block].astype(np.float64)
        known = np.isfinite(part)
        if known.all():
            mean = np.einsum("n,nb->b", times, part) / times.sum()
        else:
            mean = np.einsum("n,nb->b", times, np.where(known, part, 0)) / np.maximum(times @ known, 1e-300)
            part = np.where(known, part, mean)
        parts.append(Moments(float(times.sum()), mean, _scatter(part - mean, times)))
    return merge_moments(parts)


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
        shift = np.outer(step, step) * (total.count * (part.count / count))
        total = Moments(count, mean, total.scatter + part.scatter + shift)
    return total


def pca_codebook(lattice: Lattice, of: Moments) -> NDArray[np.float64]:
    """Spread the units evenly along the first two principal components, from -1 to 1 standard deviations.

    The longer side of the lattice follows the first component. Signs are chosen so that the largest entry of each
    component is positive. With one band there is no second component: the shorter side then subdivides the steps of the
    longer one. A map with one row or column follows only the first component.

    The plane is slightly bent along the next components: batch updates preserve symmetries, so units in a symmetry
    plane of the data would never leave it.

    Returns
    -------
    ndarray of shape (units, bands), float64

    Source: linear initialization, SOM Toolbox (`som_lininit`).
    """
    variances, vectors = np.linalg.eigh(of.scatter / of.count)
    order = np.argsort(variances)[::-1]
    spans = np.sqrt(np.maximum(variances[order], 0))[:, None] * vectors[:, order].T
    largest = np.abs(spans).argmax(axis=1)
    spans *= np.where(spans[np.arange(len(spans)), largest] < 0, -1.0, 1.0)[:, None]
    rows, columns = np.meshgrid(*(_offsets(side) for side in (lattice.rows, lattice.columns)), indexing="ij")
    along, across = (rows, columns) if lattice.rows >= lattice.columns else (columns, rows)
    second = spans[1] if len(spans) > 1 else spans[0] / max(lattice.rows, lattice.columns)
    units = along[..., None] * spans[0] + across[..., None] * second
    bends = spans[1 if min(lattice.rows, lattice.columns) == 1 else 2 :][:_BENDS]
    for number, span in enumerate(bends):
        # waves of different lengths and phases, so that the bent plane has no symmetry of the lattice
        cycles = (number % 3 + 1) * along + (number // 3 + 1) * across
        wave = np.cos(np.pi / 2 * cycles + 0.7 + 1.3 * number)
        units += _BEND * (wave - wave.mean())[..., None] * span
    codebook: NDArray[np.float64] = of.mean + units.reshape(lattice.units, -1)
    return codebook


def _offsets(side: int) -> NDArray[np.float64]:
    """Return the offsets of a side's units from its center, from -1 to 1."""
    return np.linspace(-1, 1, side) if side > 1 else np.zeros(1)


def sample_positions(samples: int, units: int, seed: int | None) -> NDArray[np.int64]:
    """Draw the samples for an initial codebook: `units` indices below `samples`.

    Indices are distinct if there are enough samples, and depend only on the number of samples and the seed, not on the
    chunks.
    """
    draw = np.random.default_rng(seed)
    if samples >= units:
        return draw.choice(samples, units, replace=False, shuffle=True)
    return draw.integers(samples, size=units)


def random_codebook(lattice: Lattice, of: Moments, seed: int | None) -> NDArray[np.float64]:
    """Draw each band of each unit from the normal distribution with the samples' mean and deviation in that band.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    deviation = np.sqrt(np.diag(of.scatter) / of.count)
    return of.mean + deviation * np.random.default_rng(seed).standard_normal((lattice.units, len(of.mean)))


class Drawable(Protocol):
    """Samples from which a codebook can be initialized."""

    def moments(self) -> Moments:
        """Return their moments."""

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw `units` of them at random, shape (units, bands)."""


def _some(of: Moments) -> Moments:
    if not of.count:
        raise InputError(NO_SAMPLES)
    return of


def start_in_plane(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start on the plane of the principal components (`pca_codebook`)."""
    return pca_codebook(lattice, _some(samples.moments()))


def start_from_samples(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start from samples drawn at random."""
    return samples.draw(lattice.units, seed)


def start_at_random(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start from random numbers (`random_codebook`)."""
    return random_codebook(lattice, _some(samples.moments()), seed)
