"""Decays of the learning rate and the radius, as MiniSom defines them.

To add one: write its function of (value, t, iterations) and add its line to ``LEARNING_RATE_DECAYS`` or
``SIGMA_DECAYS``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

OnlineDecay = Callable[[Any, Any, Any], Any]


def asymptotic_decay(value: Any, t: Any, iterations: Any) -> Any:
    """Decay to a third of the initial value."""
    return value / (1 + t / (iterations / 2))


def linear_decay_to_zero(value: Any, t: Any, iterations: Any) -> Any:
    """Decay linearly to 0."""
    return value * (1 - t / iterations)


def inverse_decay_to_zero(value: Any, t: Any, iterations: Any) -> Any:
    """Decay to about a hundredth of the initial value, fast at first."""
    scale = iterations / 100.0
    return value * scale / (scale + t)


def linear_decay_to_one(value: Any, t: Any, iterations: Any) -> Any:
    """Change linearly to 1."""
    return value + (t * (1 - value) / iterations)


def inverse_decay_to_one(value: Any, t: Any, iterations: Any) -> Any:
    """Change to 1, fast at first."""
    return value / (1 + t * ((value - 1) / iterations))


LEARNING_RATE_DECAYS: dict[str, OnlineDecay] = {
    "inverse_decay_to_zero": inverse_decay_to_zero,
    "linear_decay_to_zero": linear_decay_to_zero,
    "asymptotic_decay": asymptotic_decay,
}
SIGMA_DECAYS: dict[str, OnlineDecay] = {
    "inverse_decay_to_one": inverse_decay_to_one,
    "linear_decay_to_one": linear_decay_to_one,
    "asymptotic_decay": asymptotic_decay,
}
"""Name to function: takes the initial value, the iterations done (a number or an array) and their total number."""


def decayed(decay: OnlineDecay, value: float, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """Return the values after these steps; a user's own decay is called once per step."""
    if decay in (*LEARNING_RATE_DECAYS.values(), *SIGMA_DECAYS.values()):
        return np.asarray(decay(float(value), steps, total), np.float64)
    return np.array([decay(value, step, total) for step in steps.tolist()], np.float64)
