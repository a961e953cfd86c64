"""The values that parameters of the map accept by name, and what each selects.

To add one: write its function and add its line. Functions are given as "module:function" and imported on first use, so
that help texts and configurations need neither NumPy nor Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from dasksom.deferred import deferred, resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Topology(NamedTuple):
    """Arrangement of the rows of a lattice; units of a row are one lattice unit apart."""

    row_height: float
    """Distance of adjacent rows, in lattice units."""
    shift: float
    """Shift of every second row (1, 3, ...) along the row, in lattice units."""
    reach: float
    """Distance up to which two units are neighbors, in lattice units."""


TOPOLOGIES = {
    "rectangular": Topology(row_height=1.0, shift=0.0, reach=2**0.5),  # 8 neighbors
    "hexagonal": Topology(row_height=3**0.5 / 2, shift=0.5, reach=1.0),  # 6, all at distance 1
}


class NeighborhoodShape(NamedTuple):
    """Shape of a neighborhood."""

    profile: Callable[[Floats, float], Floats]
    """Takes distances and sigma > 0, both in lattice units; returns 1 at distance 0, and never increases."""
    by_axis: bool
    """Whether the neighborhood is the product of the profiles along the two axes, applied as two small matrix products;
    otherwise it is the profile of the lattice distance."""


NEIGHBORHOODS = {
    "gaussian": NeighborhoodShape(deferred("dasksom.som.neighborhood:gaussian"), by_axis=True),
    "bubble": NeighborhoodShape(deferred("dasksom.som.neighborhood:bubble"), by_axis=True),
    "triangle": NeighborhoodShape(deferred("dasksom.som.neighborhood:triangle"), by_axis=True),
    "epanechnikov": NeighborhoodShape(deferred("dasksom.som.neighborhood:epanechnikov"), by_axis=False),
}

INITIALIZATIONS: dict[str, Callable[..., Floats]] = {
    "pca": deferred("dasksom.som.initialization:start_in_plane"),
    "sample": deferred("dasksom.som.initialization:start_from_samples"),
    "random": deferred("dasksom.som.initialization:start_at_random"),
}
"""Functions of the lattice, the samples and a seed; they return the initial codebook (units, bands)."""


@dataclass(frozen=True)
class Metric:
    """A definition of the nearest unit."""

    function: str | Callable[[Any, Any], Any]
    """``function(total, away)`` returns the total updated with the difference in one more band
    (`dasksom.som.bmu.metrics`). It may use anything that Numba compiles; with a rounding bound only sums, differences,
    products, `numpy.absolute`, `numpy.maximum` and `numpy.minimum`."""
    unit_length: bool = False
    """Whether samples and units are divided by their Euclidean length first. Zero vectors, which have no direction, are
    then as far from all vectors as orthogonal vectors are from each other."""

    @cached_property
    def step(self) -> Callable[[Any, Any], Any]:
        """The function itself."""
        step: Callable[[Any, Any], Any] = resolve(self.function) if isinstance(self.function, str) else self.function
        return step


METRICS = {
    "euclidean": Metric("dasksom.som.bmu.metrics:add_square"),
    "manhattan": Metric("dasksom.som.bmu.metrics:add_absolute"),
    "chebyshev": Metric("dasksom.som.bmu.metrics:keep_largest"),
    # for vectors of length 1, |x - w|^2 / 2 = 1 - x.w
    "cosine": Metric("dasksom.som.bmu.metrics:add_square", unit_length=True),
}


class ColorSpace(NamedTuple):
    """Conversions from and to RGB, or from and to RGB with opacity."""

    of_rgb: Callable[[Floats], Floats]
    to_rgb: Callable[[Floats], Floats]
    bands: int = 3


COLOR_SPACES = {
    "rgb": None,
    "lab": ColorSpace(deferred("dasksom.som.color_spaces:lab_of_rgb"), deferred("dasksom.som.color_spaces:rgb_of_lab")),
    "oklab": ColorSpace(
        deferred("dasksom.som.color_spaces:oklab_of_rgb"), deferred("dasksom.som.color_spaces:rgb_of_oklab")
    ),
    "rgba": ColorSpace(
        deferred("dasksom.som.color_spaces:seen_of_rgba"), deferred("dasksom.som.color_spaces:rgba_of_seen"), bands=4
    ),
}
"""Conversions by name; None: values are compared as they are."""

PRECISIONS = ("float32", "float64")
"""Precisions of the first comparison of distances."""
DEVICES = ("auto", "cpu", "cuda")
"""Where workers search: on a GPU if they have one, on the processor, or only on GPUs."""
MISSING = ("exclude", "bands", "error")
"""Treatment of samples with NaN: skipped, compared by their valid bands, or an error."""
DITHERS = ("none", "bayer")
DITHERED_BANDS = (1, 3)
"""Numbers of bands of images that can be dithered."""
