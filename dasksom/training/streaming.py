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
from dasksom.som.samples import NO_SAMPLES
from dasksom.som.statistics.moments import Moments, merge_moments, moments, scatter_products
from dasksom.som.statistics.random_samples import (
    RandomSamples,
    chunk_draws,
    compared_draws,
    first_seed,
    lowest_draws,
)
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


def _chunk_moments_and_draws(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None = None, *, search: Search, **draw: Any
) -> tuple[Moments, RandomSamples]:
    found = chunk_moments(block, corner, weights, search=search)
    return found, chunk_draws(block, corner, weights, search=search, compared=False, **draw)


@dataclass(eq=False)
class Pilot:
    """Random samples of an image, as they are stored; drawn while its moments are computed."""

    most: int
    """Most samples."""
    seed: int
    drawn: RandomSamples | None = None

    def converted(self, search: Search) -> "Pilot":
        """Return the pilot of what a search compares."""
        return replace(self, drawn=None if self.drawn is None else compared_draws(self.drawn, search))


def numbered_pilot(most: int, seed: int, number: int) -> Pilot:
    """Return the pilot of one of several images, not yet drawn."""
    return Pilot(most, first_seed(seed) + number)


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
    pilot: Pilot | None = None
    """Is drawn with the first moments; shared by conversions of the stream."""

    def searching(self, features: ImageFeatures) -> "Stream":
        """Return the same samples, converted to other features."""
        return replace(self, search=replace(self.search, features=features_of_image(features, 0)))

    def with_cached_features(self) -> "Stream":
        """Return the same samples with their features in memory, if the image is in memory and there is room."""
        if self.here and self.image.dtype.itemsize == 1:
            return self  # the driver's memory is planned for samples of bands
        with dask.config.set(scheduler="threads") if self.here else nullcontext():
            features = cached_features(self.image, self.weights, self.search)
        if features is None:
            return self
        pilot = None if self.pilot is None else self.pilot.converted(self.search)
        return replace(self.searching(None), image=features, pilot=pilot)

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
        """Return the moments of all samples; their count may be 0. The first call draws the pilot."""
        if self.pilot is None or self.pilot.drawn is not None:
            found: Moments = self.reduce(chunk_moments, merge_moments)
            return found
        most, seed = self.pilot.most, self.pilot.seed

        def combine(parts: Sequence[tuple[Moments, RandomSamples]]) -> tuple[Moments, RandomSamples]:
            return merge_moments([part[0] for part in parts]), lowest_draws([part[1] for part in parts], most)

        draw = {"leading": self.image.shape[:-1], "most": most, "seed": seed}
        found, self.pilot.drawn = self.reduce(_chunk_moments_and_draws, combine, **draw)
        return found

    def scatter_products(self, mean: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scatter of all samples about a mean times some vectors."""
        total: NDArray[np.float64] = self.reduce(_chunk_products, add_up, mean=mean, basis=basis)
        return total

    def lowest(self, most: int, seed: int) -> RandomSamples:
        """Return up to `most` samples with the lowest random numbers, lowest first, as the search compares them."""

        def combine(parts: Sequence[RandomSamples]) -> RandomSamples:
            return lowest_draws(parts, most)

        draw = {"leading": self.image.shape[:-1], "most": most, "seed": seed, "compared": True}
        found: RandomSamples = self.reduce(chunk_draws, combine, **draw)
        return found

    def random_samples(self) -> RandomSamples:
        """Return the pilot as the search compares it, in random order; empty if it was not drawn."""
        if self.pilot is None or self.pilot.drawn is None:
            return np.empty(0, np.uint64), np.empty((0, self.image.shape[-1]))
        return compared_draws(self.pilot.drawn, self.search)

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

    def search_palette(
        self, codebook: NDArray[np.float64], seed: int, fixed: Sequence[int] = ()
    ) -> NDArray[np.float64]:
        """Return the best of several palettes, after a pass that counts the colors of this 8-bit image."""
        return Streams((self,)).search_palette(codebook, seed, fixed)

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
        first = first_seed(seed)
        _, chosen = lowest_draws([part.lowest(units, first + number) for number, part in enumerate(self.parts)], units)
        if not len(chosen):
            raise InputError(NO_SAMPLES)
        repeated: NDArray[np.float64] = chosen[np.arange(units) % len(chosen)]
        return repeated

    def random_samples(self) -> RandomSamples:
        """Return the pilots of all images as the search compares them, in random order."""
        parts = [part.random_samples() for part in self.parts]
        return lowest_draws(parts, max(len(numbers) for numbers, _ in parts))

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Return the sums of the batch update over all images."""
        return add_up([part.batch_sums(codebook, neighborhood, utilities) for part in self.parts])

    def search_palette(
        self, codebook: NDArray[np.float64], seed: int, fixed: Sequence[int] = ()
    ) -> NDArray[np.float64]:
        """Return the best of several palettes, after a pass that counts the colors of these 8-bit images."""
        with dask.config.set(scheduler="threads") if self.parts[0].here else nullcontext():
            table = count_images([(part.image, part.weights) for part in self.parts], self.parts[0].progress)
        return table.search_palette(codebook, seed, fixed, self.parts[0].search.color_space)

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Return the quality of a codebook over all samples, with its topographic error."""
        return add_up([part.quality(codebook, lattice) for part in self.parts])
