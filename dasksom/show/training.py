"""Figures of a training: error and radius by epoch, and the path of the units through color space."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.show.colors import Palette
from dasksom.show.drawing import axes_or_new, new_figure


class Recorder:
    """Saves the codebook after each epoch, for `plot_trajectory`: pass it to ``fit(..., on_epoch=recorder)``.

    Parameters
    ----------
    every : int
        Save one of every `every` epochs; a codebook takes units x bands x 8 bytes.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise InputError(f"every: at least 1 is needed; got {every}")
        self.every = every
        self.epochs: list[int] = []
        """Numbers of the epochs saved, from 1."""
        self.codebooks: list[NDArray[np.float64]] = []
        """Their codebooks, shape (units, bands), in the color space of the training."""

    def __call__(self, epoch: Any, codebook: NDArray[np.float64]) -> None:
        """Save a codebook; called by `fit`."""
        if (epoch.epoch - 1) % self.every == 0:
            self.epochs.append(int(epoch.epoch))
            self.codebooks.append(np.array(codebook))


def plot_training(som: Any) -> Any:
    """Draw the error and the radius of the neighborhood by epoch, one above the other.

    Parameters
    ----------
    som : trained map with a `history_`

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no history: the map was loaded from a file.
    """
    history = tuple(getattr(som, "history_", ()))
    if not history:
        raise InputError("this map has no history_: only a map that was just trained knows its epochs")
    epochs = [record.epoch for record in history]
    errors = [record.mean_squared_error for record in history]
    figure = new_figure(6.4, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    marker = "o" if len(epochs) <= 30 else None
    above.plot(epochs, errors, marker=marker, markersize=3, color="#0072b2")
    sampled = sum(getattr(record, "sampled", False) for record in history)
    if sampled:
        above.axvspan(epochs[0] - 0.5, epochs[sampled - 1] + 0.5, color="0.93", zorder=0, label="on a sample")
        above.legend()
    if min(errors) > 0 and max(errors) > 20 * min(errors):
        above.set_yscale("log")
    above.set_ylabel("mean squared error")
    above.set_title("Error and radius by epoch")
    below.plot(epochs, [record.sigma for record in history], marker=marker, markersize=3, color="#d55e00")
    below.set_ylim(bottom=0)
    below.set_ylabel("sigma")
    below.set_xlabel("epoch")
    below.xaxis.get_major_locator().set_params(integer=True)
    for ax in (above, below):
        ax.grid(alpha=0.3)
    return figure


def plot_trajectory(
    recorder: Recorder, ax: Any = None, *, bands: tuple[int, int] | None = None, colors: NDArray[Any] | None = None
) -> Any:
    """Draw the path of each unit through color space, from its first position (ring) to its last (dot).

    Parameters
    ----------
    recorder : Recorder
        With at least one codebook. Epochs of a refinement that has more units than the map are left out.
    ax : matplotlib axes, optional
    bands : (int, int), optional
        Which bands to draw; by default the plane in which the units spread most (principal components).
    colors : ndarray of shape (units, 3), optional
        Floats from 0 to 1; by default the units' last colors, where they are of three bands.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not recorder.codebooks:
        raise InputError("the recorder has no codebooks; train with fit(image, on_epoch=recorder)")
    units = min(len(codebook) for codebook in recorder.codebooks)
    paths = np.stack([codebook for codebook in recorder.codebooks if len(codebook) == units])  # (epochs, units, bands)
    drawn, names = _plane(paths, bands)
    if colors is None:
        colors = Palette.of(paths[-1]).colors(paths[-1])
    ax = axes_or_new(ax, 5.6, 4.8)
    for unit in range(units):
        ax.plot(drawn[:, unit, 0], drawn[:, unit, 1], color=colors[unit], linewidth=0.9, alpha=0.8, zorder=1)
    size = float(np.clip(4000 / units, 4, 40))
    edge = {"edgecolors": "0.5", "linewidths": 0.6}
    ax.scatter(*drawn[0].T, s=size, facecolors="none", zorder=2, label="first epoch", **edge)
    ax.scatter(*drawn[-1].T, s=size, facecolors=colors, zorder=3, label="last epoch", **edge)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.set_title(f"{units} units over {len(drawn)} epochs")
    ax.legend()
    return ax.figure


def _plane(paths: NDArray[np.float64], bands: tuple[int, int] | None) -> tuple[NDArray[np.float64], list[str]]:
    """Return positions in a plane, shape (epochs, units, 2), and the names of its axes."""
    count = paths.shape[2]
    if bands is not None:
        if len(bands) != 2 or not all(0 <= band < count for band in bands):
            raise InputError(f"bands: two of 0 to {count - 1}; got {bands}")
        return paths[..., bands], [f"band {band}" for band in bands]
    if count == 1:
        epochs = np.broadcast_to(np.arange(1, len(paths) + 1.0)[:, None, None], paths.shape)
        return np.concatenate([epochs, paths], axis=2), ["epoch saved", "band 0"]
    centered = (paths - paths.mean(axis=(0, 1))).reshape(-1, count)
    _, spread, axes = np.linalg.svd(centered, full_matrices=False)
    share = spread**2 / max(float((spread**2).sum()), 1e-300)
    names = [f"principal component {number + 1} ({share[number]:.0%} of the variance)" for number in range(2)]
    return (centered @ axes[:2].T).reshape(*paths.shape[:2], 2), names
