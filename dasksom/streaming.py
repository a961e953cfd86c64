"""An image as a map is trained on it when each epoch passes over all of its chunks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.passes import Corner, Progress, reduce_chunks
from dasksom.som.batch import BatchSums, weigh
from dasksom.som.gathering import add_up
from dasksom.som.initialization import Moments, merge_moments, moments
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import NO_SAMPLES
from dasksom.som.search import Search


def _chunk_sums(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    codebook: NDArray[np.float64],
    neighborhood: Neighborhood,
    search: Search,
    utilities: bool,
) -> BatchSums:
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    best, second = search.two_best(samples, codebook) if utilities else (search.best(samples, codebook), None)
    return weigh(search.gather(samples, codebook, best, second), codebook, neighborhood)


def _chunk_quality(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    codebook: NDArray[np.float64],
    lattice: Lattice,
    search: Search,
) -> Quality:
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    best, second = search.two_best(samples, codebook)
    apart = ~lattice.adjacent(best, second)
    misplaced = float(apart.sum() if samples.weights is None else samples.weights[apart].sum())
    return quality_of(search.gather(samples, codebook, best), codebook, misplaced)


def _chunk_moments(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None = None, *, search: Search
) -> Moments:
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    return moments(samples.values, samples.weights)


Drawn = tuple[NDArray[np.uint64], NDArray[np.float64]]
"""Some samples and the numbers that decide which are taken, lowest first."""


def _draw(block: NDArray[Any], corner: Corner, leading: tuple[int, ...], seed: int) -> NDArray[np.uint64]:
    """Give each sample of a chunk a random number that depends on its place in the image and the seed alone."""
    place = np.zeros(block.shape[:-1], np.uint64)
    for axis, (start, size) in enumerate(zip(corner, block.shape[:-1], strict=False)):
        at = np.arange(start, start + size, dtype=np.uint64) * np.uint64(np.prod(leading[axis + 1 :], dtype=np.uint64))
        place += at.reshape(-1, *(1,) * (len(leading) - 1 - axis))
    # splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)
    number = (place.reshape(-1) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        number = (number ^ (number >> np.uint64(shift))) * np.uint64(factor)
    return number ^ (number >> np.uint64(31))


def _chunk_draws(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    leading: tuple[int, ...],
    units: int,
    seed: int,
    search: Search,
) -> Drawn:
    whole = replace(search, missing="error" if search.missing == "error" else "exclude")
    samples = whole.convert(whole.take(block, corner, weights), block.dtype)
    numbers = _draw(block, corner, leading, seed)
    if samples.kept is not None:
        numbers = numbers[samples.kept]
    lowest = np.argpartition(numbers, units)[:units] if len(numbers) > units else np.arange(len(numbers))
    return numbers[lowest], np.asarray(samples.values[lowest], np.float64)


def _lowest_draws(parts: Sequence[Drawn], units: int) -> Drawn:
    numbers = np.concatenate([part[0] for part in parts])
    lowest = np.argsort(numbers, kind="stable")[:units]
    return numbers[lowest], np.concatenate([part[1] for part in parts])[lowest]


@dataclass(frozen=True)
class Stream:
    """All samples of an image: every question about them is one pass over its chunks."""

    image: da.Array
    """Shape (..., bands), real; the last axis is one chunk."""
    weights: da.Array | None = None
    """Shape (..., 1), bool or real, in the image's chunks."""
    search: Search = field(default_factory=Search)
    progress: Progress | None = None

    def _reduce(self, function: Any, combine: Any, **arguments: Any) -> Any:
        return reduce_chunks(
            self.image,
            function,
            combine,
            beside=[self.weights],
            progress=self.progress,
            search=self.search,
            **arguments,
        )

    def moments(self) -> Moments:
        """Take the moments of all samples."""
        found: Moments = self._reduce(_chunk_moments, merge_moments)
        if not found.count:
            raise InputError(NO_SAMPLES)
        return found

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Choose samples at random, all in different places where there are enough.

        Which ones depends on their places in the image and the seed, not on the chunks.

        Returns
        -------
        ndarray of shape (units, bands), float64
        """
        number = int(np.random.default_rng(seed).integers(1 << 63))

        def lowest(parts: Sequence[Drawn]) -> Drawn:
            return _lowest_draws(parts, units)

        leading = self.image.shape[:-1]
        _, chosen = self._reduce(_chunk_draws, lowest, leading=leading, units=units, seed=number)
        if not len(chosen):
            raise InputError(NO_SAMPLES)
        repeated: NDArray[np.float64] = chosen[np.arange(units) % len(chosen)]
        return repeated

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Give the whole image's share of the batch update."""
        total: BatchSums = self._reduce(
            _chunk_sums, add_up, codebook=codebook, neighborhood=neighborhood, utilities=utilities
        )
        return total

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Tell how well a codebook fits all samples, and how well its lattice keeps their order."""
        total: Quality = self._reduce(_chunk_quality, add_up, codebook=codebook, lattice=lattice)
        return total
