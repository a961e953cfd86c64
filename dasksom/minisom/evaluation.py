"""Evaluation of online maps: errors, samples of units, U-matrix."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.minisom.activation import distances_from_units
from dasksom.minisom.lattice import neighbor_distances
from dasksom.minisom.online_map import OnlineMap, Position
from dasksom.minisom.online_training import distortion
from dasksom.minisom.parameter_checks import check_choice, warn
from dasksom.som.bmu.nearest import NearestSearch


class EvaluatedMap(OnlineMap):
    """An online map with MiniSom's evaluation methods."""

    def quantization(self, data: Any) -> NDArray[Any]:
        """Return each sample its nearest unit's vector: shape (n, input_len)."""
        units = self._codebook()
        search = NearestSearch(units)
        quantized: NDArray[Any] = units[np.concatenate([search.labels(t)[0] for t in self._rows(data).tiles()])]
        return quantized

    def quantization_error(self, data: Any) -> float:
        """Return the mean euclidean distance of samples from their nearest units."""
        rows, units = self._rows(data), self._codebook()
        search = NearestSearch(units)
        if self._is_ours("quantization"):
            away = (distances_from_units(tile, units, search.labels(tile)[0]).sum() for tile in rows.tiles())
        else:
            away = (np.linalg.norm(tile - self.quantization(tile), axis=1).sum() for tile in rows.tiles())
        return float(sum(away) / len(rows))

    def distortion_measure(self, data: Any) -> float:
        """Return the sum, over samples and units, of the neighborhood times the euclidean distance."""
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
        """Return the share of samples whose two nearest units are not neighbors on the map.

        0 means that the map preserves the topology. NaN, with a warning, for a map with one unit.
        """
        rows, units = self._rows(data), self._codebook()
        if len(units) == 1:
            warn("the topographic error is not defined for a map of one unit")
            return float("nan")
        xx, yy = (along.ravel() for along in self.get_euclidean_coordinates())
        errors, search = 0, NearestSearch(units, ranks=2)
        for tile in rows.tiles():
            first, second = search.labels(tile)
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
        """Return the samples that each unit wins, or their numbers: lists by position, for units that win any."""
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
            For units that win any.
        """
        positions = self._positions(data)
        if len(positions) != len(labels):
            raise InputError(f"{len(positions)} samples and {len(labels)} labels; there must be as many of both")
        counts: defaultdict[Position, Any] = defaultdict(list)
        for position, label in zip(positions, labels, strict=True):
            counts.setdefault(position, Counter())[label] += 1
        return counts

    def distance_map(self, scaling: str = "sum") -> NDArray[np.float64]:
        """Return the U-matrix: each unit's distance to its neighbors, divided by the largest of these values.

        Parameters
        ----------
        scaling : {"sum", "mean"}
            Whether the euclidean distances to the neighbors are summed or averaged.

        Returns
        -------
        ndarray of shape (x, y), float64
        """
        check_choice("scaling", scaling, ("sum", "mean"))
        weights = np.asarray(self._weights, np.float64).reshape(*self._activation_map.shape, -1)
        distances, neighbors = neighbor_distances(weights, self.topology == "hexagonal")
        if scaling == "mean":
            distances /= np.maximum(neighbors, 1)
        return distances / (distances.max() or 1.0)
