r"""The codebook of the float32 filter, and proven bounds on its rounding: which units may be the nearest in float64.

Definition. The distance of a sample x and a unit w is D(x, w): the metric's steps over the bands, in their order, in
float64, each operation rounded (`dasksom.som.bmu.exact_search`). The label of x is the lowest unit of least D. Units
whose D are equal tie, also where only rounding or underflow makes them equal.

The filter shifts samples and units by a vector c, scales them by a power of two s, rounds them to float32 and adds up
totals t_k there. Write u = 2^-24, g(n) = n u / (1 - n u), X = s (x - c) and W_k = s (w_k - c) for the exact vectors,
y and v_k for their float32 roundings, T_k for the exact value of what t_k approximates, and q for the total of y from
the zero vector. A shift changes no difference of vectors, so every c is correct; one among the units makes q small.

Claim. Each metric below has a, b with |t_k - T_k| <= a q + b T_k for all units k. Then T_k > T_j, by more than the
rounding of D, for every unit with

    t_k - t_j > A q + B t_j + C,    A = 2.2 a + 4 u,   B = 2.2 b + 4 u,   C = (bands + 8) 2^-118,

so that only the others need to be compared in float64.

Proof. T_k (1 + b) >= t_k - a q and T_j (1 - b) <= t_j + a q. Multiplied by (1 + b)(1 - b), T_k - T_j is at least
(t_k - t_j)(1 - b) - 2 a q - 2 b t_j. D is off by at most the share (bands + 3) 2^-53 of itself, which with q' <= 2 q
for the true size is below 2^-20 (a q + b T). q itself is off by a share of at most 2 g(bands + 1), and the float32
arithmetic of the comparison by less than 4 u (q + t_j), which A and B include. With b <= 3/256 (more bands are not
filtered) these factors multiply to less than 1.1, so that T_k - T_j > 0 with the rounding of D to spare.
Underflow: each operation on float32 is off by at most 2^-126 more (even if subnormals are flushed), times factors of
at most 1 (units) or |y| (samples; where |y| > 2^-100 that is a share below 2^-26 of u q, else it is below 2^-226), and
there are less than 3 (bands + 8) of them: C. The scale is between 2^-400 and 2^400, so that float64 underflow in D is
far below C. Overflow: units are at most sqrt(bands) long, so that a total can only overflow where |y|^2 = q does, and
the limit t_j + A q + B t_j + C with it. An infinite or NaN limit settles nothing and excludes no unit.

The shares a, b:

expanded Euclidean, t = |v|^2 / 2 - y.v, T = (|X - W|^2 - |X|^2) / 2. With d = |X - W| and |W| <= |X| + d: the start is
    rounded once and each product and sum at most bands + 1 times, in any order, fused or not, so that t is off by
    g(bands + 2) (|v|^2 / 2 + |y| |v|); rounding x and w to y and v adds 2 u (|W|^2 / 2 + |X| |W|). Together that is at
    most g(bands + 5) ((|X| + d)^2 / 2 + |X| (|X| + d)) <= g (2.5 |X|^2 + 1.5 d^2) = g (4 |X|^2 + 3 T), as
    2 |X| d <= |X|^2 + d^2 and d^2 = |X|^2 + 2 T. A handicap of zero vectors (cosine) is part of d^2.
Euclidean, t = sum of (y - v)^2: the differences are off by e with |e| <= u (|X| + |W|) <= u (2 |X| + d), so that their
    squares are off by 2 d |e| + |e|^2 <= u (2.1 |X|^2 + 4.1 d^2), and the sum by g(bands + 2): a = 3 u,
    b = g(bands + 7).
Manhattan: the differences are off by u (2 |X_i| + |X_i - W_i|) each, the sum by g(bands + 1): a = 3 u,
    b = g(bands + 3).
Chebyshev: likewise, but nothing is summed: a = 3 u, b = 3 u.

Source of the model: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), sections 2.2, 3.1 and 3.3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_vectors import GROUP
from dasksom.som.bmu.metrics import add_absolute, add_square, keep_largest
from dasksom.som.choices import METRICS

EXPANDED = "expanded"
"""Name of the step to |w|^2 / 2 - x.w, which orders units as |x - w|^2 does."""
LARGEST_SCALE = 2.0**400
"""Maximum scale; codebooks that need a larger one, or one below its inverse, are searched only in float64."""
CELL = 16
"""Number of units per cell of `dasksom.som.bmu.unit_cells`: a multiple of the filter's group size."""
_UNIT_ROUNDOFF = 2.0**-24
_MOST_SHARE = 3 / 256


def rounding_bound(step: str, bands: int) -> NDArray[np.float32] | None:
    """Return A, B and C for a kind of total, shape (3,); None if no bound is proven.

    Parameters
    ----------
    step : str
        `EXPANDED`, or a name in `METRICS`.
    bands : int
    """
    u = _UNIT_ROUNDOFF

    def grown(operations: int) -> float:
        return operations * u / (1 - operations * u) if operations * u < 0.5 else np.inf

    if step == EXPANDED:
        of_size, of_total = 4 * grown(bands + 5), 3 * grown(bands + 5)
    else:
        shares: dict[Any, tuple[float, float]] = {
            add_square: (3 * u, grown(bands + 7)),
            add_absolute: (3 * u, grown(bands + 3)),
            keep_largest: (3 * u, 3 * u),
        }
        of_size, of_total = shares.get(METRICS[step].step, (np.inf, np.inf))
    if of_total > _MOST_SHARE:
        return None
    return np.array([2.2 * of_size + 4 * u, 2.2 * of_total + 4 * u, (bands + 8) * 2.0**-118], np.float32)


@dataclass(frozen=True)
class FilterUnits:
    """A codebook arranged for the filter."""

    center: NDArray[np.float64]
    """Shape (bands,); samples are searched as ``(x - center) * scale``."""
    scale: float
    panels: NDArray[np.float32]
    """Shape (groups, bands, GROUP); negative for `EXPANDED`."""
    start: NDArray[np.float32]
    """Initial total of each unit, shape (groups, GROUP); infinite after the last unit."""
    bound: NDArray[np.float32]
    """Result of `rounding_bound`."""


def arrange_units(
    units: NDArray[np.float64], handicap: NDArray[np.float64], bound: NDArray[np.float32], expanded: bool
) -> FilterUnits | None:
    """Shift, scale and round a codebook and cut it into groups; None if its extent is out of range."""
    count, bands = units.shape
    # the lower median of the units in each band: robust against outliers and distant groups
    center = np.partition(np.ascontiguousarray(units.T), (count - 1) // 2, axis=1)[:, (count - 1) // 2].copy()
    away = units - center
    extent = float(np.abs(away).max())
    scale = float(np.ldexp(1.0, -np.frexp(extent)[1])) if 1 / LARGEST_SCALE < extent < LARGEST_SCALE else 1.0
    if extent >= LARGEST_SCALE or 0 < extent <= 1 / LARGEST_SCALE:
        return None
    groups = -(-count // GROUP)
    padded, start = np.zeros((groups * GROUP, bands), np.float32), np.full(groups * GROUP, np.inf, np.float32)
    padded[:count] = away * scale
    start[:count] = handicap * scale**2
    if expanded:
        start[:count] = (handicap * scale**2 + np.square(padded[:count], dtype=np.float64).sum(axis=1)) / 2
        np.negative(padded, out=padded)
    panels = np.ascontiguousarray(padded.reshape(groups, GROUP, bands).transpose(0, 2, 1))
    return FilterUnits(center, scale, panels, start.reshape(groups, GROUP), bound)


def distinct_units(units: NDArray[np.float64], copies: int) -> NDArray[np.int64]:
    """Return the units with fewer than `copies` equal predecessors, ascending: the others win no sample."""
    with np.errstate(over="ignore", invalid="ignore"):
        if len(np.unique(units.sum(axis=1))) == len(units):  # much faster than sorting wide units
            return np.arange(len(units))
    plain = np.ascontiguousarray(units + 0.0)  # -0.0 becomes 0.0
    rows = plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))).reshape(-1)
    left = np.arange(len(rows))
    taken = []
    for _ in range(copies):
        _, first = np.unique(rows[left], return_index=True)
        taken.append(left[first])
        left = np.delete(left, first)
    return np.sort(np.concatenate(taken))


def break_even(samples: int, bands: int, units: int) -> float:
    """Return the fraction of searched cells below which searching in cells is faster, from measured overheads.

    The overheads, relative to a search of all units, are: finding the nearest center, computing bounds, gathering
    samples in another order, and sorting the units.
    """
    bounds = (3 * bands + 45) / (CELL * (bands + 1.3))
    return 1 - 1 / CELL - bounds - 24 * CELL / units - 4800 / max(samples, 1)
