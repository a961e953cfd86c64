"""MiniSom's own interface on compiled kernels: code written for MiniSom runs with only the import changed.

>>> from dasksom.minisom import MiniSom
>>> som = MiniSom(6, 6, 4, sigma=0.3, learning_rate=0.5, random_seed=1)
>>> som.train_random([[0.80, 0.55, 0.22, 0.03], [0.82, 0.50, 0.23, 0.03]], 100)
>>> som.quantization([[0.80, 0.55, 0.22, 0.03]]).round(2).tolist()
[[0.8, 0.55, 0.22, 0.03]]
"""

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dasksom.errors import InputError
from dasksom.minisom.activation import from_bands, to_bands
from dasksom.minisom.decays import decayed
from dasksom.minisom.evaluation import EvaluatedMap
from dasksom.minisom.neighborhood import OnlineNeighborhood
from dasksom.minisom.online_map import Position
from dasksom.minisom.online_training import Pace, add_samples, learn, spread
from dasksom.minisom.parameter_checks import at_least_one, checked_fixed_points, warn
from dasksom.minisom.tables import TILE_NUMBERS, Rows, as_sample

Pieces = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Of a training: how far the decays are, and the samples' numbers, for some iterations at a time."""

ITERATIONS = 2048
"""Most iterations whose samples and neighborhood factors are in memory together."""


def fast_norm(x: NDArray[Any]) -> Any:
    """Give the length of a vector, shape (n,)."""
    return np.sqrt(np.dot(x, x.T))


class MiniSom(EvaluatedMap):
    """A self-organizing map with the interface of MiniSom 2.3.6, trained by compiled loops.

    Parameters
    ----------
    x, y : int
        Size of the map, each at least 1. A rule of thumb: ``5 sqrt(n)`` units for n samples.
    input_len : int
        Features of a sample.
    sigma : float
        Radius of the neighborhood at the start, in lattice units.
    learning_rate : float
        Share of its distance from a sample that the winner moves, at the start.
    decay_function : {"asymptotic_decay", "inverse_decay_to_zero", "linear_decay_to_zero"} or callable
        Of the learning rate. A callable takes (learning rate, iteration, iterations in all).
    neighborhood_function : {"gaussian", "mexican_hat", "bubble", "triangle"}
    topology : {"rectangular", "hexagonal"}
    activation_distance : {"euclidean", "cosine", "manhattan", "chebyshev"} or callable
        A callable takes a sample, shape (input_len,), and weights, shape (x, y, input_len), and gives distances, shape
        (x, y); training then runs in Python, unit by unit as fast as the callable.
    random_seed : int, optional
    sigma_decay_function : {"asymptotic_decay", "inverse_decay_to_one", "linear_decay_to_one"}

    Attributes
    ----------
    topology : str
    neighborhood : callable
        Takes the winner's position and sigma, gives every unit's share of what the winner learns, shape (x, y). May be
        replaced by one's own.

    Raises
    ------
    InputError
        A ValueError: if a parameter is none of those accepted. Methods raise it for samples that are not finite
        numbers, or not `input_len` of them.

    Notes
    -----
    The same seed gives the same numbers as MiniSom, but where MiniSom is wrong:

    - Samples of any type are promoted to float64 first. MiniSom squares and averages them in their own type: squares
      of uint8 overflow, so `quantization` and the two errors take wrong units.
    - The chebyshev distance is the largest *absolute* difference. MiniSom takes the largest signed one.
    - Samples with NaN or infinities are refused, by number. MiniSom gives them to unit (0, 0), and to its weights.
    - Nearest units in `quantization`, `quantization_error` and `topographic_error` come from differences, not from
      ``x**2 - 2 x w + w**2``, which cancels; and a tile of samples at a time, not in a samples x units matrix.
    - `sigma` 0 moves the winner alone. MiniSom divides by it.
    - A bubble is symmetric. In MiniSom the rounding of sigma may take a unit on one side and leave its twin.
    - `distance_map` of a map whose units are all alike is 0. MiniSom gives NaN.
    - Data that is refused leaves the weights as they were.

    As in MiniSom, `quantization`, the two errors and `distance_map` are euclidean whatever `activation_distance` is,
    and `distance_map` of a hexagonal map with an even `y` takes the neighbors of its mirror image, which MiniSom's own
    tests ask for.

    The weights are ``som._weights``, shape (x, y, input_len): there to be read, replaced, or changed in place.
    """

    def update(self, x: ArrayLike, win: Position, t: int, max_iteration: int) -> None:
        """Move the weights toward one sample.

        Parameters
        ----------
        x : array of shape (input_len,)
        win : (int, int)
            Position of its winner.
        t, max_iteration : int
            Iterations (or epochs) done and in all: how far learning rate and sigma have decayed.
        """
        rate = self._learning_rate_decay_function(self._learning_rate, t, max_iteration)
        sigma = self._sigma_decay_function(self._sigma, t, max_iteration)
        weights = self._learnable()
        weights += (self.neighborhood(win, sigma) * rate)[..., None] * (as_sample(x) - weights)

    def random_weights_init(self, data: Any) -> None:
        """Start from samples drawn at random, one for each unit."""
        rows = self._rows(data)
        weights = self._learnable()
        drawn = self._random_generator.randint(len(rows), size=weights[..., 0].size)
        weights[...] = rows.at(drawn).reshape(weights.shape)

    def pca_weights_init(self, data: Any) -> None:
        """Start from the plane of the two principal components: one unit vector of each to both sides of the mean.

        Depends on no chance. Normalize the data first.
        """
        if self._input_len == 1:
            raise InputError("the samples have 1 feature; principal components need at least 2")
        rows = self._rows(data)
        if 1 in self._weights.shape[:2]:
            warn("PCA initialization is not appropriate for a map with a side of 1")
        mean, covariance = rows.moments()
        variances, vectors = np.linalg.eigh(covariance)
        first, second = vectors[:, np.argsort(variances)[::-1][:2]].T
        along_x, along_y = (np.linspace(-1, 1, len(side)) for side in (self._neigx, self._neigy))
        self._learnable()[...] = mean + along_x[:, None, None] * first + along_y[None, :, None] * second

    def train(
        self,
        data: Any,
        num_iteration: int,
        random_order: bool = False,
        verbose: bool = False,
        use_epochs: bool = False,
        fixed_points: Mapping[int, Position] | None = None,
    ) -> None:
        """Learn one sample after the other.

        Parameters
        ----------
        data : array or sequence of shape (n, input_len)
        num_iteration : int
            Samples to learn; with `use_epochs` times to learn all of them.
        random_order : bool
            Whether to shuffle them; with `use_epochs` once, for all epochs.
        verbose : bool
            Whether to print progress, and the quantization error at the end.
        use_epochs : bool
            Whether learning rate and sigma decay from epoch to epoch instead of from sample to sample.
        fixed_points : dict of int to (int, int), optional
            Samples, by number, that a given unit wins however far it is.

        Raises
        ------
        InputError
            If there are samples that cannot be learned, no iterations, or fixed points outside data or map.
        TypeError
            If a fixed point's number is not an int.
        """
        total = at_least_one("num_iteration", num_iteration)
        rows = self._rows(data)
        forced = checked_fixed_points(fixed_points or {}, len(rows), self._weights.shape[:2])
        order = np.arange(len(rows) if use_epochs else total) % len(rows) if random_order else None
        if order is not None:
            self._random_generator.shuffle(order)
        every = len(rows) if use_epochs else 1
        most = min(ITERATIONS, TILE_NUMBERS // max(self._input_len, *self._weights.shape[:2]))
        pieces = _pieces(total * every, max(1, most), verbose)
        numbers = ((t // every, t % len(rows) if order is None else order[t % len(order)]) for t in pieces)
        before = self._learnable().copy()
        try:
            if self._metric and self._neighborhood and self._is_ours("winner", "_activate", "update"):
                self._train_compiled(rows, numbers, total, forced, self._neighborhood, self._metric)
            else:
                self._train_plainly(rows, numbers, total, forced)
        except InputError:
            self._weights[...] = before
            raise
        if verbose:
            print("\n quantization error:", self.quantization_error(data))

    def _train_compiled(
        self,
        rows: Rows,
        pieces: Pieces,
        total: int,
        forced: Mapping[int, Position],
        neighborhood: OnlineNeighborhood,
        metric: str,
    ) -> None:
        weights = self._weights
        x, y, bands = weights.shape
        by_band = to_bands(weights.reshape(-1, bands))
        units = {number: i * y + j for number, (i, j) in forced.items()}
        try:
            for steps, numbers in pieces:
                winners = np.full(len(numbers), -1)
                if units:
                    winners[:] = [units.get(number, -1) for number in numbers.tolist()]
                pace = Pace(steps - steps[0], *self._paces(np.arange(steps[0], steps[-1] + 1), total))
                learn(by_band, rows.at(numbers), winners, pace, neighborhood, metric)
        finally:  # an interrupted training keeps what it has learned
            weights[...] = from_bands(by_band, x * y).reshape(weights.shape)

    def _train_plainly(self, rows: Rows, pieces: Pieces, total: int, forced: Mapping[int, Position]) -> None:
        """Train as MiniSom does, for distances, neighborhoods and methods that are not ours."""
        for steps, numbers in pieces:
            for step, number, sample in zip(steps.tolist(), numbers.tolist(), rows.at(numbers), strict=True):
                winner = forced[number] if number in forced else self.winner(sample)
                self.update(sample, winner, step, total)

    def train_random(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Learn `num_iteration` samples in random order; see `train`."""
        self.train(data, num_iteration, random_order=True, verbose=verbose)

    def train_batch(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Learn `num_iteration` samples in their own order, one after the other; see `train`."""
        self.train(data, num_iteration, random_order=False, verbose=verbose)

    def train_batch_offline(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Move the weights `num_iteration` times, each time after all samples: the batch map.

        A unit goes the share `learning_rate` of the way to the mean of all samples, weighted by the neighborhood of
        their winners. Source: Kohonen, "Essentials of the self-organizing map" (2013).

        Parameters
        ----------
        data : array or sequence of shape (n, input_len)
        num_iteration : int
        verbose : bool
            Whether to print progress, and the quantization error at the end.
        """
        total = at_least_one("num_iteration", num_iteration)
        rows = self._rows(data)
        weights = self._learnable()
        x, y, bands = weights.shape
        for piece in _pieces(total, 1, verbose):
            rates, sigmas = self._paces(piece, total)
            hits, sums = np.zeros(x * y), np.zeros((x * y, bands))
            for tile in rows.tiles():
                add_samples(tile, self._winners(tile), hits, sums)
            numerator, denominator = self._spread(hits, sums, float(sigmas[0]))
            reached = denominator > 0
            means = (numerator[reached] / denominator[reached, None]).astype(weights.dtype, copy=False)
            reached = reached.reshape(x, y)
            weights[reached] = (1 - rates[0]) * weights[reached] + rates[0] * means
        if verbose:
            print(f"Quantization Error: {self.quantization_error(data):.4f}")

    def _spread(self, hits: NDArray[Any], sums: NDArray[Any], sigma: float) -> tuple[NDArray[Any], NDArray[Any]]:
        if self._neighborhood:
            return spread(hits, sums, self._neighborhood, sigma)
        numerator, denominator = np.zeros_like(sums), np.zeros_like(hits)
        for unit in np.flatnonzero(hits).tolist():
            shares = self.neighborhood(self._position(unit), sigma).ravel()
            numerator += shares[:, None] * sums[unit]
            denominator += shares * hits[unit]
        return numerator, denominator

    def _paces(self, steps: NDArray[np.int64], total: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give learning rate and sigma after these steps."""
        return (
            decayed(self._learning_rate_decay_function, self._learning_rate, steps, total),
            decayed(self._sigma_decay_function, self._sigma, steps, total),
        )


def _pieces(total: int, most: int, verbose: bool) -> Iterator[NDArray[np.int64]]:
    """Give the numbers below `total`, piece by piece; with `verbose` print how far they are and the time left."""
    began, digits = time.monotonic(), len(str(total))
    if verbose:
        most = max(1, min(most, total // 100))
        sys.stdout.write(f"\r [ {0:{digits}} / {total} ] {0:3.0f}% - ? it/s")
    for start in range(0, total, most):
        done = min(start + most, total)
        yield np.arange(start, done)
        if verbose:
            left = timedelta(seconds=(total - done) / done * (time.monotonic() - began))
            sys.stdout.write(f"\r [ {done:{digits}} / {total} ] {100 * done / total:3.0f}% - {str(left)[:7]} left ")
