"""Streams with a warm-up: the early epochs of a training run on a weighted sample of their pixels, held in memory.

Half of the sample is drawn uniformly and half in proportion to the squared distance from the mean, so that rare and
distant classes are kept; each sample has the inverse of its probability as weight, so that sums over the sample
estimate those over all pixels. A small uniform sample, drawn while the moments are computed, estimates the mean and the
distances, and gives strata: the pass that draws the sample also adds up all pixels of each stratum, and the weights are
calibrated to these totals. Batch epochs amplify small errors of the sums until a rare class gets a unit or not.
Whether a pixel is drawn depends on its position, its features and the seed, not on the chunks.

Source: Bachem, Lucic, Krause, "Scalable k-means clustering via lightweight coresets" (2018).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import dask.array as da
import numpy as np
import psutil
from numpy.typing import NDArray

from dasksom.chunkwise import Corner
from dasksom.cluster import thread_pool_memory
from dasksom.errors import InputError
from dasksom.som.bmu.search import Search
from dasksom.som.features.pixel_features import ImageFeatures
from dasksom.som.samples import Samples, place_numbers
from dasksom.som.statistics.moments import Moments, merge_moments, squared_distances
from dasksom.som.statistics.random_samples import RandomSamples, compared_draws, first_seed, lowest_draws
from dasksom.som.statistics.strata import Strata, strata_of
from dasksom.som.unit_sums import add_up
from dasksom.training.streaming import Stream, Streams, chunk_moments
from dasksom.training.subsampling import MOST_OF_MEMORY, ROWS_A_TASK
from dasksom.training.warm_up_plan import MOST_BYTES, sample_bytes

_PILOT = 1 << 16
"""Expected number of samples that estimate the mean and the mean squared distance from it."""
_SAMPLES_A_STRATUM, _PILOT_A_STRATUM = 1 << 12, 1 << 6
"""Expected number of samples, and fewest samples of the pilot, for each stratum."""
_BLOCK_PIXELS = 1 << 16
"""Most pixels of complete rows that are processed at once, to bound the memory."""


@dataclass(frozen=True, eq=False)
class _Rule:
    """The probability with which each pixel is drawn."""

    least: float
    """Probability of a pixel at the mean."""
    slope: float = 0.0
    """Increase of the probability with the squared distance from the mean."""
    mean: NDArray[np.float64] | None = None
    """Mean of the features, shape (features,); None: all pixels are drawn with the same probability."""

    def probabilities(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each of some features of shape (n, features)."""
        if self.mean is None:
            return np.full(len(features), min(self.least, 1.0))
        squares = squared_distances(features, self.mean)
        return np.asarray(np.minimum(self.least + self.slope * squares, 1.0), np.float64)


_Drawn = tuple[NDArray[np.uint64], NDArray[Any], NDArray[np.float64]]
"""Random numbers, values (n, bands) and weights of the drawn pixels."""


def _row_blocks(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None
) -> Iterator[tuple[NDArray[Any], Corner, NDArray[Any] | None]]:
    rows = max(1, _BLOCK_PIXELS // max(prod(block.shape[1:-1]), 1))
    for start in range(0, len(block), rows):
        here = slice(start, start + rows)
        yield block[here], (corner[0] + start, *corner[1:]), None if weights is None else weights[here]


def _chunk_draw(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    leading: tuple[int, ...],
    rule: _Rule,
    seed: int,
    search: Search,
) -> _Drawn:
    parts = _row_blocks(block, corner, weights)
    return _join([_draw(*part[:2], search.take(*part), leading, rule, seed) for part in parts])


def _chunk_sample(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    strata: Strata,
    search: Search,
    **draw: Any,
) -> tuple[_Drawn, NDArray[np.float64]]:
    drawn, totals = [], strata.no_totals()
    for part in _row_blocks(block, corner, weights):
        samples = search.convert(search.take(*part), block.dtype)
        strata.add(samples.values, search.best(samples, strata.centers), samples.weights, totals)
        drawn.append(_draw(*part[:2], samples, **draw))
    return _join(drawn), totals


def _join_samples(parts: Sequence[tuple[_Drawn, NDArray[np.float64]]]) -> tuple[_Drawn, NDArray[np.float64]]:
    drawn, totals = zip(*parts, strict=True)
    return _join(drawn), add_up(totals)


def _draw(
    block: NDArray[Any], corner: Corner, converted: Samples, leading: tuple[int, ...], rule: _Rule, seed: int
) -> _Drawn:
    numbers, values = place_numbers(block.shape[:-1], corner, leading, seed), block.reshape(-1, block.shape[-1])
    if converted.kept is not None:
        numbers, values = numbers[converted.kept], values[converted.kept]
    chances = rule.probabilities(converted.values)
    drawn = (numbers >> np.uint64(11)) * 2.0**-53 < chances
    times = 1.0 if converted.weights is None else converted.weights[drawn]
    return numbers[drawn], values[drawn], times / chances[drawn]


def _join(parts: Sequence[_Drawn]) -> _Drawn:
    numbers, values, weights = zip(*parts, strict=True)
    return np.concatenate(numbers), np.concatenate(values), np.concatenate(weights)


def _chunk_moments_and_draw(
    block: NDArray[Any], corner: Corner, weights: NDArray[Any] | None = None, *, search: Search, **draw: Any
) -> tuple[Moments, _Drawn]:
    found = chunk_moments(block, corner, weights, search=search)
    return found, _chunk_draw(block, corner, weights, search=search, **draw)


def _merge(parts: Sequence[tuple[Moments, _Drawn]]) -> tuple[Moments, _Drawn]:
    found, drawn = zip(*parts, strict=True)
    return merge_moments(found), _join(drawn)


@dataclass(frozen=True, eq=False)
class WarmUpStreams(Streams):
    """Streams with a sample for the early epochs."""

    samples: int = 1
    """Expected number of samples."""
    seed: int = 0
    _drawn: dict[Any, Any] = field(default_factory=dict)
    """The pilot and the sample as soon as they are drawn, and its stream for a search; shared by conversions."""

    def searching(self, features: ImageFeatures) -> "WarmUpStreams":
        """Return the same samples, converted to other features."""
        return replace(self, parts=super().searching(features).parts)

    def moments(self) -> Moments:
        """Return the moments of all samples; the first call draws the pilot too."""
        if "pilot" in self._drawn:
            return super().moments()
        found, drawn = zip(*self._draw(_chunk_moments_and_draw, _merge, self._pilot_rule(), "pilot"), strict=True)
        self._drawn["pilot"] = drawn
        return merge_moments(found)

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw samples at random from the sample; see `Stream.draw`."""
        return self.warm_up().draw(units, seed)

    def random_samples(self) -> RandomSamples:
        """Return as many samples of the pilot as streams without a warm-up draw, as the search compares them."""
        if "pilot" not in self._drawn:
            return super().random_samples()
        most = self.parts[0].pilot.most if self.parts[0].pilot is not None else 0
        parts = [lowest_draws([(numbers, values)], most) for numbers, values, _ in self._drawn["pilot"]]
        compared = [compared_draws(drawn, part.search) for drawn, part in zip(parts, self.parts, strict=True)]
        return lowest_draws(compared, max(len(numbers) for numbers, _ in compared))

    def warm_up(self) -> Stream | Streams:
        """Return the sample, in this process's memory; the first call takes a pass, or two if there is no pilot."""
        if "sample" not in self._drawn:
            self._check_memory()
            if "pilot" not in self._drawn:
                self._drawn["pilot"] = tuple(self._draw(_chunk_draw, _join, self._pilot_rule(), "pilot"))
            self._drawn["sample"] = self._sample()
        searches = tuple(part.search for part in self.parts)
        if searches not in self._drawn:
            self._drawn[searches] = _stream_of(searches, self._drawn["sample"])
        stream: Stream | Streams = self._drawn[searches]
        return stream

    def _check_memory(self) -> None:
        image = self.parts[0].image
        wanted = self.samples * sample_bytes(image)
        free = min(psutil.virtual_memory().available, thread_pool_memory()) * MOST_OF_MEMORY
        if wanted > max(free, MOST_BYTES):
            raise InputError(
                f"warm_up={self.samples}: about {wanted / 2**30:.3g} GiB of samples; {free / 2**30:.3g} GiB, a quarter "
                "of this process's free memory, are possible: use fewer, 'auto', or 'none' for all pixels"
            )

    def _sample(self) -> list[_Drawn]:
        """Return the sample of each image, by random number, which is by no chunk, with calibrated weights."""
        pilot = self._pilot_features()
        rule = self._rule(pilot)
        if not len(pilot):
            return [_sorted(part) for part in self._draw(_chunk_draw, _join, rule, "sample")]
        strata = self._strata(pilot)
        found = list(self._draw(_chunk_sample, _join_samples, rule, "sample", strata=strata))
        drawn, totals = [_sorted(part) for part, _ in found], add_up([total for _, total in found])
        features, labels = [], []
        for part, (_, values, _) in zip(self.parts, drawn, strict=True):
            samples = _converted(part.search, values)
            features.append(samples.values)
            labels.append(part.search.on_driver().best(samples, strata.centers))
        weights = np.concatenate([weights for _, _, weights in drawn])
        weights = strata.calibrated(np.concatenate(features), np.concatenate(labels), weights, totals)
        ends = np.cumsum([len(numbers) for numbers, _, _ in drawn])[:-1]
        return [(*part[:2], own) for part, own in zip(drawn, np.split(weights, ends), strict=True)]

    def _strata(self, pilot: NDArray[np.float64]) -> Strata:
        count = max(1, min(self.samples // _SAMPLES_A_STRATUM, len(pilot) // _PILOT_A_STRATUM))
        samples, search = Samples(pilot, None, None), replace(self.parts[0].search, features=None).on_driver()
        return strata_of(pilot, count, lambda centers: search.best(samples, centers))

    def _draw(self, function: Any, combine: Any, rule: _Rule, name: str, **more: Any) -> Iterator[Any]:
        first = first_seed(self.seed if name == "pilot" else [self.seed, 1])
        for number, part in enumerate(self.parts):
            leading = part.image.shape[:-1]
            yield part.reduce(function, combine, leading=leading, rule=rule, seed=first + number, **more)

    def _pilot_rule(self) -> _Rule:
        return _Rule(_PILOT / sum(prod(part.image.shape[:-1]) for part in self.parts))

    def _pilot_features(self) -> NDArray[np.float64]:
        """Return the features of the pilot, shape (n, features), in random order: sums do not depend on the chunks."""
        numbers, features = [], []
        for part, (drawn, values, _) in zip(self.parts, self._drawn["pilot"], strict=True):
            samples = _converted(part.search, values)
            numbers.append(drawn if samples.kept is None else drawn[samples.kept])
            features.append(samples.values)
        order = np.argsort(np.concatenate(numbers), kind="stable")
        return np.concatenate(features)[order].astype(np.float64)

    def _rule(self, pilot: NDArray[np.float64]) -> _Rule:
        """Return the probabilities of the sample, from the pilot's features."""
        if not len(pilot):  # so few pixels are used that all of them are drawn
            return _Rule(1.0)
        known = ~np.isnan(pilot)
        mean = np.where(known, pilot, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        squares = float((np.where(known, pilot - mean, 0.0) ** 2).sum())
        half = 0.5 * self.samples * min(self._pilot_rule().least, 1.0)
        return _Rule(half / len(pilot), half / squares if squares > 0 else 0.0, mean)


def _converted(search: Search, values: NDArray[Any]) -> Samples:
    return search.convert(search.take(values, (0, 0)), values.dtype)


def _stream_of(searches: Sequence[Search], samples: Sequence[_Drawn]) -> Stream | Streams:
    """Return samples of images in this process's memory: one stream, or one for each image if their features differ."""
    if len({*searches}) == 1:
        return _stream_here(searches[0], _join(samples))
    return Streams(tuple(map(_stream_here, searches, samples)))


def _stream_here(search: Search, drawn: _Drawn) -> Stream:
    _, values, weights = drawn
    return Stream(
        da.from_array(values, chunks=(ROWS_A_TASK, -1), name=False),
        da.from_array(weights[:, None], chunks=(ROWS_A_TASK, 1), name=False),
        search,
        here=True,
    ).with_cached_features()


def _sorted(drawn: _Drawn) -> _Drawn:
    order = np.argsort(drawn[0], kind="stable")
    return drawn[0][order], drawn[1][order], drawn[2][order]
