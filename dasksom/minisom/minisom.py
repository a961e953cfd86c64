"""MiniSom's own interface on compiled kernels: code written for MiniSom runs with only the import changed.

>>> from dasksom.minisom import MiniSom
>>> som = MiniSom(6, 6, 4, sigma=0.3, learning_rate=0.5, random_seed=1)
>>> som.train_random([[0.80, 0.55, 0.22, 0.03], [0.82, 0.50, 0.23, 0.03]], 100)
>>> som.quantization([[0.80, 0.55, 0.22, 0.03]]).round(2).tolist()
[[0.8, 0.55, 0.22, 0.03]]
"""

import operator
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dasksom.errors import InputError
from dasksom.minisom.activation import (
    DISTANCES,
    Distance,
    chebyshev_distance,
    cosine_distance,
    euclidean_distance,
    euclidean_distances,
    find_winners,
    from_bands,
    manhattan_distance,
    to_bands,
)
from dasksom.minisom.lattice import ROW_HEIGHT, neighbor_distances, places
from dasksom.minisom.neighborhood import NEIGHBORHOODS, Neighborhood
from dasksom.minisom.online_training import (
    LEARNING_RATE_DECAYS,
    SIGMA_DECAYS,
    Decay,
    Pace,
    add_up,
    asymptotic_decay,
    distortion,
    inverse_decay_to_one,
    inverse_decay_to_zero,
    learn,
    linear_decay_to_one,
    linear_decay_to_zero,
    spread,
)
from dasksom.minisom.tables import TILE_NUMBERS, Rows, as_sample
from dasksom.som.bmu.nearest import nearest_units, two_nearest_units

Position = tuple[int, int]
Weights = NDArray[Any]
Pieces = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Of a training: how far the decays are, and the samples' numbers, for some iterations at a time."""

ITERATIONS = 2048
"""Most iterations whose samples and neighborhood factors are in memory together."""


def fast_norm(x: NDArray[Any]) -> Any:
    """Give the length of a vector, shape (n,)."""
    return np.sqrt(np.dot(x, x.T))


class MiniSom:
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

    Y_HEX_CONV_FACTOR = ROW_HEIGHT

    def __init__(
        self,
        x: int,
        y: int,
        input_len: int,
        sigma: float = 1,
        learning_rate: float = 0.5,
        decay_function: str | Decay = "asymptotic_decay",
        neighborhood_function: str = "gaussian",
        topology: str = "rectangular",
        activation_distance: str | Distance = "euclidean",
        random_seed: int | None = None,
        sigma_decay_function: str = "asymptotic_decay",
    ) -> None:
        x, y = _at_least_one("x", x), _at_least_one("y", y)
        self._input_len = _at_least_one("input_len", input_len)
        self._sigma, self._learning_rate = _finite("sigma", sigma), _finite("learning_rate", learning_rate)
        _choose("topology", topology, ("rectangular", "hexagonal"))
        self.topology = topology
        _choose("neighborhood_function", neighborhood_function, NEIGHBORHOODS)
        self.neighborhood: Callable[[Any, Any], NDArray[np.float64]] = self._named(
            "neighborhood_function", neighborhood_function, NEIGHBORHOODS
        )
        self._learning_rate_decay_function: Decay = self._named("decay_function", decay_function, LEARNING_RATE_DECAYS)
        _choose("sigma_decay_function", sigma_decay_function, SIGMA_DECAYS)
        self._sigma_decay_function: Decay = self._named("sigma_decay_function", sigma_decay_function, SIGMA_DECAYS)
        self._activation_distance: Distance = self._named(
            "activation_distance", activation_distance, DISTANCES, "_distance"
        )
        for message in _doubts(x, y, sigma, neighborhood_function, topology):
            _warn(message)

        self._random_generator = np.random.RandomState(random_seed)
        self._weights: Weights = self._random_generator.rand(x, y, self._input_len) * 2 - 1
        self._weights /= np.linalg.norm(self._weights, axis=-1, keepdims=True)
        self._activation_map: NDArray[Any] = np.zeros((x, y))
        self._neigx, self._neigy = np.arange(x), np.arange(y)
        self._xx, self._yy = places(x, y, topology == "hexagonal")

    def _named(self, parameter: str, given: Any, choices: Mapping[str, Any], suffix: str = "") -> Any:
        """Give the method of that name, or the callable that was given in its place."""
        if callable(given):
            return given
        _choose(parameter, given, choices)
        return getattr(self, f"_{given}{suffix}")

    # Under MiniSom's names, for code that calls or overrides them.
    _asymptotic_decay = staticmethod(asymptotic_decay)
    _linear_decay_to_zero = staticmethod(linear_decay_to_zero)
    _inverse_decay_to_zero = staticmethod(inverse_decay_to_zero)
    _linear_decay_to_one = staticmethod(linear_decay_to_one)
    _inverse_decay_to_one = staticmethod(inverse_decay_to_one)
    _euclidean_distance = staticmethod(euclidean_distance)
    _cosine_distance = staticmethod(cosine_distance)
    _manhattan_distance = staticmethod(manhattan_distance)
    _chebyshev_distance = staticmethod(chebyshev_distance)

    def _gaussian(self, c: Position, sigma: float) -> NDArray[np.float64]:
        return self._compiled("gaussian")(c, sigma)

    def _mexican_hat(self, c: Position, sigma: float) -> NDArray[np.float64]:
        return self._compiled("mexican_hat")(c, sigma)

    def _bubble(self, c: Position, sigma: float) -> NDArray[np.float64]:
        return self._compiled("bubble")(c, sigma)

    def _triangle(self, c: Position, sigma: float) -> NDArray[np.float64]:
        return self._compiled("triangle")(c, sigma)

    def _compiled(self, kind: str) -> Neighborhood:
        return Neighborhood(kind, len(self._neigx), len(self._neigy), self.topology == "hexagonal")

    def get_weights(self) -> Weights:
        """Give the weights themselves, not a copy: shape (x, y, input_len)."""
        return self._weights

    def get_euclidean_coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the places of the units in the plane.

        Returns
        -------
        xx, yy : ndarray of shape (x, y), float64
            In lattice units; unit (i, j) sits at ``(xx[i, j], yy[i, j])``.
        """
        return self._xx.T, self._yy.T

    def convert_map_to_euclidean(self, xy: Position) -> tuple[Any, Any]:
        """Give the place in the plane of the unit at position ``xy``, in lattice units."""
        return self._xx.T[xy], self._yy.T[xy]

    def activate(self, x: ArrayLike) -> NDArray[Any]:
        """Give every unit's distance from a sample: shape (x, y)."""
        self._activate(x)
        return self._activation_map

    def _activate(self, x: ArrayLike) -> None:
        self._activation_map = self._activation_distance(as_sample(x), self._weights)

    def winner(self, x: ArrayLike) -> Position:
        """Give the position (i, j) of the unit nearest to a sample; ties go to the first."""
        self._activate(x)
        return cast("Position", np.unravel_index(self._activation_map.argmin(), self._activation_map.shape))

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
            _warn("PCA initialization is not appropriate for a map with a side of 1")
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
        total = _at_least_one("num_iteration", num_iteration)
        rows = self._rows(data)
        forced = self._checked_fixed_points(fixed_points or {}, len(rows))
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
        neighborhood: Neighborhood,
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
        total = _at_least_one("num_iteration", num_iteration)
        rows = self._rows(data)
        weights = self._learnable()
        x, y, bands = weights.shape
        for piece in _pieces(total, 1, verbose):
            rates, sigmas = self._paces(piece, total)
            hits, sums = np.zeros(x * y), np.zeros((x * y, bands))
            for tile in rows.tiles():
                add_up(tile, self._winners(tile), hits, sums)
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

    def quantization(self, data: Any) -> NDArray[Any]:
        """Give each sample its nearest unit's vector: shape (n, input_len)."""
        units = self._codebook()
        nearest = [nearest_units(t, units, precision="float64") for t in self._rows(data).tiles()]
        quantized: NDArray[Any] = units[np.concatenate(nearest)]
        return quantized

    def quantization_error(self, data: Any) -> float:
        """Give the mean euclidean distance of samples from their nearest units."""
        rows = self._rows(data)
        away = (np.linalg.norm(tile - self.quantization(tile), axis=1).sum() for tile in rows.tiles())
        return float(sum(away) / len(rows))

    def distortion_measure(self, data: Any) -> float:
        """Give the sum, over samples and units, of the neighborhood times the euclidean distance."""
        total = 0.0
        for tile in self._rows(data).tiles():
            winners = self._winners(tile)
            if self._neighborhood:
                total += distortion(tile, winners, self._codebook(), self._neighborhood, self._sigma)
                continue
            for sample, unit in zip(tile, winners, strict=True):
                shares = self.neighborhood(self._position(unit), self._sigma)
                total += float((shares * np.linalg.norm(sample - self._weights, axis=2)).sum())
        return total

    def topographic_error(self, data: Any) -> float:
        """Give the share of samples whose two nearest units are not neighbors on the map.

        0 is a map that keeps its order everywhere. NaN, with a warning, for a map of one unit.
        """
        rows, units = self._rows(data), self._codebook()
        if len(units) == 1:
            _warn("the topographic error is not defined for a map of one unit")
            return float("nan")
        xx, yy = (along.ravel() for along in self.get_euclidean_coordinates())
        errors = 0
        for tile in rows.tiles():
            first, second = two_nearest_units(tile, units, precision="float64")
            away = np.hypot(xx[first] - xx[second], yy[first] - yy[second])
            errors += int((~np.isclose(away, 1) if self.topology == "hexagonal" else away > 1.5).sum())
        return errors / len(rows)

    def activation_response(self, data: Any) -> NDArray[np.float64]:
        """Count how many samples each unit wins: shape (x, y), float64."""
        counts = np.zeros(self._weights[..., 0].size)
        for tile in self._rows(data).tiles():
            counts += np.bincount(self._winners(tile), minlength=len(counts))
        return counts.reshape(self._weights.shape[:2])

    def win_map(self, data: Any, return_indices: bool = False) -> defaultdict[Position, list[Any]]:
        """Give the samples that each unit wins, or their numbers: lists by position, of units that win any."""
        members: defaultdict[Position, list[Any]] = defaultdict(list)
        for number, position in enumerate(self._positions(data)):
            members[position].append(number if return_indices else data[number])
        return members

    def labels_map(self, data: Any, labels: Any) -> defaultdict[Position, Any]:
        """Count the labels of the samples that each unit wins.

        Parameters
        ----------
        data : array or sequence of shape (n, input_len)
        labels : sequence of n hashable values

        Returns
        -------
        defaultdict of (int, int) to collections.Counter
            Of units that win any.
        """
        positions = self._positions(data)
        if len(positions) != len(labels):
            raise InputError(f"{len(positions)} samples and {len(labels)} labels; there must be as many of both")
        counts: defaultdict[Position, Any] = defaultdict(list)
        for position, label in zip(positions, labels, strict=True):
            counts.setdefault(position, Counter())[label] += 1
        return counts

    def distance_map(self, scaling: str = "sum") -> NDArray[np.float64]:
        """Give how far each unit is from its neighbors, as a share of the largest such number: the U-matrix.

        Parameters
        ----------
        scaling : {"sum", "mean"}
            Whether distances to neighbors are summed or averaged. They are euclidean.

        Returns
        -------
        ndarray of shape (x, y), float64
        """
        _choose("scaling", scaling, ("sum", "mean"))
        weights = np.asarray(self._weights, np.float64).reshape(*self._activation_map.shape, -1)
        distances, neighbors = neighbor_distances(weights, self.topology == "hexagonal")
        if scaling == "mean":
            distances /= np.maximum(neighbors, 1)
        return distances / (distances.max() or 1.0)

    def _distance_from_weights(self, data: Any) -> NDArray[np.float64]:
        """Give the euclidean distance of every sample from every unit: shape (n, x * y)."""
        return np.concatenate([euclidean_distances(t, self._codebook()) for t in self._rows(data).tiles()])

    def _check_input_len(self, data: Any) -> None:
        self._rows(data)

    def _rows(self, data: Any) -> Rows:
        return Rows(data, self._input_len)

    def _checked_fixed_points(self, fixed_points: Mapping[int, Position], samples: int) -> dict[int, Position]:
        x, y = self._weights.shape[:2]
        for number, (i, j) in fixed_points.items():
            if not isinstance(number, (int, np.integer)):
                raise TypeError(f"fixed_points: {number!r} is no number of a sample; numbers of samples are integers")
            if not 0 <= number < samples:
                raise InputError(f"fixed_points: there is no sample {number}; they are numbered 0 to {samples - 1}")
            if not (0 <= i < x and 0 <= j < y):
                raise InputError(f"fixed_points: there is no unit {(i, j)}; the map is {x} x {y}, counted from (0, 0)")
        return {int(number): (operator.index(i), operator.index(j)) for number, (i, j) in fixed_points.items()}

    @property
    def _metric(self) -> str | None:
        """Name of the distance in the kernels; None for one that is not ours."""
        return next((name for name, known in DISTANCES.items() if known is self._activation_distance), None)

    @property
    def _neighborhood(self) -> Neighborhood | None:
        """The neighborhood as the kernels take it; None for one that is not ours."""
        kinds = (kind for kind in NEIGHBORHOODS if self.neighborhood == getattr(self, f"_{kind}"))
        kind = next((kind for kind in kinds if self._is_ours(f"_{kind}")), None)
        return self._compiled(kind) if kind else None

    def _is_ours(self, *names: str) -> bool:
        """Tell whether neither a subclass nor an instance has its own methods of these names."""
        return all(getattr(getattr(self, name), "__func__", None) is getattr(MiniSom, name) for name in names)

    def _paces(self, steps: NDArray[np.int64], total: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give learning rate and sigma after these steps."""
        return (
            _decayed(self._learning_rate_decay_function, self._learning_rate, steps, total),
            _decayed(self._sigma_decay_function, self._sigma, steps, total),
        )

    def _winners(self, samples: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give the number of each sample's winner, shape (n,): (i, j) is i * y + j."""
        if self._metric and self._is_ours("winner", "_activate"):
            return find_winners(samples, self._codebook(), self._metric)
        shape = self._weights.shape[:2]
        return np.array([np.ravel_multi_index(self.winner(sample), shape) for sample in samples], np.int64)

    def _position(self, unit: int) -> Position:
        i, j = divmod(int(unit), self._weights.shape[1])
        return i, j

    def _positions(self, data: Any) -> list[Position]:
        tiles = self._rows(data).tiles()
        return [self._position(unit) for tile in tiles for unit in self._winners(tile).tolist()]

    def _codebook(self) -> NDArray[Any]:
        """Give the weights by unit: shape (x * y, input_len)."""
        weights = np.asarray(self._weights)
        shape = (len(self._neigx), len(self._neigy), self._input_len)
        if weights.shape != shape:
            raise InputError(f"the weights have the shape {weights.shape}; this map needs {shape}")
        return weights.reshape(-1, self._input_len)

    def _learnable(self) -> Weights:
        """Give the weights, to be changed in place; those that cannot hold fractions are replaced."""
        self._codebook()
        if not isinstance(self._weights, np.ndarray) or self._weights.dtype.kind != "f":
            self._weights = np.array(self._weights, np.float64)
        return self._weights


def _at_least_one(name: str, value: Any) -> int:
    number = operator.index(value)
    if number < 1:
        raise InputError(f"{name} is {value!r}; an integer of at least 1 is needed")
    return number


def _choose(name: str, given: Any, choices: Collection[str]) -> None:
    if not isinstance(given, str) or given not in choices:
        raise InputError(f"{name} {given!r} is not supported; there are {', '.join(map(repr, choices))}")


def _finite(name: str, value: Any) -> Any:
    if not isinstance(value, Real) or not np.isfinite(float(value)):
        raise InputError(f"{name} is {value!r}; a finite number is needed")
    return value


def _doubts(x: int, y: int, sigma: float, neighborhood: str, topology: str) -> Iterator[str]:
    if sigma > np.hypot(x, y):
        yield f"sigma {sigma} might be too high for a map of {x} x {y}: it is longer than the diagonal"
    if neighborhood == "triangle" and topology == "hexagonal":
        yield "the triangle neighborhood does not take the hexagonal topology into account"
    if neighborhood in ("triangle", "bubble") and (sigma % 1 != 0 or sigma < 1):
        yield f"sigma should be an integer of at least 1 for the {neighborhood} neighborhood; it is {sigma}"


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)


def _decayed(decay: Decay, value: float, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    if decay in (*LEARNING_RATE_DECAYS.values(), *SIGMA_DECAYS.values()):
        return np.asarray(decay(float(value), steps, total), np.float64)
    return np.array([decay(value, step, total) for step in steps.tolist()], np.float64)


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
