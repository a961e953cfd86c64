"""Neighborhood functions of (distance, sigma), and sums over the neighborhoods of all units."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.choices import NEIGHBORHOODS
from dasksom.som.lattice import Lattice
from dasksom.som.numba_kernel import kernel


def gaussian(distance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """``exp(-distance**2 / (2 sigma**2))``; the product over the axes is the gaussian of the lattice distance."""
    return np.exp(-0.5 * (distance / sigma) ** 2)


def bubble(distance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """1 closer than sigma, else 0: a box around the unit, as in MiniSom and XPySom; only the unit if sigma <= 1."""
    return np.where((distance < sigma) | (distance == 0), 1.0, 0.0)


def triangle(distance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """``max(0, 1 - distance / sigma)``: a pyramid, as in MiniSom and XPySom, of height 1."""
    return np.maximum(0.0, 1.0 - distance / sigma)


def epanechnikov(distance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """``max(0, 1 - (distance / sigma)**2)`` of the lattice distance, as in the SOM Toolbox."""
    return np.maximum(0.0, 1.0 - (distance / sigma) ** 2)


# Unlike in BLAS, the order of sums does not depend on the number of threads. Factors of 0, common outside of small
# neighborhoods, are skipped.


@kernel
def _along_rows(matrix: Any, grid: Any, out: Any) -> None:
    """``out[i] += sum over p of matrix[i, p] grid[p]``; grid and out are (rows, ...) flattened to two axes."""
    for i in range(matrix.shape[0]):
        for p in range(matrix.shape[1]):
            share = matrix[i, p]
            if share != 0.0:
                for x in range(grid.shape[1]):
                    out[i, x] += share * grid[p, x]


@kernel
def _along_columns(matrix: Any, grid: Any, out: Any) -> None:
    """``out[p, j] += sum over q of matrix[j, q] grid[p, q]``; grid and out are (rows, columns, bands)."""
    for p in range(grid.shape[0]):
        for j in range(matrix.shape[0]):
            for q in range(matrix.shape[1]):
                share = matrix[j, q]
                if share != 0.0:
                    for band in range(grid.shape[2]):
                        out[p, j, band] += share * grid[p, q, band]


@dataclass(frozen=True)
class Neighborhood:
    """A neighborhood on a lattice; only its few parameters are sent to the workers.

    h((i, j), (p, q)) depends only on the distance of the rows, the difference of the columns and the shifts of the two
    rows, so no units x units matrix is needed. If it is a product of one factor per axis, it is applied as two small
    matrix products, on a hexagonal lattice for each pair of row classes.
    """

    lattice: Lattice
    kind: str
    """A name in ``dasksom.som.choices.NEIGHBORHOODS``."""
    sigma: float
    """Radius, in lattice units; 0 means no neighbors."""

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each unit the neighborhood-weighted sum of all units' values.

        Parameters
        ----------
        values : ndarray of shape (units,) or (units, columns), float64

        Returns
        -------
        ndarray of the same shape
            ``H @ values`` with ``H[k, j] = h(k, j)``.
        """
        if self.sigma == 0:
            return values.copy()
        grid = np.ascontiguousarray(values, np.float64).reshape(self.lattice.rows, self.lattice.columns, -1)
        spread = self._spread_by_axis(grid) if NEIGHBORHOODS[self.kind].by_axis else self._spread_by_distance(grid)
        return spread.reshape(values.shape)

    def _spread_by_axis(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = np.zeros_like(grid)
        classes = self.lattice.row_classes
        for to, rows in enumerate(classes):
            for come, sources in enumerate(classes):
                source = np.ascontiguousarray(grid[sources])
                along = np.zeros_like(source)
                _along_columns(self._column_factors[come][to], source, along)
                total = np.zeros((len(grid[rows]), along[0].size))
                _along_rows(np.ascontiguousarray(self._row_factors[rows, sources]), _flat(along), total)
                spread[rows] += total.reshape(spread[rows].shape)
        return spread

    def _spread_by_distance(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = np.zeros_like(grid)
        profile, columns = NEIGHBORHOODS[self.kind].profile, self.lattice.columns
        away = self.lattice.row_distances()
        classes = len(self.lattice.row_classes)
        for apart in range(1 - len(grid), len(grid)):  # from row p to row p + apart
            for come in range(classes):
                to = (come + apart) % classes
                distance = np.hypot(away[abs(apart)], self.lattice.column_distances(come, to))
                factors = profile(distance, self.sigma)
                if not factors.any():
                    continue
                first = max(0, -apart)
                first += (come - first) % classes
                sources = slice(first, len(grid) - max(0, apart), classes)
                source = np.ascontiguousarray(grid[sources])
                if len(source):
                    total = np.zeros_like(source)
                    _along_columns(_toeplitz(factors, columns), source, total)
                    spread[first + apart : first + apart + (len(source) - 1) * classes + 1 : classes] += total
        return spread

    @cached_property
    def _row_factors(self) -> NDArray[np.float64]:
        """Return the factors along the rows, [to, from]: shape (rows, rows)."""
        profile = NEIGHBORHOODS[self.kind].profile(self.lattice.row_distances(), self.sigma)
        row = np.arange(self.lattice.rows)
        return np.asarray(profile[np.abs(row[:, None] - row)])

    @cached_property
    def _column_factors(self) -> list[list[NDArray[np.float64]]]:
        """Return the factors along the columns, [class from][class to][to, from]: each of shape (columns, columns)."""
        profile, classes = NEIGHBORHOODS[self.kind].profile, range(len(self.lattice.row_classes))
        return [
            [
                _toeplitz(profile(self.lattice.column_distances(come, to), self.sigma), self.lattice.columns)
                for to in classes
            ]
            for come in classes
        ]


def _toeplitz(factors: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Arrange factors by column difference (to - from) as a matrix [to, from]."""
    column = np.arange(columns)
    return np.ascontiguousarray(factors[columns - 1 + column[:, None] - column])


def _flat(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    return grid.reshape(len(grid), -1)
