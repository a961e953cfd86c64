"""The labels of 8-bit colors through a table of all colors."""

import threading
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.color_cells import color_numbers, colors_of, into_cells
from dasksom.som.color_search import match_colors
from dasksom.som.compiling import kernel
from dasksom.som.samples import Samples
from dasksom.som.search import Search

BLOCK = 1 << 18
"""Colors whose labels are searched together where no cells help."""


def by_cells(search: Search) -> bool:
    """Tell whether the units of colors are found cell by cell: where those are small boxes of the compared space."""
    return search.metric == "euclidean" and search.color_space == "rgb"


@lru_cache(maxsize=2)
def _lookup_table(weights: bytes, bands: int, search: Search) -> NDArray[Any]:
    codebook = np.frombuffer(weights).reshape(-1, bands)
    numbers = np.arange(256**bands, dtype=np.uint32)
    smallest = np.min_scalar_type(len(codebook) - 1)
    if by_cells(search):
        return match_colors(into_cells(numbers, bands), codebook).astype(smallest)
    table = np.empty(len(numbers), smallest)
    for start in range(0, len(numbers), BLOCK):
        colors = colors_of(numbers[start : start + BLOCK], bands)
        table[start : start + BLOCK] = search.best(search.convert(Samples(colors, None, None), colors.dtype), codebook)
    return table


_filling = threading.Lock()


@kernel
def _look_up(samples: Any, numbers: Any, table: Any, labels: Any) -> None:
    n, bands = samples.shape
    if bands == 3:
        for i in range(n):
            labels[i] = table[numbers[0, samples[i, 0]] | numbers[1, samples[i, 1]] | numbers[2, samples[i, 2]]]
    else:
        for i in range(n):
            number = numbers[0, samples[i, 0]]
            for band in range(1, bands):
                number |= numbers[band, samples[i, band]]
            labels[i] = table[number]


def look_up_labels(samples: NDArray[np.uint8], codebook: NDArray[np.float64], search: Search) -> NDArray[Any]:
    """Find the best-matching unit of each sample through a table of all colors.

    The table depends on the codebook and the search alone, so every process fills its own (0.1 s for 256 units by
    cells, else some seconds) and keeps it for its next chunk; nothing but the codebook travels, and no worker's death
    can lose it.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), uint8, 1 <= bands <= 3
    codebook : ndarray of shape (units, bands), float64
    search : Search

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.
    """
    bands = samples.shape[1]
    with _filling:
        table = _lookup_table(np.ascontiguousarray(codebook, np.float64).tobytes(), bands, search)
    labels = np.empty(len(samples), table.dtype)
    _look_up(samples, color_numbers(bands), table, labels)
    return labels
