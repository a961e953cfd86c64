"""Labels of colors from a table of all colors."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.search import Search
from dasksom.som.counted_colors.bmu_search import match_colors
from dasksom.som.counted_colors.cells import ColorType, color_numbers, colors_from_numbers, searchable, type_of
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.numba_kernel import kernel
from dasksom.som.samples import Samples

_BLOCK = 1 << 18
"""Number of colors searched at once if they cannot be searched by cells."""


def by_cells(search: Search) -> bool:
    """Return whether the search by cells applies: it needs Euclidean distances in RGB, where cells are small boxes."""
    return search.metric == "euclidean" and search.color_space == "rgb" and search.features is None


@dataclass(frozen=True, eq=False)
class _Table:
    """Labels of colors by their numbers."""

    labels: NDArray[Any]
    known: NDArray[np.bool_] | None
    """Colors whose labels are known; None: all."""


@lru_cache(maxsize=2)
def _lookup_table(weights: bytes, kind: ColorType, search: Search) -> _Table:
    codebook = np.frombuffer(weights).reshape(-1, kind.bands)
    smallest = np.min_scalar_type(len(codebook) - 1)
    if by_cells(search):
        numbers = np.arange(kind.colors, dtype=np.uint32)
        return _Table(match_colors(searchable(numbers, kind), codebook).astype(smallest), None)
    return _Table(np.zeros(kind.colors, smallest), np.zeros(kind.colors, np.bool_))


_filling = threading.Lock()


def _add_unknown(table: _Table, samples: NDArray[Any], codebook: NDArray[np.float64], search: Search) -> None:
    """Add the labels of colors that are not in the table yet."""
    numbers, _ = count_colors(samples)
    numbers = numbers[~table.known[numbers]]  # type: ignore[index]
    for start in range(0, len(numbers), _BLOCK):
        new = numbers[start : start + _BLOCK]
        colors = colors_from_numbers(new, type_of(samples))
        table.labels[new] = search.best(search.convert(Samples(colors, None, None), colors.dtype), codebook)
        table.known[new] = True  # type: ignore[index]


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


@kernel
def _look_up_line(values: Any, table: Any, labels: Any) -> None:
    for i in range(values.size):
        labels[i] = table[values[i]]


def look_up_labels(samples: NDArray[Any], codebook: NDArray[np.float64], search: Search) -> NDArray[Any]:
    """Return the best-matching unit of each sample from a table of all colors.

    The table depends only on the codebook and the search, so every process computes and caches its own: only the
    codebook is sent to the workers, and the death of a worker loses nothing. With the search by cells, the table is
    filled at once (0.1 s for 256 units); otherwise colors are added when they first occur.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), of a type that is counted (`ColorType`)
    codebook : ndarray of shape (units, bands), float64
    search : Search

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.
    """
    kind = type_of(samples)
    with _filling:
        table = _lookup_table(np.ascontiguousarray(codebook, np.float64).tobytes(), kind, search)
        if table.known is not None:
            _add_unknown(table, samples, codebook, search)
    labels = np.empty(len(samples), table.labels.dtype)
    if kind.is_line:
        _look_up_line(np.ascontiguousarray(samples).reshape(-1).view(np.uint16), table.labels, labels)
    else:
        _look_up(samples, color_numbers(kind.bands), table.labels, labels)
    return labels
