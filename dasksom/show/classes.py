"""Figures of classes: a heatmap of classes x bands, and the signature of each class."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.show.drawing import axes_or_new

_MEAN, _DEVIATION = "mean_", "sd_"
_WRITTEN_CELLS = 400
"""Most cells of a heatmap in which the mean is written."""
_LONGEST = 24.0
"""Width and height in inches up to which cells of a heatmap keep their size."""
_LEAST_CELL = 0.12
_LEGEND_ROWS, _MOST_IN_LEGEND = 16, 64
"""Classes in a column of a legend, and most classes with a legend."""


def plot_heatmap(table: Any, ax: Any = None) -> Any:
    """Draw the mean of each band in each class.

    Colors compare the classes band by band: standard deviations of the classes' means from the mean of these.

    Parameters
    ----------
    table : mapping of column to values, or data frame
        As ``dasksom table`` writes it: columns `name` and, for each band, `mean_BAND`.
    ax : matplotlib axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If matplotlib is missing, or the table has no such columns.
    """
    names, bands, means = _band_columns(table, _MEAN)
    width, height = _cell_side(0.6, len(bands)), _cell_side(0.3, len(names))
    ax = axes_or_new(ax, 2.2 + width * len(bands), 1.4 + height * len(names))
    spread = np.nanstd(means, axis=0)
    scaled = (means - np.nanmean(means, axis=0)) / np.where(spread > 0, spread, 1)
    limit = float(np.nanmax(np.abs(scaled), initial=1.0))
    drawn = ax.imshow(scaled, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_xticks(range(len(bands)), labels=bands, rotation=45, ha="right", fontsize=min(10.0, 54 * width))
    ax.set_yticks(range(len(names)), labels=names, fontsize=min(10.0, 54 * height))
    if means.size <= _WRITTEN_CELLS:
        for (row, column), mean in np.ndenumerate(means):
            ink = "white" if abs(scaled[row, column]) > 0.6 * limit else "black"
            ax.text(column, row, _short(mean), ha="center", va="center", fontsize=7, color=ink)
    ax.figure.colorbar(drawn, ax=ax, label="standard deviations", shrink=0.9)
    ax.set_title("Mean of each band by class")
    return ax.figure


def _cell_side(usual: float, count: int) -> float:
    return min(usual, max(_LEAST_CELL, _LONGEST / count))


def _short(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.3g}"


def plot_signatures(table: Any, ax: Any = None, *, colors: Sequence[str] | None = None) -> Any:
    """Draw the signature of each class: its mean in each band, with one standard deviation; up to 64 have a legend.

    Parameters
    ----------
    table : mapping of column to values, or data frame
        As for `plot_heatmap`, also with `sd_BAND`.
    ax : matplotlib axes, optional
    colors : sequence of str, optional
        Color of each class, such as ``ClassTable.hexadecimal``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names, _, means = _band_columns(table, _MEAN)
    _, bands, deviations = _band_columns(table, _DEVIATION)
    if colors is not None and len(colors) != len(names):
        raise InputError(f"colors: one for each of the {len(names)} classes is needed; got {len(colors)}")
    columns = ceil(len(names) / _LEGEND_ROWS) if len(names) <= _MOST_IN_LEGEND else 0
    ax = axes_or_new(ax, max(5.0, 2.6 + 0.5 * len(bands)) + 1.2 * (columns - 1), 4.0)
    for row, name in enumerate(names):
        color = None if colors is None else colors[row]
        (line,) = ax.plot(means[row], marker="o", markersize=4, color=color, label=name)
        low, high = means[row] - deviations[row], means[row] + deviations[row]
        ax.fill_between(range(len(bands)), low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    ax.set_xticks(range(len(bands)), labels=bands, rotation=45, ha="right")
    ax.set_ylabel("mean ± one standard deviation")
    if columns:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, ncols=columns)
    ax.set_title(f"Signatures of {'the' if columns else len(names)} classes")
    return ax.figure


def _band_columns(table: Any, prefix: str) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Return names of classes and bands, and the columns of the bands with a prefix, of shape (classes, bands)."""
    columns: Mapping[str, Any] = {str(name): table[name] for name in table}
    bands = [name.removeprefix(_MEAN) for name in columns if name.startswith(_MEAN)]
    if not bands or "name" not in columns or any(prefix + band not in columns for band in bands):
        wanted = f"{_MEAN}BAND" if prefix == _MEAN else f"{_MEAN}BAND and {prefix}BAND"
        raise InputError(f"a table with the columns name, {wanted} is drawn; got {', '.join(columns)}")
    values = np.array([list(columns[prefix + band]) for band in bands], np.float64).T
    return [str(name) for name in columns["name"]], bands, values
