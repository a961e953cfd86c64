"""How much of what a unit learns its neighbors learn too.

To add a neighborhood: write its function of (distance along one axis, sigma) and add its line to ``NEIGHBORHOODS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dasksom.som.lattice import RectangularLattice

Factor = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def gaussian(distance: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """``exp(-distance**2 / (2 sigma**2))``; the product over the axes is the gaussian of the lattice distance."""
    return np.exp(-0.5 * (distance / sigma) ** 2)


NEIGHBORHOODS: dict[str, Factor] = {"gaussian": gaussian}
"""Name to factor: takes distances along one axis and sigma > 0 (both in lattice units), gives 1 at distance 0."""


@dataclass(frozen=True)
class SeparableNeighborhood:
    """A neighborhood on a rectangular lattice that is a product of one factor per axis.

    h((i, j), (p, q)) = row[i, p] * column[j, q], so it is applied as two small products instead of one units x units
    matrix. It travels to the workers as the few numbers that it is made of.
    """

    lattice: RectangularLattice
    kind: str
    """A name in ``NEIGHBORHOODS``."""
    sigma: float
    """Radius, in lattice units; 0 leaves every unit alone."""

    @cached_property
    def row(self) -> NDArray[np.float64]:
        """Factor along the rows, shape (rows, rows)."""
        return self._factor(self.lattice.rows)

    @cached_property
    def column(self) -> NDArray[np.float64]:
        """Factor along the columns, shape (columns, columns)."""
        return self._factor(self.lattice.columns)

    def _factor(self, side: int) -> NDArray[np.float64]:
        if self.sigma == 0:
            return np.eye(side)
        place = np.arange(side, dtype=np.float64)
        return NEIGHBORHOODS[self.kind](np.abs(place[:, None] - place), self.sigma)

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give each unit the neighborhood-weighted sum of all units' values.

        Parameters
        ----------
        values : ndarray of shape (units,) or (units, bands), float64

        Returns
        -------
        ndarray of the same shape
            ``H @ values`` with ``H[k, j] = h(k, j)``.

        Notes
        -----
        einsum rather than a BLAS product: its sums run in one order however many threads BLAS has.
        """
        grid = values.reshape(len(self.row), len(self.column), -1)
        over_rows = np.einsum("ip,pqb->iqb", self.row, grid)
        spread: NDArray[np.float64] = np.einsum("jq,iqb->ijb", self.column, over_rows).reshape(values.shape)
        return spread
