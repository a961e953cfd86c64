"""Training on a stream: each epoch is a pass over all chunks of the image."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Keeper, Progress, reduce_chunks
from dasksom.errors import InputError
from dasksom.features.feature_cache import cached_features
from dasksom.som.batch import BatchSums, weigh
from dasksom.som.bmu.search import Search
from dasksom.som.features.pixel_features import ImageFeatures, features_of_image
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality, quality_of
from dasksom.som.samples import NO_SAMPLES, place_numbers
from dasksom.som.statistics.moments import Moments, merge_moments, moments, scatter_products
from dasksom.som.unit_sums import add_up
from dasksom.training.color_histogram import count_images


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


def chunk_moments(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None = None, *, search: Search
) -> Moments:
    """Return the moments of the used samples of a chunk."""
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    return moments(samples.values, samples.weights)


def _chunk_products(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    search: Search,
    mean: NDArray[np.float64],
    basis: NDArray[np.float64],
) -> NDArray[np.float64]:
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    return scatter_products(samples.values, samples.weights, mean, basis)


_Drawn = tuple[NDArray[np.uint64], NDArray[np.float64]]
"""Samples and their random numbers; those with the lowest numbers are drawn."""


def _chunk_draws(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    leading: tuple[int, ...],
    units: int,
    seed: int,
    search: Search,
) -> _Drawn:
    whole = replace(search, missing="error" if search.missing == "error" else "exclude")
    samples = whole.convert(whole.take(block, corner, weights), block.dtype)
    numbers = place_numbers(block.shape[:-1], corner, leading, seed)
    if samples.kept is not None:
        numbers = numbers[samples.kept]
    lowest = np.argpartition(numbers, units)[:units] if len(numbers) > units else np.arange(len(numbers))
    return numbers[lowest], np.asarray(samples.values[lowest], np.float64)


def _lowest_draws(parts: Sequence[_Drawn], units: int) -> _Drawn:
    numbers = np.concatenate([part[0] for part in parts])
    lowest = np.argsort(numbers, kind="stable")[:units]
    return numbers[lowest], np.concatenate([part[1] for part in parts])[lowest]


@dataclass(frozen=True, eq=False)
class Stream:
    """All samples of an image; each method makes one pass over its chunks."""

    image: da.Array
    """Shape (..., bands), real; the last axis is one chunk."""
    weights: da.Array | None = None
    """Shape (..., 1), bool or real, in the image's chunks."""
    search: Search = field(default_factory=Search)
    progress: Progress | None = None
    here: bool = False
    """Whether the samples are in this process's memory, and processed by its threads instead of a cluster."""
    keeper: Keeper | None = None
    """Saves passes in progress."""

    def searching(self, features: ImageFeatures) -> "Stream":
        """Return the same samples, converted to other features."""
        return replace(self, search=replace(self.search, features=features_of_image(features, 0)))

    def with_cached_features(self) -> "Stream":
        """Return the same samples with their features in memory, if the image is in memory and there is room."""
        if self.here and self.image.dtype.itemsize == 1:
            return self  # the driver's memory is planned for samples of bands
        with dask.config.set(scheduler="threads") if self.here else nullcontext():
            features = cached_features(self.image, self.weights, self.search)
        return self if features is None else replace(self.searching(None), image=features)

    def reduce(self, function: Callable[..., Any], combine: Callable[[Sequence[Any]], Any], **arguments: Any) -> Any:
        """Run a function of (block, corner, weights, search=..., **arguments) on every chunk; combine the results."""
        with dask.config.set(scheduler="threads") if self.here else nullcontext():
            return reduce_chunks(
                self.image,
                function,
                combine,
                beside=[self.weights],
                progress=self.progress,
                keeper=self.keeper,
                search=self.search.on_driver() if self.here else self.search,
                **arguments,
            )

    def moments(self) -> Moments:
        """Return the moments of all samples; their count may be 0."""
        found: Moments = self.reduce(chunk_moments, merge_moments)
        return found

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scatter of all samples about a mean times some vectors."""
        total: NDArray[np.float64] = self.reduce(_chunk_products, add_up, mean=mean, basis=basis)
        return total

    def lowest(self, units: int, seed: int) -> _Drawn:
        """Return up to `units` samples with the lowest random numbers, lowest first."""

        def combine(parts: Sequence[_Drawn]) -> _Drawn:
            return _lowest_draws(parts, units)

        found: _Drawn = self.reduce(_chunk_draws, combine, leading=self.image.shape[:-1], units=units, seed=seed)
        return found

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw samples at random, at distinct positions if there are enough.

        The choice depends on the positions in the image and the seed, not on the chunks.

        Returns
        -------
        ndarray of shape (units, bands), float64
        """
        return Streams((self,)).draw(units, seed)

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Return the sums of the batch update over the image."""
        total: BatchSums = self.reduce(
            _chunk_sums, add_up, codebook=codebook, neighborhood=neighborhood, utilities=utilities
        )
        return total

    def search_palette(self, codebook: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Return the best of several palettes, after a pass that counts the colors of this 8-bit image."""
        return Streams((self,)).search_palette(codebook, seed)

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Return the quality of a codebook over all samples, with its topographic error."""
        total: Quality = self.reduce(_chunk_quality, add_up, codebook=codebook, lattice=lattice)
        return total


@dataclass(frozen=True, eq=False)
class Streams:
    """The samples of several images, in sequence."""

    parts: tuple[Stream, ...]

    def searching(self, features: ImageFeatures) -> "Streams":
        """Return the same samples, converted to other features."""
        parts = enumerate(self.parts)
        return Streams(tuple(part.searching(features_of_image(features, number)) for number, part in parts))

    def with_cached_features(self) -> "Streams":
        """Return these samples: the features of several images are computed in each epoch."""
        return self

    def reduce(self, function: Callable[..., Any], combine: Callable[[Sequence[Any]], Any], **arguments: Any) -> Any:
        """Run a function on every chunk of all images; see `Stream.reduce`."""
        return combine([part.reduce(function, combine, **arguments) for part in self.parts])

    def moments(self) -> Moments:
        """Return the moments of all samples."""
        return merge_moments([part.moments() for part in self.parts])

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scatter of all samples about a mean times some vectors."""
        return add_up([part.scatter_products(mean, basis) for part in self.parts])

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw samples at random from all images; see `Stream.draw`."""
        first = int(np.random.default_rng(seed).integers(1 << 63))
        _, chosen = _lowest_draws([part.lowest(units, first + number) for number, part in enumerate(self.parts)], units)
        if not len(chosen):
            raise InputError(NO_SAMPLES)
        repeated: NDArray[np.float64] = chosen[np.arange(units) % len(chosen)]
        return repeated

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Return the sums of the batch update over all images."""
        return add_up([part.batch_sums(codebook, neighborhood, utilities) for part in self.parts])

    def search_palette(self, codebook: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Return the best of several palettes, after a pass that counts the colors of these 8-bit images."""
        with dask.config.set(scheduler="threads") if self.parts[0].here else nullcontext():
            table = count_images([(part.image, part.weights) for part in self.parts], self.parts[0].progress)
        return table.search_palette(codebook, seed, self.parts[0].search.color_space)

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Return the quality of a codebook over all samples, with its topographic error."""
        return add_up([part.quality(codebook, lattice) for part in self.parts])
