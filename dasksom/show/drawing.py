"""The units of a map as squares or hexagons on matplotlib's axes."""

from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.show.drawable_map import DrawableMap
from dasksom.som.lattice import Lattice

_VECTOR_UNITS = 1024
"""Hexagons of larger maps are drawn as pixels in vector figures, which would be megabytes otherwise."""
_EMPTY_COLOR = "0.75"
"""Color of units without a value, a gray that no color scale here contains."""
_BAR_TEXT_INCHES = 0.7
"""Room for the numbers and the label of a color bar, in figures that do not make room by themselves."""
_FLAT = 0.4
"""Maps of a smaller height to width have their color bar below, where it has room for its numbers."""


def matplotlib_figure() -> Any:
    """Return the module that makes figures without windows.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'dasksom[plots]'") from error
    return matplotlib.figure


def new_figure(width: float, height: float) -> Any:
    """Return a figure of that size, in inches."""
    figure = matplotlib_figure().Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = partial(_png_of, figure)  # notebooks show figures of pyplot only
    return figure


def _png_of(figure: Any) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def axes_or_new(ax: Any, width: float = 4.6, height: float = 4.0) -> Any:
    """Return the caller's axes, or those of a new figure of that size, in inches."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def panel_height(lattice: Lattice, width: float, *, bar: bool = True) -> float:
    """Return the height of a panel that a map fills, with its labels, in inches and within limits."""
    ratio = _height_to_width(lattice)
    if bar and ratio < _FLAT:
        return float((width - 0.8) * ratio + 1.75)
    decorations = 1.75 if bar else 1.5  # less than the numbers of a color bar need would cut them off
    return float(np.clip((width - decorations) * ratio + 0.9, 1.6 if bar else 1.3, 1.6 * width))


def _height_to_width(lattice: Lattice) -> float:
    across, down = np.ptp(lattice.positions(), axis=0) + 1.0
    return float(down / across)


def draw_values(
    ax: Any, drawable: DrawableMap, values: NDArray[Any], *, label: str, cmap: str, lowest: float | None = None
) -> Any:
    """Draw a number per unit on a color scale, with a color bar.

    Parameters
    ----------
    ax : matplotlib axes
    drawable : DrawableMap
    values : ndarray of shape (rows, columns)
        Units with NaN are gray.
    label : str
        What the numbers are.
    cmap : str
        Name of a color scale.
    lowest : float, optional
        Lower end of the scale; by default the lowest value.
    """
    artist = _draw(ax, drawable, np.ma.masked_invalid(np.asarray(values, np.float64)))
    artist.set_cmap(cmap)
    artist.set_cmap(artist.get_cmap().with_extremes(bad=_EMPTY_COLOR))
    artist.set_clim(lowest, None)
    figure = ax.figure
    if _height_to_width(drawable.lattice) < _FLAT:
        figure.colorbar(artist, ax=ax, location="bottom", label=label, aspect=40)
    elif figure.get_layout_engine() is not None:  # which leaves room for it; it is as high as the map
        figure.colorbar(artist, cax=ax.inset_axes((1.04, 0.0, 0.05, 1.0)), label=label)
    else:
        from mpl_toolkits.axes_grid1 import Size, make_axes_locatable  # type: ignore[import-untyped]

        divider = make_axes_locatable(ax)
        figure.colorbar(artist, cax=divider.append_axes("right", "5%", pad=0.08), label=label)
        divider.set_horizontal([*divider.get_horizontal(), Size.Fixed(_BAR_TEXT_INCHES)])
    return artist


def draw_colors(ax: Any, drawable: DrawableMap, colors: NDArray[Any]) -> Any:
    """Draw a color per unit, shape (rows, columns, 3), floats from 0 to 1."""
    return _draw(ax, drawable, colors)


def _draw(ax: Any, drawable: DrawableMap, values: NDArray[Any]) -> Any:
    if drawable.lattice.topology == "hexagonal":
        artist = _hexagons(ax, drawable.lattice, values)
    else:
        artist = ax.imshow(values, interpolation="nearest", aspect="equal")
    _number_units(ax, drawable)
    return artist


def _hexagons(ax: Any, lattice: Lattice, values: NDArray[Any]) -> Any:
    from matplotlib.collections import PolyCollection

    angles = np.deg2rad(30 + 60 * np.arange(6))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 3**0.5  # neighbors are 1 apart
    centers = lattice.positions()
    colors = {"facecolors": values.reshape(lattice.units, -1)} if values.ndim == 3 else {"array": values.reshape(-1)}
    units = PolyCollection(
        list(centers[:, None] + corners),
        edgecolors="face",  # without, hairlines of the background show between them
        linewidths=0.3,
        rasterized=lattice.units > _VECTOR_UNITS,
        **colors,
    )
    ax.add_collection(units, autolim=False)
    ax.set_xlim(centers[:, 0].min() - 0.6, centers[:, 0].max() + 0.6)
    ax.set_ylim(centers[:, 1].max() + 0.7, centers[:, 1].min() - 0.7)  # row 0 on top, as in an image
    ax.set_aspect("equal")
    return units


def _number_units(ax: Any, drawable: DrawableMap) -> None:
    lattice = drawable.lattice
    ys = lattice.positions()[:: lattice.columns, 1]
    if drawable.upward:
        ys = ys[::-1]
    for axis, positions in ((ax.xaxis, np.arange(lattice.columns)), (ax.yaxis, ys)):
        count = len(positions)
        step = next(s for s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 1 << 16) if count <= 6 * s)
        axis.set_ticks(positions[::step], labels=[str(number) for number in range(0, count, step)])
    ax.set_xlabel(drawable.axes[0])
    ax.set_ylabel(drawable.axes[1])
