"""Figures of a trained map: U-matrix, component planes, hits, and its colors."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.show.colors import LUMA, Palette, hexadecimal
from dasksom.show.drawable_map import drawable_map
from dasksom.show.drawing import axes_or_new, draw_colors, draw_values, new_figure, panel_height
from dasksom.som.u_matrix import u_matrix

_LABELED_SWATCHES = 32
"""Most swatches that are large enough to write on."""
_MOST_PLANES = 100
"""Panels of a figure of component planes, unless bands are chosen."""


def plot_u_matrix(som: Any, ax: Any = None) -> Any:
    """Draw each unit's mean distance to its neighbors: light ridges separate groups of similar units.

    Parameters
    ----------
    som : trained map
        `BatchSOM`, `MiniSom`, or an object with the same attributes. Hexagonal maps are drawn as hexagons; on toroidal
        ones opposite edges are neighbors.
    ax : matplotlib axes, optional
        Where to draw; by default in a new figure. The color bar takes its room from them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing, or `som` is not a trained map.
    """
    drawable = drawable_map(som)
    lattice = drawable.lattice
    ax = axes_or_new(ax, 4.6, panel_height(lattice, 4.6))
    values = u_matrix(drawable.compared, lattice)
    draw_values(ax, drawable, values, label="mean distance to neighbors", cmap="viridis")
    ax.set_title("U-matrix")
    return ax.figure


def plot_component_planes(som: Any, bands: Sequence[int] | None = None, names: Sequence[str] | None = None) -> Any:
    """Draw the value of each band over the map, one panel a band, each with its own scale.

    Parameters
    ----------
    som : trained map
        As for `plot_u_matrix`.
    bands : sequence of int, optional
        Which ones; by default all, of more than a hundred the first hundred.
    names : sequence of str, optional
        One for each band shown; by default the map's own names (`feature_names_in_`), or red, green and blue of three
        bands.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawable = drawable_map(som)
    count = drawable.weights.shape[-1]
    chosen = list(range(min(count, _MOST_PLANES))) if bands is None else list(bands)
    if not chosen or not all(0 <= band < count for band in chosen):
        raise InputError(f"bands: some of 0 to {count - 1}; got {chosen}")
    titles = [drawable.band_names[band] for band in chosen] if names is None else list(names)
    if len(titles) != len(chosen):
        raise InputError(f"names: one for each of the {len(chosen)} bands shown; got {len(titles)}")
    most_across = 2 if len(chosen) == 4 else 3 if len(chosen) <= 12 else 5
    across = min(len(chosen), most_across)
    down = ceil(len(chosen) / across)
    width = 3.5 if across <= 3 else 3.0
    figure = new_figure(width * across, panel_height(drawable.lattice, width) * down)
    panels = figure.subplots(down, across, squeeze=False)
    for ax, band, title in zip(panels.flat, chosen, titles, strict=False):
        draw_values(ax, drawable, drawable.weights[..., band], label="", cmap="cividis")
        ax.set_title(title)
    for ax in panels.flat[len(chosen) :]:
        ax.remove()
    if bands is None and count > len(chosen):
        figure.suptitle(f"the first {len(chosen)} of {count} bands")
    return figure


def plot_hits(som: Any, ax: Any = None, *, hits: Any = None) -> Any:
    """Draw the share of the samples of each unit; units without samples are gray.

    Parameters
    ----------
    som, ax
        As for `plot_u_matrix`.
    hits : array of shape (rows, columns) or (units,), optional
        Samples of each unit, such as ``np.bincount(som.predict(X), minlength=units)`` or MiniSom's
        ``activation_response(X)``; by default those that the map counted (`quality_`).

    Raises
    ------
    InputError
        If neither the map nor the caller has counted them.
    """
    drawable = drawable_map(som, hits)
    share = drawable.shares
    if share is None:
        raise InputError(
            "this map has not counted its hits (quality_ is None): give hits=, or set som.quality_ = "
            "som.evaluate(image), and draw again"
        )
    ax = axes_or_new(ax, 4.6, panel_height(drawable.lattice, 4.6))
    values = np.where(share > 0, 100 * share, np.nan)
    draw_values(ax, drawable, values, label="share of the samples (%)", cmap="viridis", lowest=0)
    empty = int((share == 0).sum())
    ax.set_title("Hits" if not empty else f"Hits ({empty} {'unit' if empty == 1 else 'units'} without, gray)")
    return ax.figure


def plot_palette(som: Any, ax: Any = None, *, bands: tuple[int, int, int] | None = None) -> Any:
    """Draw the color of each unit at its position on the map.

    Parameters
    ----------
    som, ax
        As for `plot_u_matrix`.
    bands : (int, int, int), optional
        Shown as red, green and blue.
    """
    drawable = drawable_map(som)
    ax = axes_or_new(ax, 4.6, panel_height(drawable.lattice, 4.6, bar=False))
    draw_colors(ax, drawable, Palette.of(drawable.weights, bands).colors(drawable.weights))
    ax.set_title(f"{_colors(drawable.lattice.units)} on the map")
    return ax.figure


def plot_swatches(som: Any, ax: Any = None, *, bands: tuple[int, int, int] | None = None) -> Any:
    """Draw the colors one after the other, the most frequent first, or by lightness where hits are not known.

    Up to 32 are labeled with their color and share. Parameters are those of `plot_palette`.
    """
    drawable = drawable_map(som)
    colors = Palette.of(drawable.weights, bands).colors(drawable.weights).reshape(-1, 3)
    share = None if drawable.shares is None else drawable.shares.ravel()
    order = np.argsort(-share if share is not None else colors @ LUMA, kind="stable")
    labeled = len(colors) <= _LABELED_SWATCHES
    across = 8 if labeled else ceil((2.5 * len(colors)) ** 0.5)
    down = ceil(len(colors) / across)
    ax = axes_or_new(ax, 7.0, max(1.0, (1.2 if labeled else 1.0) * 6.6 * down / across + 0.4))
    grid = np.full((down * across, 4), 0.0)  # transparent beyond the last
    grid[: len(colors)] = np.column_stack([colors[order], np.ones(len(colors))])
    ax.imshow(grid.reshape(down, across, 4), interpolation="nearest")
    for position, unit in enumerate(order if labeled else ()):
        text = hexadecimal(colors[unit]) + ("" if share is None else f"\n{share[unit]:.1%}")
        ink = "black" if colors[unit] @ LUMA > 0.45 else "white"
        ax.text(position % across, position // across, text, ha="center", va="center", fontsize=7, color=ink)
    ax.set_axis_off()
    ax.set_title(f"{_colors(len(colors))}, " + ("by lightness" if share is None else "the most frequent first"))
    return ax.figure


def _colors(count: int) -> str:
    return "1 color" if count == 1 else f"{count} colors"
