"""How the radius of the neighborhood shrinks from epoch to epoch.

To add a decay: write its function of (first, last, progress) and add its line to ``DECAYS``.
"""

from collections.abc import Callable

from dasksom.errors import InputError

Decay = Callable[[float, float, float], float]


def exponential(first: float, last: float, progress: float) -> float:
    """Shrink by the same factor each epoch."""
    return float(first * (last / first) ** progress)


def linear(first: float, last: float, progress: float) -> float:
    """Shrink by the same amount each epoch."""
    return first + (last - first) * progress


DECAYS: dict[str, Decay] = {"exponential": exponential, "linear": linear}
"""Name to decay: takes the first and the last sigma and the progress from 0 (first epoch) to 1 (last epoch)."""


def radii(first: float, last: float, epochs: int, decay: str) -> tuple[float, ...]:
    """Give sigma for each epoch, in lattice units.

    Raises
    ------
    InputError
        If the exponential decay is asked to reach 0.
    """
    if decay == "exponential" and last == 0:
        raise InputError("sigma: an exponential decay never reaches 0; give a last sigma above 0, or decay='linear'")
    steps = max(epochs - 1, 1)
    return tuple(DECAYS[decay](first, last, epoch / steps) for epoch in range(epochs))
