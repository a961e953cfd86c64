"""Where the units of a map sit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RectangularLattice:
    """Units at the crossings of a grid, numbered row by row; neighbors are one lattice unit apart."""

    rows: int
    """At least 1."""
    columns: int
    """At least 1."""

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.rows * self.columns

    @property
    def default_radius(self) -> float:
        """Sigma to start from, in lattice units: half the longer side, so that the map moves as a whole at first."""
        return max(self.rows, self.columns) / 2
