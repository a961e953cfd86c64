"""Colors of classes: distinct for any number of them, and the same in every file."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dasksom.som.color_spaces import oklab_of_rgb

_STEPS = 18
"""Intensities of red, green and blue among which colors are chosen."""
_LIGHTNESS = 0.42, 0.88
"""Least and greatest lightness in Oklab: readable on white and on black."""
_CHROMA = 0.035, 0.22
"""Least and greatest chroma in Oklab: grays are left to pixels without a class, and glaring colors are left out."""
_FIRST = np.array([[31, 119, 180]]) / 255
"""The first color is the nearest to this blue."""


@lru_cache(maxsize=8)
def class_colors(count: int) -> NDArray[np.uint8]:
    """Return a color for each class.

    Each color is the one that is farthest in Oklab from all colors before it, so class k has the same color however
    many classes there are.

    Parameters
    ----------
    count : int
        Number of classes; colors repeat after some thousands.

    Returns
    -------
    ndarray of shape (count, 3), uint8, read-only
    """
    intensities = np.round(np.linspace(0, 255, _STEPS)).astype(np.uint8)
    candidates = np.stack(np.meshgrid(*[intensities] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = oklab_of_rgb(candidates / 255)
    chroma = np.hypot(positions[:, 1], positions[:, 2])
    suited = _within(positions[:, 0], _LIGHTNESS) & _within(chroma, _CHROMA)
    candidates, positions = candidates[suited], positions[suited]
    chosen = [int(((positions - oklab_of_rgb(_FIRST)) ** 2).sum(axis=1).argmin())]
    nearest = np.full(len(positions), np.inf)
    while len(chosen) < min(count, len(positions)):
        nearest = np.minimum(nearest, ((positions - positions[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    colors: NDArray[np.uint8] = candidates[np.resize(chosen, count)]
    colors.flags.writeable = False
    return colors


def _within(values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))
