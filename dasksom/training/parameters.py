"""What the parameters of a map may be, and what is said of those that cannot be used."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from dasksom.chunkwise import CACHES
from dasksom.errors import InputError
from dasksom.som.bmu.metrics import METRICS
from dasksom.som.bmu.nearest import PRECISIONS
from dasksom.som.color_spaces import COLOR_SPACES
from dasksom.som.initialization import INITIALIZATIONS
from dasksom.som.lattice import TOPOLOGIES, Lattice
from dasksom.som.neighborhood import NEIGHBORHOODS
from dasksom.som.refinement import EMPTY_UNITS, refinement_steps
from dasksom.som.samples import MISSING
from dasksom.som.schedule import DECAYS, Step, radii

METHODS = ("auto", "colors", "stream")
MOST_UNITS = 1 << 16
"""Most units of a map; labels and palettes of image files hold no more."""
MOST_EPOCHS = 1_000_000
"""Most epochs; each is planned beforehand."""
MOST_SIDE = 1 << 12
"""Most units of a side: the neighborhood along it is a matrix of its square, 128 MiB."""
LAST_SIGMA = 0.1
"""Default radius of the last epoch, in lattice units: nothing reaches a neighbor, units end on their own colors."""
ORDERED_SIGMA = 0.5
"""The same where a refinement follows, which needs an orderly map to go by."""


def check_parameters(given: Mapping[str, Any]) -> tuple[Step, ...]:
    """Check the parameters of a `BatchSOM`, by name; give what each epoch does.

    Raises
    ------
    InputError
        Naming the parameter, what is allowed, and what was given.
    """
    for name in ("rows", "columns"):
        _check(name, given[name], "an int of at least 1", _is_int(given[name], 1))
    allowed = f"an int from {{}} to {MOST_EPOCHS}"
    for name, least in (("epochs", 1), ("refine", 0)):
        fits = _is_int(given[name], least) and given[name] <= MOST_EPOCHS
        _check(name, given[name], allowed.format(least), fits)
    units = given["rows"] * given["columns"]
    if units > MOST_UNITS:
        raise InputError(f"rows x columns = {units} units; at most {MOST_UNITS} are possible")
    longer = max(given["rows"], given["columns"])
    if longer > MOST_SIDE:
        raise InputError(f"a side of {longer} units; at most {MOST_SIDE} are possible")
    _check_choice("topology", given["topology"], TOPOLOGIES)
    _check("toroidal", given["toroidal"], "True or False", isinstance(given["toroidal"], (bool, np.bool_)))
    if given["topology"] == "hexagonal" and given["toroidal"] and given["rows"] % 2:
        raise InputError(
            f"rows={given['rows']}: a hexagonal map that is toroidal needs an even number of rows, so that the last "
            "row fits the first"
        )
    if given["neighborhood"] == "mexican_hat":
        raise InputError(
            "neighborhood='mexican_hat': some of its weights are negative, so that the weighted mean which a batch "
            "update is may divide by zero; it is for training sample by sample (dasksom.minisom.MiniSom.train)"
        )
    _check_choice("neighborhood", given["neighborhood"], NEIGHBORHOODS)
    if not callable(given["decay"]):
        _check_choice("decay", given["decay"], DECAYS)
    _check_choice("metric", given["metric"], METRICS)
    _check_choice("color_space", given["color_space"], COLOR_SPACES)
    _check_choice("empty_units", given["empty_units"], EMPTY_UNITS)
    _check_choice("precision", given["precision"], PRECISIONS)
    _check_choice("missing", given["missing"], MISSING)
    if given["missing"] == "bands" and given["metric"] == "cosine":
        raise InputError(
            "metric='cosine' compares whole vectors; with missing='bands' take 'euclidean', 'manhattan' or 'chebyshev'"
        )
    if given["color_space"] != "rgb" and given["missing"] == "bands":
        raise InputError(
            f"color_space={given['color_space']!r} mixes the bands; with missing='bands' take color_space='rgb'"
        )
    tolerance = given["tol"]
    is_number = isinstance(tolerance, (int, float, np.integer, np.floating)) and not isinstance(tolerance, bool)
    _check("tol", tolerance, "a finite number of at least 0", is_number and 0 <= tolerance < np.inf)
    share = given["sample"]
    is_number = isinstance(share, (int, float, np.integer, np.floating)) and not isinstance(share, bool)
    _check("sample", share, "a number above 0, up to 1", is_number and 0 < share <= 1)
    _check("warm_start", given["warm_start"], "True or False", isinstance(given["warm_start"], (bool, np.bool_)))
    _check_choice("method", given["method"], METHODS)
    _check_choice("cache", given["cache"], CACHES)
    if isinstance(given["init"], str):
        _check_choice("init", given["init"], INITIALIZATIONS)
    seed = given["random_state"]
    _check("random_state", seed, "None or an int of at least 0", seed is None or _is_int(seed, 0))
    first, last = _radius_range(given["sigma"], lattice_of(given), LAST_SIGMA if not given["refine"] else ORDERED_SIGMA)
    sigmas = radii(first, last, given["epochs"], given["decay"])
    return (*(Step(sigma) for sigma in sigmas), *refinement_steps(units, given["refine"]))


def lattice_of(given: Mapping[str, Any]) -> Lattice:
    """Give the lattice that the parameters tell."""
    return Lattice(given["rows"], given["columns"], given["topology"], bool(given["toroidal"]))


def _radius_range(sigma: Any, lattice: Lattice, last: float) -> tuple[float, float]:
    if sigma is None:
        return max(lattice.default_radius, last), last
    allowed = "a pair (first, last) of finite numbers with first > 0 and first >= last >= 0"
    try:
        first, last = (float(value) for value in sigma)
    except (TypeError, ValueError):
        raise InputError(_refusal("sigma", sigma, allowed)) from None
    _check("sigma", sigma, allowed, bool(np.isfinite(first)) and first > 0 and first >= last >= 0)
    return first, last


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= least


def _refusal(name: str, value: Any, allowed: str) -> str:
    return f"The {name!r} parameter of BatchSOM must be {allowed}. Got {value!r} instead."


def _check(name: str, value: Any, allowed: str, accepted: bool) -> None:
    if not accepted:
        raise InputError(_refusal(name, value, allowed))


def _check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise InputError(_refusal(name, value, f"one of {', '.join(repr(choice) for choice in choices)}"))
