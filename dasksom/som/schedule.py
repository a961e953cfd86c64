"""The steps of the epochs: decay of the neighborhood radius, and changes of the number of units.

To add a decay: write its function of (first, last, progress) and add its line to ``DECAYS``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dasksom.errors import InputError


@dataclass(frozen=True)
class Step:
    """One epoch: its radius, and the changes of the units before or after it (`dasksom.som.refinement`)."""

    sigma: float
    """Radius of the neighborhood, in lattice units."""
    added: int = 0
    """Number of units added temporarily."""
    removed: bool = False
    """Whether as many units are removed as were added before."""
    searched: bool = False
    """Whether the epoch starts from the best of several palettes (`dasksom.som.counted_colors.palette_search`)."""
    sampled: bool = False
    """Whether the epoch runs on the sample of a warm-up instead of all samples."""


@dataclass(frozen=True)
class WarmUp:
    """A planned warm-up."""

    samples: int = 0
    """Expected number of samples; 0 without a warm-up."""
    epochs: int = 0
    """Number of epochs that run on them."""
    sample_bytes: int = 0
    """Bytes of all samples."""

    @property
    def saved_passes(self) -> int:
        """Passes over the images that are not needed: one for each of its epochs, less one that draws the sample."""
        return max(self.epochs - 1, 0)

    def marked(self, steps: Sequence[Step], first: int) -> tuple[Step, ...]:
        """Return steps of which those of the warm-up, from number `first` on, run on the sample."""
        last = first + self.epochs
        return tuple(replace(step, sampled=first <= number < last) for number, step in enumerate(steps))


Decay = Callable[[float, float, float], float]


def exponential(first: float, last: float, progress: float) -> float:
    """Shrink by the same factor each epoch."""
    return float(first * (last / first) ** progress)


def linear(first: float, last: float, progress: float) -> float:
    """Shrink by the same amount each epoch."""
    return first + (last - first) * progress


def inverse(first: float, last: float, progress: float) -> float:
    """Increase 1 / sigma linearly; with a last radius of 1, this is MiniSom's inverse_decay_to_one."""
    return first / (1 + progress * (first / last - 1))


def asymptotic(first: float, last: float, progress: float) -> float:
    """Shrink to a third of the first radius, as MiniSom's default does, but never below the last radius."""
    return max(last, first / (1 + 2 * progress))


DECAYS: dict[str, Decay] = {
    "exponential": exponential,
    "linear": linear,
    "inverse": inverse,
    "asymptotic": asymptotic,
}
"""Name to function: takes the first and last sigma and the progress from 0 (first epoch) to 1 (last epoch)."""
NEVER_ZERO = ("exponential", "inverse")
"""Decays that cannot reach 0."""


def radii(first: float, last: float, epochs: int, decay: str | Decay) -> tuple[float, ...]:
    """Return sigma for each epoch, in lattice units.

    Raises
    ------
    InputError
        If `last` is 0 and the decay cannot reach it, or a function returns an invalid radius.
    """
    if decay in NEVER_ZERO and last == 0:
        raise InputError(f"sigma: the decay {decay!r} never reaches 0; give a last sigma above 0, or decay='linear'")
    function = DECAYS[decay] if isinstance(decay, str) else decay
    steps = max(epochs - 1, 1)
    sigmas = tuple(float(function(first, last, epoch / steps)) for epoch in range(epochs))
    for epoch, sigma in enumerate(sigmas, start=1):
        if not (math.isfinite(sigma) and sigma >= 0):
            raise InputError(f"decay: its sigma for epoch {epoch} is {sigma}; a finite number of at least 0 is needed")
    return sigmas
