"""MiniSom's interface on compiled kernels: code written for MiniSom runs with only the import changed.

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
"""Pieces of a training: the steps of the decays and the sample numbers of consecutive iterations."""

ITERATIONS = 2048
"""Maximum number of iterations whose samples and neighborhood factors are in memory at once."""


def fast_norm(x: NDArray[Any]) -> Any:
    """Return the length of a vector, shape (n,)."""
    return np.sqrt(np.dot(x, x.T))


class MiniSom(EvaluatedMap):
    """A self-organizing map with the interface of MiniSom 2.3.6, trained by compiled loops.

    Parameters
    ----------
    x, y : int
        Size of the map, each at least 1. A rule of thumb: ``5 sqrt(n)`` units for n samples.
    input_len : int
        Number of features of a sample.
    sigma : float
        Initial radius of the neighborhood, in lattice units.
    learning_rate : float
        Initial learning rate: fraction of the difference to a sample by which the winner moves.
    decay_function : {"asymptotic_decay", "inverse_decay_to_zero", "linear_decay_to_zero"} or callable
        Decay of the learning rate. A callable takes (learning rate, iteration, number of iterations).
    neighborhood_function : {"gaussian", "mexican_hat", "bubble", "triangle"}
    topology : {"rectangular", "hexagonal"}
    activation_distance : {"euclidean", "cosine", "manhattan", "chebyshev"} or callable
        A callable takes a sample, shape (input_len,), and weights, shape (x, y, input_len), and returns distances,
        shape (x, y); training then runs in Python, at the speed of the callable.
    random_seed : int, numpy.random.RandomState or numpy.random.Generator, optional
    sigma_decay_function : {"asymptotic_decay", "inverse_decay_to_one", "linear_decay_to_one"}

    Attributes
    ----------
    topology : str
    neighborhood : callable
        Takes the winner's position and sigma, and returns the neighborhood of every unit, shape (x, y). May be
        replaced by any callable.

    Raises
    ------
    InputError
        A subclass of ValueError: if a parameter is invalid. Methods raise it for samples that do not have `input_len`
        values or hold anything but finite numbers.

    Notes
    -----
    Results with the same seed equal those of MiniSom, except where MiniSom is wrong:

    - Samples of any type are promoted to float64 first. MiniSom squares and averages them in their own type: squares
      of uint8 overflow, so `quantization` and the two errors use wrong units.
    - The chebyshev distance is the largest *absolute* difference. MiniSom uses the largest signed one.
    - Samples with NaN or infinities raise an error with their number. MiniSom assigns them to unit (0, 0) and adds
      them to its weights.
    - `quantization`, `quantization_error` and `topographic_error` compute distances from differences, not from
      ``x**2 - 2 x w + w**2``, which cancels; and tile by tile, not in a samples x units matrix.
    - `sigma` 0 moves only the winner. MiniSom divides by it.
    - A bubble is symmetric. In MiniSom, rounding of sigma may include a unit but not its mirror image.
    - `distance_map` is 0 if all units are equal. MiniSom returns NaN.
    - Invalid data leaves the weights unchanged.

    As in MiniSom, `quantization`, the two errors and `distance_map` always use the euclidean distance, and
    `distance_map` of a hexagonal map with an even `y` uses the neighbors of its mirror image, as MiniSom's tests
    require.

    The weights are ``som._weights``, shape (x, y, input_len). They may be read, replaced, or changed in place.
    """

    def update(self, x: ArrayLike, win: Position, t: int, max_iteration: int) -> None:
        """Move the weights toward one sample.

        Parameters
        ----------
        x : array of shape (input_len,)
        win : (int, int)
            Position of its winner.
        t, max_iteration : int
            Current iteration (or epoch) and total number: they determine the decay of learning rate and sigma.
        """
        rate = self._learning_rate_decay_function(self._learning_rate, t, max_iteration)
        sigma = self._sigma_decay_function(self._sigma, t, max_iteration)
        weights = self._learnable()
        weights += (self.neighborhood(win, sigma) * rate)[..., None] * (as_sample(x) - weights)

    def random_weights_init(self, data: Any) -> None:
        """Initialize the weights with randomly drawn samples, one for each unit."""
        rows = self._rows(data)
        weights = self._learnable()
        drawn = self._random_generator.randint(len(rows), size=weights[..., 0].size)
        weights[...] = rows.at(drawn).reshape(weights.shape)

    def pca_weights_init(self, data: Any) -> None:
        """Initialize the weights on the plane of the first two principal components.

        The plane spans one unit vector of each component to both sides of the mean. The result is deterministic.
        Normalize the data first.
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
        """Train the map online, sample by sample.

        Parameters
        ----------
        data : array or sequence of shape (n, input_len)
        num_iteration : int
            Number of samples to learn; with `use_epochs`, number of passes over all samples.
        random_order : bool
            Whether to shuffle the samples; with `use_epochs`, once for all epochs.
        verbose : bool
            Whether to print progress, and the quantization error at the end.
        use_epochs : bool
            Whether learning rate and sigma decay per epoch instead of per sample.
        fixed_points : dict of int to (int, int), optional
            Sample number to the position of the unit that always wins it.

        Raises
        ------
        InputError
            If a sample is invalid, `num_iteration` is less than 1, or a fixed point is outside the data or the map.
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
        finally:  # also after an interrupt
            weights[...] = from_bands(by_band, x * y).reshape(weights.shape)

    def _train_plainly(self, rows: Rows, pieces: Pieces, total: int, forced: Mapping[int, Position]) -> None:
        """Train in Python, for custom distances, neighborhoods and overridden methods."""
        for steps, numbers in pieces:
            for step, number, sample in zip(steps.tolist(), numbers.tolist(), rows.at(numbers), strict=True):
                winner = forced[number] if number in forced else self.winner(sample)
                self.update(sample, winner, step, total)

    def train_random(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Train online on `num_iteration` samples in random order; see `train`."""
        self.train(data, num_iteration, random_order=True, verbose=verbose)

    def train_batch(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Train online on `num_iteration` samples in the given order; see `train`."""
        self.train(data, num_iteration, random_order=False, verbose=verbose)

    def train_batch_offline(self, data: Any, num_iteration: int, verbose: bool = False) -> None:
        """Train with the batch update: move the weights once per pass over all samples.

        A unit moves by the fraction `learning_rate` toward the mean of all samples, weighted by the neighborhood of
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
        """Return learning rate and sigma after these steps."""
        return (
            decayed(self._learning_rate_decay_function, self._learning_rate, steps, total),
            decayed(self._sigma_decay_function, self._sigma, steps, total),
        )


def _pieces(total: int, most: int, verbose: bool) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers below `total` in pieces; with `verbose`, print progress and the remaining time."""
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
