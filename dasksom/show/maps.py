"""Figures of a trained map: U-matrix, component planes, hits, and its colors."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.show.colors import LUMA, Palette, hexadecimal
from dasksom.show.drawing import FittedMap, draw_colors, draw_values, lattice_of, new_figure, panel_height, take_axes
from dasksom.som.u_matrix import u_matrix

NAMED_SWATCHES = 32
"""Most swatches that are large enough to write on."""


def plot_u_matrix(som: FittedMap, ax: Any = None) -> Any:
    """Draw each unit's mean distance to its neighbors: light ridges part groups of units that are alike.

    Parameters
    ----------
    som : trained map
        Hexagonal maps are drawn as hexagons; on toroidal ones the edges are neighbors.
    ax : matplotlib axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing.
    """
    lattice = lattice_of(som)
    ax = take_axes(ax, 4.6, panel_height(lattice, 4.6))
    draw_values(ax, lattice, u_matrix(som.weights_, lattice), label="mean distance to neighbors", cmap="viridis")
    ax.set_title("U-matrix")
    return ax.figure


def plot_component_planes(
    som: FittedMap, bands: Sequence[int] | None = None, names: Sequence[str] | None = None
) -> Any:
    """Draw the value of each band over the map, one panel a band, each with its own scale.

    Parameters
    ----------
    som : trained map
    bands : sequence of int, optional
        Which ones; by default the first twelve.
    names : sequence of str, optional
        One for each band shown; by default the names of a data frame's columns, or red, green and blue of three bands.

    Returns
    -------
    matplotlib.figure.Figure
    """
    count = som.weights_.shape[-1]
    chosen = list(range(min(count, 12))) if bands is None else list(bands)
    if not chosen or not all(0 <= band < count for band in chosen):
        raise InputError(f"bands: some of 0 to {count - 1}; got {chosen}")
    if names is None:
        known = getattr(som, "feature_names_in_", ("red", "green", "blue") if count == 3 else ())
        names = [str(known[band]) if len(known) else f"band {band}" for band in chosen]
    if len(names) != len(chosen):
        raise InputError(f"names: one for each of the {len(chosen)} bands shown; got {len(names)}")
    across = min(len(chosen), 3 if len(chosen) != 4 else 2)
    down = ceil(len(chosen) / across)
    lattice = lattice_of(som)
    figure = new_figure(3.5 * across, panel_height(lattice, 3.5) * down)
    for ax, band, name in zip(figure.subplots(down, across, squeeze=False).flat, chosen, names, strict=False):
        draw_values(ax, lattice, som.weights_[..., band], label="", cmap="cividis")
        ax.set_title(name)
    for ax in figure.axes[len(chosen) : down * across]:
        ax.remove()
    return figure


def plot_hits(som: FittedMap, ax: Any = None) -> Any:
    """Draw how many samples each unit won, as a share of all; units that won none are gray.

    Parameters are those of `plot_u_matrix`.

    Raises
    ------
    InputError
        If the map does not know: `evaluate` counts.
    """
    share = shares(som)
    if share is None:
        raise InputError(
            "this map did not count hits (quality_ is None): set som.quality_ = som.evaluate(image) and draw again"
        )
    lattice = lattice_of(som)
    ax = take_axes(ax, 4.6, panel_height(lattice, 4.6))
    values = np.where(share > 0, 100 * share, np.nan).reshape(lattice.rows, lattice.columns)
    draw_values(ax, lattice, values, label="share of the samples (%)", cmap="viridis", lowest=0)
    ax.set_title("Hits" if (share > 0).all() else f"Hits ({int((share == 0).sum())} units without, gray)")
    return ax.figure


def plot_palette(som: FittedMap, ax: Any = None, *, bands: tuple[int, int, int] | None = None) -> Any:
    """Draw the color of each unit at its place on the map.

    Parameters
    ----------
    som, ax
        As for `plot_u_matrix`.
    bands : (int, int, int), optional
        Shown as red, green and blue.
    """
    lattice = lattice_of(som)
    ax = take_axes(ax, 4.6, panel_height(lattice, 4.6))
    draw_colors(ax, lattice, Palette.of(som.weights_, bands).colors(som.weights_))
    ax.set_title(f"{som.weights_.shape[0] * som.weights_.shape[1]} colors on the map")
    return ax.figure


def plot_swatches(som: FittedMap, ax: Any = None, *, bands: tuple[int, int, int] | None = None) -> Any:
    """Draw the colors one after the other, the most frequent first, or by lightness where hits are not known.

    Up to 32 are labeled with their color and share. Parameters are those of `plot_palette`.
    """
    colors = Palette.of(som.weights_, bands).colors(som.weights_).reshape(-1, 3)
    share = shares(som)
    order = np.argsort(-share if share is not None else colors @ LUMA, kind="stable")
    across = min(len(colors), 8 if len(colors) <= NAMED_SWATCHES else ceil((2.5 * len(colors)) ** 0.5))
    down = ceil(len(colors) / across)
    named = len(colors) <= NAMED_SWATCHES
    ax = take_axes(ax, 7.0, max(1.0, (1.2 if named else 1.0) * 6.6 * down / across + 0.4))
    grid = np.full((down * across, 4), 0.0)  # transparent beyond the last
    grid[: len(colors)] = np.column_stack([colors[order], np.ones(len(colors))])
    ax.imshow(grid.reshape(down, across, 4), interpolation="nearest")
    for place, unit in enumerate(order[: len(order) if named else 0]):
        text = hexadecimal(colors[unit]) + ("" if share is None else f"\n{share[unit]:.1%}")
        shade = "black" if colors[unit] @ LUMA > 0.45 else "white"
        ax.text(place % across, place // across, text, ha="center", va="center", fontsize=7, color=shade)
    ax.set_axis_off()
    ax.set_title(f"{len(colors)} colors, " + ("by lightness" if share is None else "the most frequent first"))
    return ax.figure


def shares(som: Any) -> NDArray[np.float64] | None:
    """Give each unit's share of the samples, shape (units,); None where the map does not know."""
    quality = getattr(som, "quality_", None)
    return None if quality is None else np.asarray(quality.hits / (quality.hits.sum() or 1.0))
