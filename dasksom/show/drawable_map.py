"""Trained maps as figures take them: `BatchSOM`, `MiniSom`, or any object with the same attributes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.lattice import Lattice


@dataclass(frozen=True, eq=False)
class DrawableMap:
    """Codebook and lattice in the order in which units are drawn: row by row, from the top left."""

    weights: NDArray[Any]
    """Shape (rows, columns, bands)."""
    compared: NDArray[Any]
    """Shape (rows, columns, features): the codebook in what the map compares, its features or its bands."""
    lattice: Lattice
    units: NDArray[np.int64]
    """The map's own number of each unit drawn, shape (rows, columns)."""
    hits: NDArray[np.float64] | None
    """Samples of each unit drawn, shape (rows, columns), if the map has counted them."""
    band_names: tuple[str, ...]
    axes: tuple[str, str] = ("column", "row")
    upward: bool = False
    """Whether numbers of rows grow upward."""

    @property
    def shares(self) -> NDArray[np.float64] | None:
        """Share of the samples of each unit drawn, shape (rows, columns)."""
        return None if self.hits is None else self.hits / (self.hits.sum() or 1.0)


def drawable_map(som: Any, hits: Any = None) -> DrawableMap:
    """Return what figures need of a trained map.

    Parameters
    ----------
    som : trained map
        With `weights_` of shape (rows, columns, bands), and optionally `topology`, `toroidal`, `quality_` and
        `feature_names_in_`; or with ``get_weights()`` of shape (x, y, bands), as MiniSom has it. MiniSom's maps are
        drawn as there: x to the right, y upward.
    hits : array of shape (rows, columns) or (units,), optional
        Samples of each unit; by default those of `quality_`.

    Raises
    ------
    InputError
        If it is not a trained map, or `hits` has another number of units.
    """
    mini = not hasattr(som, "weights_") and callable(getattr(som, "get_weights", None))
    weights = som.get_weights() if mini else getattr(som, "weights_", None)
    if weights is None or np.ndim(weights) != 3:
        raise InputError(
            f"{type(som).__name__} is not a trained map: weights of shape (rows, columns, bands) are needed"
        )
    weights = np.asarray(weights)
    units = np.arange(weights.shape[0] * weights.shape[1]).reshape(weights.shape[:2])
    if mini:
        units = units.T[::-1]
    counts = getattr(getattr(som, "quality_", None), "hits", None) if hits is None else hits
    if counts is not None:
        counts = np.asarray(counts, np.float64).reshape(-1)
        if counts.size != units.size:
            raise InputError(f"hits: one for each of the {units.size} units is needed; got {counts.size}")
        counts = counts[units]
    rows, columns = len(units), units.size // len(units)
    lattice = Lattice(rows, columns, getattr(som, "topology", "rectangular"), getattr(som, "toroidal", False))
    drawn = weights.reshape(-1, weights.shape[2])[units]
    features = getattr(som, "feature_weights_", None)
    compared = drawn if features is None else np.asarray(features).reshape(units.size, -1)[units]
    axes = ("x", "y") if mini else ("column", "row")
    return DrawableMap(drawn, compared, lattice, units, counts, band_names(som, weights.shape[2]), axes, mini)


def band_names(som: Any, count: int) -> tuple[str, ...]:
    """Return the names of a map's bands: its own, else red, green and blue of three, else their numbers."""
    names = getattr(som, "feature_names_in_", None)
    if names is not None and len(names) == count:
        return tuple(str(name) for name in names)
    return ("red", "green", "blue") if count == 3 else tuple(f"band {band}" for band in range(count))
