"""Principal components of samples: from their scatter, or of wide tables from products with few vectors."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dasksom.som.statistics.moments import Moments

COMPONENTS = 8
"""Number of components that a start uses."""
_VECTORS = 12
"""Number of vectors that are iterated for them; more make them converge sooner."""
_PASSES = 4
"""Number of products with the scatter, each a pass over the samples."""

_EQUAL = 0.05
"""Relative difference below which the standard deviations of two components are considered equal."""
_ROUNDING = 2.0**-40
"""Multiple of the largest entry of a scatter to which all entries are rounded."""

Products = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Returns the scatter about a mean times some vectors."""


def exact_spans(of: Moments) -> NDArray[np.float64]:
    """Return all principal components, the longest first, each as long as its standard deviation.

    Signs are chosen so that the largest entry of each is positive.

    Returns
    -------
    ndarray of shape (bands, bands), float64
    """
    # without the rounding errors of sums by chunk, by which the directions of equal components would be chosen
    step = float(np.abs(of.scatter).max(initial=0.0)) * _ROUNDING
    scatter = np.round(of.scatter / step) * step if step > 0 else of.scatter
    return _spans(*np.linalg.eigh(scatter / of.count))


def leading_spans(of: Moments, products: Products) -> NDArray[np.float64]:
    """Return the first principal components, without a matrix of bands x bands.

    Parameters
    ----------
    of : Moments
        Count and mean of the samples.
    products : callable (mean, basis of shape (bands, vectors))
        Returns the scatter about the mean times the basis.

    Returns
    -------
    ndarray of shape (COMPONENTS, bands), float64
        As of `exact_spans`.

    Source: Halko, Martinsson, Tropp, "Finding structure with randomness" (2011), algorithm 4.4.
    """
    basis = _orthonormal(np.random.default_rng(0).standard_normal((len(of.mean), _VECTORS)))
    for _ in range(_PASSES - 1):
        basis = _orthonormal(products(of.mean, basis))
    within = basis.T @ products(of.mean, basis)
    variances, vectors = np.linalg.eigh((within + within.T) / (2 * of.count))
    return _spans(variances, basis @ vectors)[:COMPONENTS]


def _orthonormal(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of the columns: three times the symmetric form of Cholesky's QR, faster than QR."""
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-300)
    for _ in range(3):
        lengths, turned = np.linalg.eigh(vectors.T @ vectors)
        vectors = vectors @ (turned / np.sqrt(np.maximum(lengths, 1e-14 * lengths[-1] + 1e-300)))
    return vectors


def _spans(variances: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(variances)[::-1]
    spans: NDArray[np.float64] = np.sqrt(np.maximum(variances[order], 0))[:, None] * vectors[:, order].T
    largest = np.abs(spans).argmax(axis=1)
    spans *= np.where(spans[np.arange(len(spans)), largest] < 0, -1.0, 1.0)[:, None]
    return spans


def equally_long(lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return of each component but the first whether it is as long as the one before, and not zero.

    Parameters
    ----------
    lengths : array of shape (components,)
        Standard deviations of the components, the longest first.
    """
    return np.asarray((lengths[1:] >= (1 - _EQUAL) * lengths[:-1]) & (lengths[1:] > 0))
