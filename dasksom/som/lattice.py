"""Lattices: positions and distances of a map's units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.choices import TOPOLOGIES, Topology


@dataclass(frozen=True)
class Lattice:
    """Units in rows, numbered row by row."""

    rows: int
    """At least 1; even if the lattice is hexagonal and toroidal, so that its first and last rows match."""
    columns: int
    """At least 1."""
    topology: str = "rectangular"
    """A name in ``dasksom.som.choices.TOPOLOGIES``."""
    toroidal: bool = False
    """Whether opposite edges of the lattice are connected."""

    @property
    def units(self) -> int:
        """Number of units."""
        return self.rows * self.columns

    @property
    def default_radius(self) -> float:
        """Default initial sigma, in lattice units, at which all units move together.

        Half of the longer side; a quarter on a torus, where distances are at most half a side.
        """
        return max(self.rows, self.columns) / (4 if self.toroidal else 2)

    @property
    def row_classes(self) -> tuple[slice, ...]:
        """Rows with the same shift."""
        return (slice(0, None, 2), slice(1, None, 2)) if self._kind.shift and self.rows > 1 else (slice(None),)

    @property
    def _kind(self) -> Topology:
        return TOPOLOGIES[self.topology]

    def row_distances(self) -> NDArray[np.float64]:
        """Return the distance between rows, in lattice units, by the difference of their numbers: shape (rows,)."""
        steps = np.arange(self.rows, dtype=np.float64)
        if self.toroidal:
            steps = np.minimum(steps, self.rows - steps)
        return np.asarray(steps * self._kind.row_height)

    def column_distances(self, from_class: int, to_class: int) -> NDArray[np.float64]:
        """Return the distance along a row between units of two row classes, in lattice units.

        Returns
        -------
        ndarray of shape (2 * columns - 1,)
            Entry ``columns - 1 + d`` is of two units whose column numbers differ by d = to - from.
        """
        steps = np.arange(1 - self.columns, self.columns) + self._kind.shift * (to_class - from_class)
        away = np.abs(steps)
        return np.asarray(np.abs(np.minimum(away, self.columns - away)) if self.toroidal else away)

    def positions(self) -> NDArray[np.float64]:
        """Return the position of every unit in the plane, (x, y) in lattice units: shape (units, 2)."""
        row, column = np.divmod(np.arange(self.units), self.columns)
        return np.stack([column + self._kind.shift * (row % 2), row * self._kind.row_height], axis=1)

    def adjacent(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which pairs of units are neighbors (up to 8 per unit on rectangular lattices, 6 on hexagonal ones)."""
        away = np.abs(self.positions()[first] - self.positions()[second])
        if self.toroidal:
            away = np.abs(np.minimum(away, [self.columns, self.rows * self._kind.row_height] - away))
        return np.asarray((away**2).sum(axis=-1) <= self._kind.reach**2 + 1e-9)
