"""The state of an online map: weights, distances, neighborhood and winners, with MiniSom's names."""

from collections.abc import Callable, Mapping
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
    manhattan_distance,
)
from dasksom.minisom.decays import (
    LEARNING_RATE_DECAYS,
    SIGMA_DECAYS,
    OnlineDecay,
    asymptotic_decay,
    inverse_decay_to_one,
    inverse_decay_to_zero,
    linear_decay_to_one,
    linear_decay_to_zero,
)
from dasksom.minisom.lattice import ROW_HEIGHT, places
from dasksom.minisom.neighborhood import ONLINE_NEIGHBORHOODS, OnlineNeighborhood
from dasksom.minisom.parameter_checks import at_least_one, check_choice, doubts, finite, random_state, warn
from dasksom.minisom.tables import Rows, as_sample

Position = tuple[int, int]
Weights = NDArray[Any]
_PACKAGE = "dasksom.minisom."


class OnlineMap:
    """An online map without training; see `dasksom.minisom.MiniSom`."""

    Y_HEX_CONV_FACTOR = ROW_HEIGHT

    def __init__(
        self,
        x: int,
        y: int,
        input_len: int,
        sigma: float = 1,
        learning_rate: float = 0.5,
        decay_function: str | OnlineDecay = "asymptotic_decay",
        neighborhood_function: str = "gaussian",
        topology: str = "rectangular",
        activation_distance: str | Distance = "euclidean",
        random_seed: int | np.random.RandomState | np.random.Generator | None = None,
        sigma_decay_function: str = "asymptotic_decay",
    ) -> None:
        x, y = at_least_one("x", x), at_least_one("y", y)
        self._input_len = at_least_one("input_len", input_len)
        self._sigma, self._learning_rate = finite("sigma", sigma), finite("learning_rate", learning_rate)
        check_choice("topology", topology, ("rectangular", "hexagonal"))
        self.topology = topology
        check_choice("neighborhood_function", neighborhood_function, ONLINE_NEIGHBORHOODS)
        self.neighborhood: Callable[[Any, Any], NDArray[np.float64]] = self._named(
            "neighborhood_function", neighborhood_function, ONLINE_NEIGHBORHOODS
        )
        self._learning_rate_decay_function: OnlineDecay = self._named(
            "decay_function", decay_function, LEARNING_RATE_DECAYS
        )
        check_choice("sigma_decay_function", sigma_decay_function, SIGMA_DECAYS)
        self._sigma_decay_function: OnlineDecay = self._named(
            "sigma_decay_function", sigma_decay_function, SIGMA_DECAYS
        )
        self._activation_distance: Distance = self._named(
            "activation_distance", activation_distance, DISTANCES, "_distance"
        )
        for message in doubts(x, y, sigma, neighborhood_function, topology):
            warn(message)

        self._random_generator = random_state(random_seed)
        self._weights: Weights = self._random_generator.rand(x, y, self._input_len) * 2 - 1
        self._weights /= np.linalg.norm(self._weights, axis=-1, keepdims=True)
        self._activation_map: NDArray[Any] = np.zeros((x, y))
        self._neigx, self._neigy = np.arange(x), np.arange(y)
        self._xx, self._yy = places(x, y, topology == "hexagonal")

    def _named(self, parameter: str, given: Any, choices: Mapping[str, Any], suffix: str = "") -> Any:
        """Return the method for a name, or a custom callable as it is."""
        if callable(given):
            return given
        check_choice(parameter, given, choices)
        return getattr(self, f"_{given}{suffix}")

    # MiniSom's names, for code that calls or overrides them.
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

    def _compiled(self, kind: str) -> OnlineNeighborhood:
        return OnlineNeighborhood(kind, len(self._neigx), len(self._neigy), self.topology == "hexagonal")

    def get_weights(self) -> Weights:
        """Return the weights themselves, not a copy: shape (x, y, input_len)."""
        return self._weights

    def get_euclidean_coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the positions of the units in the plane.

        Returns
        -------
        xx, yy : ndarray of shape (x, y), float64
            In lattice units; unit (i, j) is at ``(xx[i, j], yy[i, j])``.
        """
        return self._xx.T, self._yy.T

    def convert_map_to_euclidean(self, xy: Position) -> tuple[Any, Any]:
        """Return the coordinates in the plane of the unit at position ``xy``, in lattice units."""
        return self._xx.T[xy], self._yy.T[xy]

    def activate(self, x: ArrayLike) -> NDArray[Any]:
        """Return every unit's distance from a sample: shape (x, y)."""
        self._activate(x)
        return self._activation_map

    def _activate(self, x: ArrayLike) -> None:
        self._activation_map = self._activation_distance(as_sample(x), self._weights)

    def winner(self, x: ArrayLike) -> Position:
        """Return the position (i, j) of the unit nearest to a sample; ties go to the first."""
        self._activate(x)
        return cast("Position", np.unravel_index(self._activation_map.argmin(), self._activation_map.shape))

    def _distance_from_weights(self, data: Any) -> NDArray[np.float64]:
        """Return the euclidean distance of every sample from every unit: shape (n, x * y)."""
        return np.concatenate([euclidean_distances(t, self._codebook()) for t in self._rows(data).tiles()])

    def _check_input_len(self, data: Any) -> None:
        self._rows(data)

    def _rows(self, data: Any) -> Rows:
        return Rows(data, self._input_len)

    @property
    def _metric(self) -> str | None:
        """Name of the distance in the kernels; None for a custom one."""
        return next((name for name, known in DISTANCES.items() if known is self._activation_distance), None)

    @property
    def _neighborhood(self) -> OnlineNeighborhood | None:
        """The neighborhood for the kernels; None for a custom one."""
        kinds = (kind for kind in ONLINE_NEIGHBORHOODS if self.neighborhood == getattr(self, f"_{kind}"))
        kind = next((kind for kind in kinds if self._is_ours(f"_{kind}")), None)
        return self._compiled(kind) if kind else None

    def _is_ours(self, *names: str) -> bool:
        """Return whether neither a subclass nor an instance overrides the methods of these names."""
        methods = [(name, getattr(getattr(self, name), "__func__", None)) for name in names]
        return all(
            method is not None and method.__name__ == name and method.__module__.startswith(_PACKAGE)
            for name, method in methods
        )

    def _winners(self, samples: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of each sample's winner, shape (n,): (i, j) is i * y + j."""
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
        """Return the weights by unit: shape (x * y, input_len)."""
        weights = np.asarray(self._weights)
        shape = (len(self._neigx), len(self._neigy), self._input_len)
        if weights.shape != shape:
            raise InputError(f"the weights have the shape {weights.shape}; this map needs {shape}")
        return weights.reshape(-1, self._input_len)

    def _learnable(self) -> Weights:
        """Return the weights for changes in place; integer weights are replaced by floating-point ones first."""
        self._codebook()
        if not isinstance(self._weights, np.ndarray) or self._weights.dtype.kind != "f":
            self._weights = np.array(self._weights, np.float64)
        return self._weights
