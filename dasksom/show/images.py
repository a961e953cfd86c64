"""Thumbnails of images of any size: labels, and an image before and after."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.show.colors import Palette
from dasksom.show.drawable_map import drawable_map
from dasksom.show.drawing import axes_or_new, new_figure

THUMBNAIL_SIDE = 512
"""Default longest side of a thumbnail, in pixels."""


def thumbnail(image: Any, side: int = THUMBNAIL_SIDE) -> NDArray[Any]:
    """Return every nth row and column of an image of any size.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, bands), or a sequence of such
        NumPy, dask or Zarr: it is read chunk by chunk, and only the selected pixels are kept. A sequence is a pyramid,
        the largest level first; the smallest level that is large enough is read.
    side : int
        Longest side of the result, in pixels.

    Returns
    -------
    ndarray
    """
    levels = list(image) if isinstance(image, list | tuple) else [image]
    enough = [level for level in levels if max(level.shape[:2]) >= side]
    level = enough[-1] if enough else levels[0]
    step = -(-max(level.shape[:2]) // side)
    return np.asarray(level[::step, ::step])


def plot_labels(labels: Any, som: Any = None, ax: Any = None, *, side: int = THUMBNAIL_SIDE) -> Any:
    """Draw labels as an image.

    Parameters
    ----------
    labels : array of shape (height, width), or a pyramid of them
        Unit numbers as `predict` returns them, lazy or not; negative ones are no data and transparent.
    som : trained map, optional
        Its colors are used; by default a color scale over the unit numbers.
    ax : matplotlib axes, optional
    side : int
        Longest side of what is drawn, in pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = thumbnail(labels, side).astype(np.int64)
    ax = axes_or_new(ax)
    if som is None:
        drawn = ax.imshow(np.ma.masked_less(shown, 0), interpolation="nearest", cmap="viridis")
        ax.figure.colorbar(drawn, ax=ax, label="unit", shrink=0.85)
    else:
        drawable = drawable_map(som)
        colors = np.empty((drawable.units.size, 3))
        colors[drawable.units] = Palette.of(drawable.weights).colors(drawable.weights)
        ax.imshow(np.dstack([colors[shown], shown >= 0]), interpolation="nearest")
    ax.set_axis_off()
    ax.set_title("Labels")
    return ax.figure


def plot_before_after(
    before: Any, after: Any, *, bands: tuple[int, int, int] | None = None, side: int = THUMBNAIL_SIDE
) -> Any:
    """Draw an image before and after quantization side by side.

    Parameters
    ----------
    before, after : array of shape (height, width, bands), or a pyramid of them
        Lazy or not.
    bands : (int, int, int), optional
        Shown as red, green and blue; the colors of both are those of `before`.
    side : int
        Longest side of each view, in pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    first, second = thumbnail(before, side), thumbnail(after, side)
    palette = Palette.of(first, bands)
    height, width = first.shape[:2]
    figure = new_figure(8.0, float(np.clip(4.0 * height / width, 1.5, 8.0)) + 0.4)
    for ax, view, title in zip(figure.subplots(1, 2), (first, second), ("Before", "After"), strict=True):
        colors = palette.colors(view)
        has_data = np.isfinite(colors).all(axis=2)
        ax.imshow(np.dstack([np.nan_to_num(colors), has_data]), interpolation="nearest")
        ax.set_axis_off()
        ax.set_title(title)
    return figure
