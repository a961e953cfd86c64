"""Checks of the parameters of an online map."""

import operator
import warnings
from collections.abc import Collection, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from dasksom.errors import InputError


def at_least_one(name: str, value: Any) -> int:
    """Return a parameter as an int of at least 1."""
    number = operator.index(value)
    if number < 1:
        raise InputError(f"{name} is {value!r}; an integer of at least 1 is needed")
    return number


def check_choice(name: str, given: Any, choices: Collection[str]) -> None:
    """Raise InputError for a name that is not one of the choices."""
    if not isinstance(given, str) or given not in choices:
        raise InputError(f"{name} {given!r} is not supported; there are {', '.join(map(repr, choices))}")


def finite(name: str, value: Any) -> Any:
    """Return a parameter; raise InputError unless it is a finite number."""
    if not isinstance(value, Real) or not np.isfinite(float(value)):
        raise InputError(f"{name} is {value!r}; a finite number is needed")
    return value


def random_state(seed: Any) -> np.random.RandomState:
    """Return the generator of a seed; a generator is used itself, and its state advances."""
    if isinstance(seed, np.random.RandomState):
        return seed
    return np.random.RandomState(seed.bit_generator if isinstance(seed, np.random.Generator) else seed)


def doubts(x: int, y: int, sigma: float, neighborhood: str, topology: str) -> Iterator[str]:
    """Yield MiniSom's warnings about the parameters of a map."""
    if sigma > np.hypot(x, y):
        yield f"sigma {sigma} might be too high for a map of {x} x {y}: it is longer than the diagonal"
    if neighborhood == "triangle" and topology == "hexagonal":
        yield "the triangle neighborhood does not take the hexagonal topology into account"
    if neighborhood in ("triangle", "bubble") and (sigma % 1 != 0 or sigma < 1):
        yield f"sigma should be an integer of at least 1 for the {neighborhood} neighborhood; it is {sigma}"


def checked_fixed_points(
    fixed_points: Mapping[int, tuple[int, int]], samples: int, shape: tuple[int, ...]
) -> dict[int, tuple[int, int]]:
    """Return fixed points (sample number to unit) as ints; raise InputError for those outside the data or the map."""
    x, y = shape
    for number, (i, j) in fixed_points.items():
        if not isinstance(number, (int, np.integer)):
            raise TypeError(f"fixed_points: {number!r} is no number of a sample; numbers of samples are integers")
        if not 0 <= number < samples:
            raise InputError(f"fixed_points: there is no sample {number}; they are numbered 0 to {samples - 1}")
        if not (0 <= i < x and 0 <= j < y):
            raise InputError(f"fixed_points: there is no unit {(i, j)}; the map is {x} x {y}, counted from (0, 0)")
    return {int(number): (operator.index(i), operator.index(j)) for number, (i, j) in fixed_points.items()}


def warn(message: str) -> None:
    """Warn at the line that called a method of the map."""
    warnings.warn(message, UserWarning, stacklevel=3)
