"""Neighborhoods of online maps, bit for bit as in MiniSom.

A neighborhood is a sum of products of one factor per axis. Factors depend on the offset of two units along the axis,
so each iteration needs one exponential per row and per column. NumPy computes them in advance for many iterations at
once, which also makes them bitwise equal to MiniSom's.

To add a neighborhood: write its function of (dx, dy, sigma) and add its line to ``ONLINE_NEIGHBORHOODS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.minisom.activation import VECTOR_UNITS
from dasksom.minisom.lattice import ROW_HEIGHT
from dasksom.som.numba_kernel import kernel

Factors = Callable[[Any, Any, Any], list[tuple[Any, Any]]]


def _bell(offset: Any, sigma: Any) -> Any:
    width = np.maximum(2 * sigma * sigma, 1e-290)  # sigma 0: 1 at the winner, 0 elsewhere
    exponents = -(offset * offset) / width
    return np.exp(exponents, out=exponents)


def gaussian_factors(dx: Any, dy: Any, sigma: Any) -> list[tuple[Any, Any]]:
    """``exp(-(dx**2 + dy**2) / (2 sigma**2))``."""
    return [(_bell(dx, sigma), _bell(dy, sigma))]


def mexican_hat_factors(dx: Any, dy: Any, sigma: Any) -> list[tuple[Any, Any]]:
    """``exp(-p / d) (1 - 2 p / d)`` with ``p = dx**2 + dy**2`` and ``d = 2 sigma**2``: negative at a distance."""
    bell_x, bell_y = gaussian_factors(dx, dy, sigma)[0]
    scale = 2 / np.maximum(2 * sigma * sigma, 1e-290)
    return [(bell_x * (1 - scale * dx * dx), bell_y), (bell_x, bell_y * (-scale * dy * dy))]


def bubble_factors(dx: Any, dy: Any, sigma: Any) -> list[tuple[Any, Any]]:
    """1 where both dx and dy are closer than sigma, else 0."""
    return [(1.0 * (np.abs(dx) < sigma), 1.0 * (np.abs(dy) < sigma))]


def triangle_factors(dx: Any, dy: Any, sigma: Any) -> list[tuple[Any, Any]]:
    """``max(0, sigma - |dx|) max(0, sigma - |dy|)``: not 1 but ``sigma**2`` at the winner, as in MiniSom."""
    return [(np.maximum(sigma - np.abs(dx), 0.0), np.maximum(sigma - np.abs(dy), 0.0))]


ONLINE_NEIGHBORHOODS: dict[str, Factors] = {
    "gaussian": gaussian_factors,
    "mexican_hat": mexican_hat_factors,
    "bubble": bubble_factors,
    "triangle": triangle_factors,
}
"""Name to function. It takes offsets along the axes and sigma, in lattice units, and returns pairs (factor of dx,
factor of dy) whose products are summed. Functions are even: offsets may be given without signs."""
BY_INDEX = ("bubble", "triangle")
"""Neighborhoods that ignore hexagonal positions: they use row and column numbers."""


@dataclass(frozen=True)
class OnlineNeighborhood:
    """A neighborhood on the lattice of an online map (`dasksom.minisom.lattice`)."""

    kind: str
    """A name in ``ONLINE_NEIGHBORHOODS``."""
    x: int
    y: int
    hexagonal: bool = False

    @property
    def shift(self) -> NDArray[np.int64]:
        """Shift of unit (i, j) toward lower i, in half lattice units, by j: shape (y,)."""
        moved = np.zeros(self.y, np.int64)
        moved[::-2] = self._by_place
        return moved

    @property
    def _by_place(self) -> bool:
        return self.hexagonal and self.kind not in BY_INDEX

    def factors(self, sigmas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the factors by offset, for several sigmas.

        Returns
        -------
        along_x : ndarray of shape (sigmas, products, x), float64
            By offset; on a hexagonal map (sigmas, products, 2 * x), by offset in half lattice units.
        along_y : ndarray of shape (sigmas, products, y), float64
        """
        dx = np.arange(2 * self.x) / 2 if self._by_place else np.arange(self.x) * 1.0
        dy = np.arange(self.y) * (ROW_HEIGHT if self._by_place else 1.0)
        pairs = ONLINE_NEIGHBORHOODS[self.kind](dx, dy, sigmas[:, None])
        return np.stack([pair[0] for pair in pairs], axis=1), np.stack([pair[1] for pair in pairs], axis=1)

    def __call__(self, winner: tuple[int, int], sigma: float) -> NDArray[np.float64]:
        """Return the neighborhood of every unit around the winner: shape (x, y), float64."""
        along_x, along_y = (of_sigma[0] for of_sigma in self.factors(np.array([sigma], np.float64)))
        i, j, shift = np.arange(self.x), np.arange(self.y), self.shift
        step = along_x.shape[1] // self.x
        offset = np.abs(step * (i[:, None] - winner[0]) - (shift - shift[winner[1]]))
        shares: NDArray[np.float64] = (along_x[:, offset] * along_y[:, None, np.abs(j - winner[1])]).sum(axis=0)
        return shares


@kernel
def _reach(along_x: Any, x: int, least: float) -> int:
    """Return the largest row offset whose factor is above `least`."""
    offset, most = along_x.shape[1], 0.0
    while offset > 0 and most <= least:
        offset -= 1
        for product in range(len(along_x)):
            most = max(most, abs(along_x[product, offset]))
    return int((offset * x + along_x.shape[1] - 1) // along_x.shape[1])


@kernel
def write_shares(
    along_x: Any, along_y: Any, shift: Any, x: int, winner: int, rate: float, least: float, columns: Any, shares: Any
) -> Any:
    """Write ``rate h(k, winner)`` for the units whose row has a factor above `least`.

    `along_x`, shape (products, offsets), and `along_y`, (products, y), are the factors for one sigma. `shares` has the
    shape (room,), padded as by `dasksom.minisom.activation.to_bands`; `columns` is a work array of y numbers.

    Returns
    -------
    first, last : int
        Range of these units, `last` excluded; multiples of ``VECTOR_UNITS``. Other units in the range get 0.
    """
    y = len(shift)
    at_x, at_y = winner // y, winner % y
    step = along_x.shape[1] // x  # offsets per lattice unit: 2 on a hexagonal map
    moved = shift[at_y]
    other = 0 if step == 1 else (1 if moved == 1 else -1)  # offset of rows with the other shift
    reach = _reach(along_x, x, least)
    begin, end = max(at_x - reach, 0), min(at_x + reach + 1, x)
    first, last = begin * y // VECTOR_UNITS * VECTOR_UNITS, (end * y + VECTOR_UNITS - 1) // VECTOR_UNITS * VECTOR_UNITS
    for k in range(first, begin * y):
        shares[k] = 0.0
    for k in range(end * y, last):
        shares[k] = 0.0
    grid = shares[: x * y].reshape((x, y))
    for product in range(len(along_x)):
        for j in range(y):
            columns[j] = along_y[product, abs(j - at_y)]
        for i in range(begin, end):
            like = along_x[product, abs(step * (i - at_x))]
            unlike = along_x[product, abs(step * (i - at_x) + other)]
            if product > 0:
                for j in range(y):
                    grid[i, j] += (like if shift[j] == moved else unlike) * columns[j] * rate
            elif step > 1:
                for j in range(y):
                    grid[i, j] = (like if shift[j] == moved else unlike) * columns[j] * rate
            else:
                for j in range(y):
                    grid[i, j] = like * columns[j] * rate
    return first, last
