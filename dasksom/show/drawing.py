"""The units of a map as squares or hexagons, on matplotlib's axes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.lattice import Lattice

SMOOTH = 1024
"""Hexagons of larger maps are drawn as pixels inside vector figures, which would else be megabytes."""
EMPTY = "0.75"
"""Color of units without a value, a gray that no color scale here has."""


class FittedMap(Protocol):
    """What is shown of a trained map; `BatchSOM` has it.

    `topology` and `toroidal` are looked at where it has them, else it is taken for rectangular with edges. Some figures
    need `history_` or `quality_` besides.
    """

    @property
    def weights_(self) -> NDArray[Any]:
        """Shape (rows, columns, bands)."""


def lattice_of(som: FittedMap) -> Lattice:
    """Tell where the units of a map sit."""
    rows, columns = np.shape(som.weights_)[:2]
    return Lattice(rows, columns, getattr(som, "topology", "rectangular"), getattr(som, "toroidal", False))


def matplotlib_figure() -> Any:
    """Give the module that makes figures which no window keeps alive.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise InputError("figures are drawn by matplotlib: pip install 'dasksom[plots]'") from error
    return matplotlib.figure


def new_figure(width: float, height: float) -> Any:
    """Make a figure of that size, in inches."""
    return matplotlib_figure().Figure(figsize=(width, height), layout="constrained")


def take_axes(ax: Any, width: float = 4.6, height: float = 4.0) -> Any:
    """Give the axes to draw on: those of the caller, else those of a new figure."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def panel_height(lattice: Lattice, width: float) -> float:
    """Give the height of a panel that a map fills, with what stands around it, in inches; within limits."""
    across, down = np.ptp(lattice.positions(), axis=0) + 1.0
    return float(np.clip((width - 1.5) * down / across + 0.9, 1.8, 1.6 * width))


def draw_values(
    ax: Any, lattice: Lattice, values: NDArray[Any], *, label: str, cmap: str, lowest: float | None = None
) -> Any:
    """Draw a number per unit on a color scale, with a bar that explains it.

    Parameters
    ----------
    ax : matplotlib axes
    lattice : Lattice
    values : ndarray of shape (rows, columns)
        Units with NaN are gray.
    label : str
        What the numbers are.
    cmap : str
        Name of a color scale.
    lowest : float, optional
        Where the scale begins; by default at the lowest value.
    """
    shown = np.ma.masked_invalid(np.asarray(values, np.float64))
    drawn = _draw(ax, lattice, shown)
    drawn.set_cmap(cmap)
    drawn.set_cmap(drawn.get_cmap().with_extremes(bad=EMPTY))
    drawn.set_clim(lowest, None)
    bar = ax.inset_axes((1.04, 0.0, 0.05, 1.0))  # as high as the map, whatever shape that has
    ax.figure.colorbar(drawn, cax=bar, label=label)
    return drawn


def draw_colors(ax: Any, lattice: Lattice, colors: NDArray[Any]) -> Any:
    """Draw a color per unit, shape (rows, columns, 3), floats from 0 to 1."""
    return _draw(ax, lattice, colors)


def _draw(ax: Any, lattice: Lattice, values: NDArray[Any]) -> Any:
    if lattice.topology == "hexagonal":
        drawn = _hexagons(ax, lattice, values)
    else:
        drawn = ax.imshow(values, interpolation="nearest", aspect="equal")
    _number_units(ax, lattice)
    return drawn


def _hexagons(ax: Any, lattice: Lattice, values: NDArray[Any]) -> Any:
    from matplotlib.collections import PolyCollection

    angles = np.deg2rad(30 + 60 * np.arange(6))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 3**0.5  # neighbors are 1 apart
    places = lattice.positions()
    colors = {"facecolors": values.reshape(lattice.units, -1)} if values.ndim == 3 else {"array": values.reshape(-1)}
    units = PolyCollection(
        list(places[:, None] + corners),
        edgecolors="face",  # or hairlines of the background show between them
        linewidths=0.3,
        rasterized=lattice.units > SMOOTH,
        **colors,
    )
    ax.add_collection(units, autolim=False)
    ax.set_xlim(places[:, 0].min() - 0.6, places[:, 0].max() + 0.6)
    ax.set_ylim(places[:, 1].max() + 0.7, places[:, 1].min() - 0.7)  # row 0 on top, as in an image
    ax.set_aspect("equal")
    return units


def _number_units(ax: Any, lattice: Lattice) -> None:
    ys = lattice.positions()[:: lattice.columns, 1]
    for axis, count, places in ((ax.xaxis, lattice.columns, np.arange(lattice.columns)), (ax.yaxis, lattice.rows, ys)):
        step = next(s for s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 1 << 16) if count <= 6 * s)
        axis.set_ticks(places[::step], labels=[str(number) for number in range(0, count, step)])
    ax.set_xlabel("column")
    ax.set_ylabel("row")
