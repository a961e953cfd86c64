r"""Proven bounds on the rounding of the float32 filter: which units may be the nearest in float64.

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

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.metrics import add_absolute, add_square, keep_largest
from dasksom.som.choices import METRICS

EXPANDED = "expanded"
"""Name of the step to |w|^2 / 2 - x.w, which orders units as |x - w|^2 does."""
LARGEST_SCALE = 2.0**400
"""Maximum scale; codebooks that need a larger one, or one below its inverse, are searched only in float64."""
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
