"""The best-matching units of a block of samples, and what each unit gathers from it, in one go.

Samples are taken a tile at a time, band by band, so that the innermost loops run over neighboring samples (SIMD lanes)
and a tile's running minimum stays in the first-level cache; no samples x units matrix is ever made. Distances are sums
of squared differences in float64, band by band: the definition itself, with no cancellation and the same bits whatever
block a sample is in.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.batch import UnitSums
from dasksom.som.compiling import kernel

TILE = 256
"""Samples whose distances are searched together."""
BLOCK = 64 * TILE
"""Samples converted to float64 together; sums are added up per block, then block after block."""


@kernel
def _load(samples: Any, start: int, n: int, tile: Any) -> None:
    for i in range(n):
        for band in range(samples.shape[1]):
            tile[band, i] = samples[start + i, band]


@kernel
def _search(tile: Any, n: int, codebook: Any, distance: Any, least: Any, best: Any) -> None:
    units, bands = codebook.shape
    for i in range(n):
        least[i] = np.inf
        best[i] = 0
    for k in range(units):
        w = codebook[k, 0]
        for i in range(n):
            away = tile[0, i] - w
            distance[i] = away * away
        for band in range(1, bands):
            w = codebook[k, band]
            for i in range(n):
                away = tile[band, i] - w
                distance[i] += away * away
        for i in range(n):
            closer = distance[i] < least[i]  # strictly: ties go to the lowest unit
            least[i] = distance[i] if closer else least[i]
            best[i] = k if closer else best[i]


@kernel
def _label_block(samples: Any, codebook: Any, labels: Any) -> float:
    """Write each sample's best unit; return the sum of their squared distances."""
    tile = np.empty((codebook.shape[1], TILE))
    distance, least, best = np.empty(TILE), np.empty(TILE), np.empty(TILE, np.int64)
    squared_error = 0.0
    for start in range(0, samples.shape[0], TILE):
        n = min(TILE, samples.shape[0] - start)
        _load(samples, start, n, tile)
        _search(tile, n, codebook, distance, least, best)
        for i in range(n):
            labels[start + i] = best[i]
            squared_error += least[i]
    return squared_error


@kernel
def _sum_block(samples: Any, labels: Any, hits: Any, sums: Any) -> None:
    for i in range(samples.shape[0]):
        k = labels[i]
        hits[k] += 1
        for band in range(samples.shape[1]):
            sums[k, band] += samples[i, band]


@kernel
def _measure(samples: Any, labels: Any, codebook: Any, hits: Any) -> float:
    squared_error = 0.0
    for i in range(samples.shape[0]):
        k = labels[i]
        hits[k] += 1
        for band in range(samples.shape[1]):
            away = samples[i, band] - codebook[k, band]
            squared_error += away * away
    return squared_error


def measure(
    samples: NDArray[Any], labels: NDArray[Any], codebook: NDArray[np.float64]
) -> tuple[NDArray[np.int64], float]:
    """Count the samples of each unit and add up the squared distances to their units.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), real
    labels : ndarray of shape (n,), unsigned
        Each sample's unit.
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    hits : ndarray of shape (units,), int64
    squared_error : float
    """
    hits, squared_error = np.zeros(len(codebook), np.int64), 0.0
    codebook = np.ascontiguousarray(codebook, np.float64)
    for start in range(0, len(samples), BLOCK):
        block = np.ascontiguousarray(samples[start : start + BLOCK], np.float64)
        squared_error += _measure(block, labels[start : start + BLOCK], codebook, hits)
    return hits, squared_error


def find_bmus(samples: NDArray[Any], codebook: NDArray[np.float64]) -> NDArray[Any]:
    """Find each sample's best-matching unit; ties go to the lowest.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), any real type, finite
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.
    """
    labels = np.empty(len(samples), np.min_scalar_type(len(codebook) - 1))
    codebook = np.ascontiguousarray(codebook, np.float64)
    for start in range(0, len(samples), BLOCK):
        block = np.ascontiguousarray(samples[start : start + BLOCK], np.float64)
        _label_block(block, codebook, labels[start : start + BLOCK])
    return labels


def sum_units(samples: NDArray[Any], codebook: NDArray[np.float64]) -> UnitSums:
    """Find each sample's best-matching unit and add the samples up by unit.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), any real type, finite
    codebook : ndarray of shape (units, bands), float64
    """
    units, bands = codebook.shape
    hits, sums, squared_error = np.zeros(units, np.int64), np.zeros((units, bands)), 0.0
    codebook = np.ascontiguousarray(codebook, np.float64)
    labels = np.empty(min(BLOCK, len(samples)), np.int64)
    for start in range(0, len(samples), BLOCK):
        block = np.ascontiguousarray(samples[start : start + BLOCK], np.float64)
        squared_error += _label_block(block, codebook, labels)
        block_sums = np.zeros_like(sums)
        _sum_block(block, labels[: len(block)], hits, block_sums)
        sums += block_sums
    return UnitSums(sums, hits, squared_error)
