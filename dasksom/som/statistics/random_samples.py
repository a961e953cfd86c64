"""Random samples of an image: those with the lowest random numbers, which depend on their positions and a seed only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.search import Search
from dasksom.som.samples import place_numbers

RandomSamples = tuple[NDArray[np.uint64], NDArray[Any]]
"""Random numbers and values (n, bands) of samples."""


def first_seed(seed: int | Sequence[int] | None) -> int:
    """Return the seed of the random numbers of the first image; those of the next ones follow."""
    return int(np.random.default_rng(seed).integers(1 << 63))


def chunk_draws(
    block: NDArray[Any],
    corner: tuple[int, ...],
    weights: NDArray[Any] | None = None,
    *,
    leading: tuple[int, ...],
    most: int,
    seed: int,
    search: Search,
    compared: bool,
) -> RandomSamples:
    """Return the used samples of a chunk with the lowest random numbers.

    Parameters
    ----------
    block : ndarray of shape (..., bands)
    corner : tuple of int
        Index of the chunk's first element in the image.
    weights : ndarray of shape (..., 1), optional
    leading : tuple of int
        Shape of the image, without bands.
    most : int
        Most samples to return.
    seed : int
    search : Search
    compared : bool
        Whether to return them as the search compares them, float64, without those that miss a band; otherwise, as they
        are stored.
    """
    search = _of_complete_samples(search) if compared else search
    samples = search.take(block, corner, weights)
    samples = search.convert(samples, block.dtype) if compared else samples
    numbers = place_numbers(block.shape[:-1], corner, leading, seed)
    if samples.kept is not None:
        numbers = numbers[samples.kept]
    lowest = np.argpartition(numbers, most)[:most] if len(numbers) > most else np.arange(len(numbers))
    return numbers[lowest], samples.values[lowest].astype(np.float64 if compared else block.dtype, copy=False)


def lowest_draws(parts: Sequence[RandomSamples], most: int) -> RandomSamples:
    """Return up to `most` samples with the lowest random numbers of several chunks, lowest first."""
    numbers = np.concatenate([part[0] for part in parts])
    lowest = np.argsort(numbers, kind="stable")[:most]
    return numbers[lowest], np.concatenate([part[1] for part in parts])[lowest]


def compared_draws(drawn: RandomSamples, search: Search) -> RandomSamples:
    """Return drawn samples as a search compares them, float64, without those that miss a band."""
    numbers, values = drawn
    complete = _of_complete_samples(search)
    samples = complete.convert(complete.take(values, (0, 0)), values.dtype)
    return (numbers if samples.kept is None else numbers[samples.kept]), np.asarray(samples.values, np.float64)


def _of_complete_samples(search: Search) -> Search:
    return replace(search, missing="error" if search.missing == "error" else "exclude")
