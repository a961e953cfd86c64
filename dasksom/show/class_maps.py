"""Figures of classes on the map: a pie for each unit, and outlines of the groups of units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.show.drawable_map import drawable_map
from dasksom.show.drawing import axes_or_new, draw_colors, panel_height
from dasksom.show.maps import plot_u_matrix
from dasksom.som.u_matrix import neighbor_pairs

_WIDTH_WITH_LEGEND = 6.0
_RADIUS = 0.45
"""Of a pie; neighboring units are 1 apart."""
_SIDES = {"rectangular": 1.0, "hexagonal": 3**-0.5}
"""Length of the side between two neighboring units, by topology."""


def plot_pies(
    som: Any, counts: Any, ax: Any = None, *, names: Sequence[str] | None = None, colors: Sequence[Any] | None = None
) -> Any:
    """Draw the share of each class in each unit as a pie; units without samples are empty.

    Parameters
    ----------
    som : trained map
        As for `plot_u_matrix`.
    counts : array of shape (units, classes)
        Samples of each unit in each class, such as a crosstab of ``som.predict(X)`` and known classes.
    ax : matplotlib axes, optional
        Where to draw; by default in a new figure.
    names : sequence of str, optional
        One for each class, for a legend.
    colors : sequence of matplotlib colors, optional
        One for each class, such as `ClassTable.hexadecimal`; by default those of the scales "tab10" or "tab20".

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing, `som` is not a trained map, or the counts, names or colors do not fit.
    """
    drawable = drawable_map(som)
    shares = np.asarray(counts, np.float64)
    units = drawable.lattice.units
    if shares.ndim != 2 or len(shares) != units or not shares.shape[1] or not (shares >= 0).all():
        raise InputError(f"counts: of shape ({units}, classes), 0 or more, are needed; got {shares.shape}")
    for what, given in (("names", names), ("colors", colors)):
        if given is not None and len(given) != shares.shape[1]:
            raise InputError(f"{what}: one for each of the {shares.shape[1]} classes is needed; got {len(given)}")
    ax = axes_or_new(ax, 4.6 if names is None else _WIDTH_WITH_LEGEND, panel_height(drawable.lattice, 4.6, bar=False))
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Patch, Wedge

    draw_colors(ax, drawable, np.ones((*drawable.units.shape, 3)))
    chosen = (
        list(colors) if colors is not None else [colormaps["tab20"](number % 20) for number in range(len(shares.T))]
    )
    shares = shares[drawable.units.reshape(-1)]
    ends = 90 - 360 * np.cumsum(shares, axis=1) / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    starts = np.column_stack([np.full(units, 90.0), ends[:, :-1]])
    for number, color in enumerate(chosen):
        slices = [
            Wedge(center, _RADIUS, end, start)
            for center, start, end in zip(drawable.lattice.positions(), starts[:, number], ends[:, number], strict=True)
            if start > end
        ]
        ax.add_collection(PatchCollection(slices, facecolors=[color], linewidths=0), autolim=False)
    if names is not None:
        patches = [Patch(color=color, label=name) for color, name in zip(chosen, names, strict=True)]
        ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False)
    ax.set_title("Classes of each unit")
    return ax.figure


def plot_outlines(som: Any, classes: Any, ax: Any = None, *, color: Any = "white") -> Any:
    """Draw lines between neighboring units of different classes.

    Parameters
    ----------
    som : trained map
        As for `plot_u_matrix`. On toroidal maps there are no lines between opposite edges.
    classes : array of shape (units,), integers
        Class of each unit, such as `ClassTable.numbers`.
    ax : matplotlib axes, optional
        Those of another figure of the same map, such as ``plot_hits(som).axes[0]``; by default those of a new U-matrix.
    color : matplotlib color

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing, `som` is not a trained map, or the classes do not fit.
    """
    drawable = drawable_map(som)
    numbers = np.asarray(classes)
    if numbers.shape != (drawable.lattice.units,):
        raise InputError(f"classes: one for each of the {drawable.lattice.units} units is needed; got {numbers.shape}")
    if ax is None:
        ax = plot_u_matrix(som).axes[0]
    from matplotlib.collections import LineCollection

    lattice, drawn = drawable.lattice, numbers[drawable.units.reshape(-1)]
    lines = _sides(lattice.positions(), neighbor_pairs(lattice), drawn, _SIDES[lattice.topology])
    ax.add_collection(LineCollection(list(lines), colors=[color], linewidths=2, capstyle="round"), autolim=False)
    return ax.figure


def _sides(
    positions: NDArray[np.float64], pairs: NDArray[np.int64], numbers: NDArray[Any], length: float
) -> NDArray[np.float64]:
    """Return the two ends of each side between units of different classes, shape (sides, 2, 2)."""
    first, second = pairs[numbers[pairs[:, 0]] != numbers[pairs[:, 1]]].T
    away = positions[second] - positions[first]
    beside = np.abs((away**2).sum(axis=1) - 1) < 1e-6  # neither by a corner, nor over the edge of a torus
    away, middle = away[beside], (positions[first] + away / 2)[beside]
    across = away[:, ::-1] * [-length / 2, length / 2]
    return np.stack([middle - across, middle + across], axis=1)
