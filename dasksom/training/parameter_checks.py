"""Checks of a map's parameters, and the lattice, search, seed and epochs derived from them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.config.map_parameters import MOST_UNITS, PARAMETERS
from dasksom.config.parameter import parse_colors
from dasksom.errors import InputError
from dasksom.som.bmu.search import Search
from dasksom.som.counted_colors.palette_search import MOST_SEARCHED
from dasksom.som.lattice import Lattice
from dasksom.som.refinement import refinement_steps
from dasksom.som.schedule import Step, radii

MOST_SIDE = 1 << 12
"""Upper limit of a side, in units: the neighborhood along a side is a side x side matrix, up to 128 MiB."""
ORDERED_SIGMA = 0.5
"""Default radius of the last epoch, in lattice units: neighbors stay similar, so the map keeps its order."""
PALETTE_SIGMA = 0.1
"""The same for 8-bit colors without a refinement: neighbors have no influence, which reduces the palette's error."""
REFINEMENT = 80
"""Default epochs of a refinement if colors are counted, so that epochs are cheap."""


def check_parameters(given: Mapping[str, Any]) -> None:
    """Check the parameters of a `BatchSOM`, given by name.

    Raises
    ------
    InputError
        If one is invalid; the message names the parameter, the accepted values, and the given value.
    """
    if given["neighborhood"] == "mexican_hat":
        raise InputError(
            "neighborhood='mexican_hat': some of its weights are negative, so that the weighted mean which a batch "
            "update is may divide by zero; it is for training sample by sample (dasksom.minisom.MiniSom.train)"
        )
    for parameter in PARAMETERS:
        value = given[parameter.name]
        if not parameter.accepts(value):
            raise InputError(
                f"The {parameter.name!r} parameter of BatchSOM must be {parameter.allowed}. Got {value!r} instead"
                f"{parameter.hint(value) or '.'}"
            )
    _check_lattice(given)
    fixed, units = len(parse_colors(given["keep"])), given["rows"] * given["columns"]
    if fixed > units:
        raise InputError(f"keep: {fixed} colors, and the map has {units} units; give fewer, or a larger map")
    if given["missing"] == "bands" and given["metric"] == "cosine":
        raise InputError(
            "metric='cosine' compares complete vectors; with missing='bands' use 'euclidean', 'manhattan' or "
            "'chebyshev'"
        )
    if given["color_space"] != "rgb" and given["missing"] == "bands":
        raise InputError(
            f"color_space={given['color_space']!r} mixes the bands; with missing='bands' use color_space='rgb'"
        )
    if given["color_space"] != "rgb" and (given["scale"] != "none" or given["features"] is not None):
        raise InputError(
            f"color_space={given['color_space']!r} mixes the bands; with a scaling or features use color_space='rgb'"
        )
    _check_statistics(given)
    if given["device"] == "cuda" and not search_from(given).fits_devices:
        raise InputError(
            f"device='cuda' with metric={given['metric']!r} and missing={given['missing']!r}: GPUs search by "
            "'euclidean' and 'cosine' distances, without missing='bands'; use device='auto' or 'cpu'"
        )
    plan_epochs(given, counts_colors=False, palette=False, countable=False)  # raises if the decay is invalid


def _check_statistics(given: Mapping[str, Any]) -> None:
    features = given["features"]
    if features is None or features.statistics == "pooled" or given["scale"] != "none":
        return
    if features.row_sum in ("none", "raw"):
        raise InputError(
            "statistics='image': nothing is measured without a scaling; add one (scale='standard'), or leave it out"
        )


def _check_lattice(given: Mapping[str, Any]) -> None:
    units, longer = given["rows"] * given["columns"], max(given["rows"], given["columns"])
    if units > MOST_UNITS:
        raise InputError(f"rows x columns = {units} units; at most {MOST_UNITS} are possible")
    if longer > MOST_SIDE:
        raise InputError(f"a side of {longer} units; at most {MOST_SIDE} are possible")
    if given["topology"] == "hexagonal" and given["toroidal"] and given["rows"] % 2:
        raise InputError(
            f"rows={given['rows']}: a hexagonal map that is toroidal needs an even number of rows, so that the last "
            "row fits the first"
        )


def lattice_from(given: Mapping[str, Any]) -> Lattice:
    """Return the lattice defined by the parameters."""
    return Lattice(given["rows"], given["columns"], given["topology"], bool(given["toroidal"]))


def search_from(given: Mapping[str, Any]) -> Search:
    """Return the search for best-matching units defined by the parameters."""
    names = ("metric", "precision", "missing", "color_space", "device")
    return Search(**{name: given[name] for name in names})


def seed_from(given: Mapping[str, Any]) -> int | None:
    """Return a seed; draw one if `random_state` is a NumPy generator."""
    state = given["random_state"]
    if isinstance(state, np.random.RandomState):
        return int(state.randint(1 << 31))
    return int(state.integers(1 << 31)) if isinstance(state, np.random.Generator) else state


def refine_epochs(given: Mapping[str, Any], *, counts_colors: bool) -> int:
    """Return the number of refinement epochs; the default None means 80 if colors are counted, else 0."""
    if given["refine"] is not None:
        return int(given["refine"])
    return REFINEMENT if counts_colors else 0


def plan_epochs(given: Mapping[str, Any], *, counts_colors: bool, palette: bool, countable: bool) -> tuple[Step, ...]:
    """Return the steps of all epochs.

    Parameters
    ----------
    given : mapping
        The parameters of a `BatchSOM`, checked.
    counts_colors : bool
        Whether the map is trained on counted colors.
    palette : bool
        Whether the images have 8-bit colors: their map is a palette, others keep their order.
    countable : bool
        Whether the colors of the images can be counted, if only to start a refinement.
    """
    refine = refine_epochs(given, counts_colors=counts_colors)
    if given["sigma"] is None:
        last = PALETTE_SIGMA if palette and not refine else ORDERED_SIGMA
        first = max(lattice_from(given).default_radius, last)
    else:
        first, last = (float(radius) for radius in given["sigma"])
    sigmas = radii(first, last, given["epochs"], given["decay"])
    units = given["rows"] * given["columns"]
    compares_colors = given["metric"] == "euclidean" and given["scale"] == "none" and given["features"] is None
    searched = countable and compares_colors and 1 < units <= MOST_SEARCHED
    return (*(Step(sigma) for sigma in sigmas), *refinement_steps(units, refine, searched=searched))


def fixed_colors(
    values: str | Iterable[str | Sequence[float]], dtype: np.dtype[Any], bands: int
) -> NDArray[np.float64]:
    """Return the colors of fixed units as bands of an image.

    Parameters
    ----------
    values : list of colors
        As `parse_colors` accepts them. An opacity that hexadecimal numbers lack is 255.
    dtype : dtype of the image
    bands : int

    Returns
    -------
    ndarray of shape (colors, bands), float64

    Raises
    ------
    InputError
        If an image of this type cannot have one of the colors.
    """
    colors = []
    for color, of_eight_bits in parse_colors(values):
        if of_eight_bits and (dtype != np.uint8 or bands not in (3, 4)):
            raise InputError(
                f"keep: #{bytes(map(int, color)).hex()} is a color of 8 bits, and the image has {bands} bands of "
                f"{dtype}; give one number per band, such as {'/'.join(['0'] * min(bands, 8))}"
            )
        complete = (*color, 255.0) if of_eight_bits and len(color) < bands else color
        shown = "/".join(f"{value:g}" for value in color)
        if len(complete) != bands:
            raise InputError(f"keep: {shown} has {len(color)} numbers; one for each of the {bands} bands is needed")
        if dtype.kind in "ui":
            limits = np.iinfo(dtype)
            if not all(limits.min <= value <= limits.max and value == int(value) for value in complete):
                raise InputError(f"keep: {shown} is not a color of {dtype} ({limits.min} to {limits.max})")
        colors.append(complete)
    return np.array(colors, np.float64).reshape(len(colors), bands)
