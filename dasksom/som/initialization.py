"""Initial codebooks: each is a function of (lattice, samples, seed) with a line in `dasksom.som.choices`.

Where the principal components are equally long, the plane of two of them is one of many, and a start in it is as good
as chance: batch updates preserve its symmetries. Short trainings on some samples then show which of several starts
leads to the least error (`best_start`).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.batch import BatchSums, update, weigh
from dasksom.som.bmu.search import Search
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.samples import NO_SAMPLES, Samples
from dasksom.som.statistics.moments import Moments
from dasksom.som.statistics.principal_components import COMPONENTS, equally_long, exact_spans, leading_spans

_BEND, _LINE_BEND = 0.1, 0.3
"""Amplitude of the bend of maps and of those with one row or column, in standard deviations of each component."""

MOST_TRIED_UNITS = 400
"""Most units of a map whose start is tried: larger maps depend less on it, and their trials take longer."""
_SAMPLES_A_UNIT, _LEAST_SAMPLES = 16, 2048
_UNITS_IN_STARTS = 1024
"""Number of tried starts times the number of units; at least `_FEWEST_STARTS` starts."""
_FEWEST_STARTS = 6
_TIMES_COMPARED = 8
"""How many times as many samples compare the best of these starts with that in the plane."""
_MOST_BYTES = 4 << 20
"""Most bytes of these samples; a task merges those of 16 chunks."""
_BETTER = 0.95
"""Ratio of errors below which another start is used: the plane gives a known orientation."""


def pca_codebook(lattice: Lattice, mean: NDArray[np.float64], spans: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread the units evenly along the first two principal components, from -1 to 1 standard deviations.

    The longer side of the lattice follows the first component. With one band there is no second component: the
    shorter side then subdivides the steps of the longer one. A map with one row or column follows only the first.

    The plane is slightly bent along the next components: batch updates preserve symmetries, so units in a symmetry
    plane of the data would never leave it. Where components within and outside of the plane have equal deviations,
    their directions are arbitrary and are rotated: axes of the data, such as those of a cube, would hide its corners
    behind each other.

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
    plane, bend = (1, _LINE_BEND) if min(lattice.rows, lattice.columns) == 1 else (2, _BEND)
    spans = _without_axes(spans, plane)
    second = spans[1] if len(spans) > 1 else spans[0] / max(lattice.rows, lattice.columns)
    waves = [along, across]
    bends = spans[plane:][: COMPONENTS - 2]
    for number in range(len(bends)):
        # waves of different lengths and phases, so that the bent plane has no symmetry of the lattice
        cycles = (number % 3 + 1) * along + (number // 3 + 1) * across
        wave = np.cos(np.pi / 2 * cycles + 0.7 + 1.3 * number)
        waves.append(bend * (wave - wave.mean()))
    # not by BLAS, whose order of sums depends on its threads
    codebook: NDArray[np.float64] = np.einsum("cij,cb->ijb", np.stack(waves), np.stack([spans[0], second, *bends]))
    codebook = codebook.reshape(lattice.units, -1)
    codebook += mean
    return codebook


def _without_axes(spans: NDArray[np.float64], plane: int) -> NDArray[np.float64]:
    """Rotate the components of equal deviations, some of which are among the first `plane` and some not."""
    lengths = np.linalg.norm(spans, axis=1)
    equal = equally_long(lengths)
    if len(spans) <= plane or not equal[plane - 1]:
        return spans
    first = plane - 1 - int(np.argmin(np.append(equal[: plane - 1][::-1], False)))
    last = plane + int(np.argmin(np.append(equal[plane:], False))) + 1
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((last - first, last - first)))[0]
    rotated = spans.copy()
    rotated[first:last] = lengths[first:last, None] * (rotation @ (spans[first:last] / lengths[first:last, None]))
    return rotated


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


def is_arbitrary(of: Moments) -> bool:
    """Return whether the plane of the first two principal components is one of many.

    Parameters
    ----------
    of : Moments
        With the complete scatter of shape (bands, bands).
    """
    variances = np.linalg.eigvalsh(of.scatter)[::-1]
    return bool(equally_long(np.sqrt(np.maximum(variances[:3], 0.0))).any())


def drawn_samples(units: int, bands: int) -> int:
    """Return the most samples that the trials of a map use, few enough for the memory of workers that merge them."""
    return min(_TIMES_COMPARED * _tried_samples(units), _MOST_BYTES // (8 * bands))


def _tried_samples(units: int) -> int:
    return max(_SAMPLES_A_UNIT * units, _LEAST_SAMPLES)


def best_start(
    first: NDArray[np.float64],
    drawn: NDArray[np.float64],
    search: Search,
    lattice: Lattice,
    neighborhood: str,
    sigmas: Sequence[float],
) -> NDArray[np.float64]:
    """Return the start that leads to the least mean squared error: the given one, or one from samples.

    Parameters
    ----------
    first : array of shape (units, bands)
        The start in the plane.
    drawn : array of shape (samples, bands)
        Samples in random order, in what the search compares.
    search : Search
    lattice : Lattice
    neighborhood : str
        A name in ``dasksom.som.choices.NEIGHBORHOODS``.
    sigmas : sequence of float
        Radius of each epoch, in lattice units.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    plain = Search(search.metric, search.precision, search.missing)
    spreads = [Neighborhood(lattice, neighborhood, sigma) for sigma in sigmas]

    def sums(codebook: NDArray[np.float64], spread: Neighborhood, values: NDArray[np.float64]) -> BatchSums:
        samples = Samples(values, None, None)
        return weigh(plain.gather(samples, codebook, plain.best(samples, codebook)), codebook, spread)

    def error(codebook: NDArray[np.float64], samples: NDArray[np.float64]) -> float:
        for spread in spreads:
            codebook = update(codebook, sums(codebook, spread, samples))
        return sums(codebook, spreads[-1], samples).quality.mean_squared_error

    units = len(first)
    starts = min(max(_UNITS_IN_STARTS // units, _FEWEST_STARTS), len(drawn) // units)
    if not starts:
        return first
    others = drawn[: starts * units].reshape(starts, units, -1)
    some = drawn[: _tried_samples(units)]
    best: NDArray[np.float64] = others[int(np.argmin([error(other, some) for other in others]))]
    return best if error(best, drawn) < _BETTER * error(first, drawn) else first
