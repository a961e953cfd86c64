"""Initial codebooks: each is a function of (lattice, samples, seed) with a line in `dasksom.som.choices`."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.lattice import Lattice
from dasksom.som.samples import NO_SAMPLES
from dasksom.som.statistics.moments import Moments
from dasksom.som.statistics.principal_components import COMPONENTS, exact_spans, leading_spans

_BEND = 0.1
"""Amplitude of the bend, in standard deviations of each component."""


def pca_codebook(lattice: Lattice, mean: NDArray[np.float64], spans: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread the units evenly along the first two principal components, from -1 to 1 standard deviations.

    The longer side of the lattice follows the first component. With one band there is no second component: the
    shorter side then subdivides the steps of the longer one. A map with one row or column follows only the first.

    The plane is slightly bent along the next components: batch updates preserve symmetries, so units in a symmetry
    plane of the data would never leave it.

    Parameters
    ----------
    lattice : Lattice
    mean : array of shape (bands,)
    spans : array of shape (components, bands)
        Principal components, the longest first, each as long as its standard deviation.

    Returns
    -------
    ndarray of shape (units, bands), float64

    Source: linear initialization, SOM Toolbox (`som_lininit`).
    """
    rows, columns = np.meshgrid(*(_offsets(side) for side in (lattice.rows, lattice.columns)), indexing="ij")
    along, across = (rows, columns) if lattice.rows >= lattice.columns else (columns, rows)
    second = spans[1] if len(spans) > 1 else spans[0] / max(lattice.rows, lattice.columns)
    units = along[..., None] * spans[0] + across[..., None] * second
    bends = spans[1 if min(lattice.rows, lattice.columns) == 1 else 2 :][: COMPONENTS - 2]
    for number, span in enumerate(bends):
        # waves of different lengths and phases, so that the bent plane has no symmetry of the lattice
        cycles = (number % 3 + 1) * along + (number // 3 + 1) * across
        wave = np.cos(np.pi / 2 * cycles + 0.7 + 1.3 * number)
        units += _BEND * (wave - wave.mean())[..., None] * span
    codebook: NDArray[np.float64] = mean + units.reshape(lattice.units, -1)
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
    deviation = np.sqrt(of.squares / of.count)
    return of.mean + deviation * np.random.default_rng(seed).standard_normal((lattice.units, len(of.mean)))


class Drawable(Protocol):
    """Samples from which a codebook can be initialized."""

    def moments(self) -> Moments:
        """Return their moments."""

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return their scatter about a mean times some vectors."""

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw `units` of them at random, shape (units, bands)."""


def _some(of: Moments) -> Moments:
    if not of.count:
        raise InputError(NO_SAMPLES)
    return of


def start_in_plane(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start on the plane of the principal components (`pca_codebook`)."""
    of = _some(samples.moments())
    spans = exact_spans(of) if of.scatter.ndim == 2 else leading_spans(of, samples.scatter_products)
    return pca_codebook(lattice, of.mean, spans)


def start_from_samples(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start from samples drawn at random."""
    return samples.draw(lattice.units, seed)


def start_at_random(lattice: Lattice, samples: Drawable, seed: int | None) -> NDArray[np.float64]:
    """Start from random numbers (`random_codebook`)."""
    return random_codebook(lattice, _some(samples.moments()), seed)
