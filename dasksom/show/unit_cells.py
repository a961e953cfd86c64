"""Figures of a map with a text or the vector of each unit in its cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.show.drawable_map import drawable_map
from dasksom.show.drawing import axes_or_new, draw_colors, panel_height

_SIDE = 0.8
"""Share of a cell's width and height in which a vector is drawn; neighboring units are 1 apart."""
_FONT_SIZES = 3.0, 10.0
"""Smallest and largest size of a text, in points."""


def plot_texts(som: Any, texts: Sequence[str], ax: Any = None, *, color: Any = "black") -> Any:
    """Write a text in the cell of each unit, such as its class or the most frequent label of its samples.

    Parameters
    ----------
    som : trained map
        As for `plot_u_matrix`.
    texts : sequence of str
        One for each unit, row by row for `BatchSOM`, and in the order of ``get_weights().reshape(units, -1)`` for
        `MiniSom`; empty where nothing is written.
    ax : matplotlib axes, optional
        Those of another figure of the same map, such as ``plot_u_matrix(som).axes[0]``; by default new ones, with white
        cells.
    color : matplotlib color

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing, `som` is not a trained map, or there are more or fewer texts than units.
    """
    drawable = drawable_map(som)
    lattice = drawable.lattice
    if isinstance(texts, str) or len(texts) != lattice.units:
        raise InputError(f"texts: one for each of the {lattice.units} units is needed; got {len(texts)}")
    ax = _white_cells(ax, drawable)
    written = [str(texts[unit]) for unit in drawable.units.reshape(-1).tolist()]
    longest = max(map(len, written), default=1) or 1
    across = np.ptp(lattice.positions()[:, 0]) + 1
    points = 72 * 0.7 * float(ax.figure.get_size_inches()[0]) / across  # of a cell
    size = float(np.clip(points / (0.7 * longest), *_FONT_SIZES))
    for (x, y), text in zip(lattice.positions().tolist(), written, strict=True):
        if text:
            ax.text(x, y, text, ha="center", va="center", fontsize=size, color=color, clip_on=True)
    return ax.figure


def plot_codes(som: Any, ax: Any = None, *, bands: Sequence[int] | None = None, colors: Any = None) -> Any:
    """Draw the vector of each unit as a line in its cell, each band from its lowest to its highest value on the map.

    Parameters
    ----------
    som, ax
        As for `plot_texts`.
    bands : sequence of int, optional
        Bands from left to right; by default all.
    colors : sequence of matplotlib colors, optional
        One for each unit, such as that of its class; by default all are equal.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawable = drawable_map(som)
    lattice, count = drawable.lattice, drawable.weights.shape[-1]
    chosen = list(range(count)) if bands is None else list(bands)
    if not chosen or not all(0 <= band < count for band in chosen):
        raise InputError(f"bands: some of 0 to {count - 1}; got {chosen}")
    if colors is not None and len(colors) != lattice.units:
        raise InputError(f"colors: one for each of the {lattice.units} units is needed; got {len(colors)}")
    ax = _white_cells(ax, drawable)
    from matplotlib.collections import LineCollection

    values = np.asarray(drawable.weights[..., chosen], np.float64).reshape(lattice.units, -1)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    heights = np.where(high > low, (values - low) / np.where(high > low, high - low, 1), 0.5) - 0.5
    if len(chosen) == 1:  # a line needs two points
        heights = np.repeat(heights, 2, axis=1)
    steps = np.linspace(-0.5, 0.5, heights.shape[1])
    centers = lattice.positions()
    lines = np.stack([centers[:, :1] + _SIDE * steps, centers[:, 1:] - _SIDE * heights], axis=2)
    inks = "C0" if colors is None else [colors[unit] for unit in drawable.units.reshape(-1).tolist()]
    ax.add_collection(LineCollection(list(lines), colors=inks, linewidths=1), autolim=False)
    ax.set_title("Vector of each unit")
    return ax.figure


def _white_cells(ax: Any, drawable: Any) -> Any:
    """Return the caller's axes, or those of a new figure with the cells of a map."""
    if ax is not None:
        return ax
    ax = axes_or_new(None, 4.6, panel_height(drawable.lattice, 4.6, bar=False))
    cells = draw_colors(ax, drawable, np.ones((*drawable.units.shape, 3)))
    if drawable.lattice.topology == "hexagonal":
        cells.set_edgecolor("0.8")
    else:
        from matplotlib.collections import LineCollection

        rows, columns = drawable.units.shape
        edges = [((-0.5, y - 0.5), (columns - 0.5, y - 0.5)) for y in range(1, rows)]
        edges += [((x - 0.5, -0.5), (x - 0.5, rows - 0.5)) for x in range(1, columns)]
        ax.add_collection(LineCollection(edges, colors="0.8", linewidths=0.5), autolim=False)
    return ax
