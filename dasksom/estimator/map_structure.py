"""The structure of a trained map: hits, distances and positions of units, and groups of similar ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.estimator.map_labeling import MapLabeling

if TYPE_CHECKING:
    from dasksom.classes import ClassTable

_group_units = deferred("dasksom.classes.unit_grouping:group_units")
_class_table_of: "Callable[..., ClassTable]" = deferred("dasksom.classes.class_table:ClassTable.of")
_u_matrix: "Callable[..., NDArray[np.float64]]" = deferred("dasksom.som.u_matrix:u_matrix")


class MapStructure(MapLabeling):
    """The base of `MapPredictor` with what depends on parameters, codebook and lattice only."""

    color_space: str
    scale: str

    @property
    def n_iter_(self) -> int:
        """Number of epochs that the map was trained for, the refinement included."""
        return len(self.history_)

    @property
    def cluster_centers_(self) -> NDArray[np.float64]:
        """The codebook as scikit-learn's clusterers have it: shape (units, bands), in the units of the image."""
        return self._units()

    @property
    def error_space(self) -> str:
        """Space of the errors: "features", or the color space."""
        return self.color_space if self.scale == "none" and self.features is None else "features"

    def labels_all(self, dtype: np.dtype[Any]) -> bool:
        """Return whether every pixel of an image of integers gets a label: all have the features that it compares."""
        lowest = np.iinfo(dtype).min if dtype.kind in "ui" else -np.inf
        return self.features is None or self.features.has_all_of(lowest)

    def positions(self) -> NDArray[np.float64]:
        """Return the position of each unit in the plane, (x, y) in lattice units: shape (units, 2)."""
        self._units()
        return self._lattice().positions()

    def u_matrix(self) -> NDArray[np.float64]:
        """Return each unit's mean Euclidean distance to its neighbors, in the features that the map compares.

        Without features, these are the bands in the units of the image.

        Returns
        -------
        ndarray of shape (rows, columns)
        """
        self._units()
        features = getattr(self, "feature_weights_", None)
        return _u_matrix(self.weights_ if features is None else features, self._lattice())

    def hits(self) -> NDArray[np.float64]:
        """Return the weight of the samples of each unit, their number if unweighted, as `fit` counted them.

        Returns
        -------
        ndarray of shape (rows, columns)

        Raises
        ------
        InputError
            If `fit` did not count them (`quality_` is None).
        """
        self._units()
        if self.quality_ is None:
            raise InputError(
                "this map has not counted its hits (quality_ is None); count them with "
                "som.quality_ = som.evaluate(image)"
            )
        return self.quality_.hits.reshape(self.weights_.shape[:2])

    def group(
        self, count: int | str = "auto", *, method: str = "ward", hits: Any = None, random_state: int = 0
    ) -> "ClassTable":
        """Group similar units into classes.

        Vectors are compared in the map's color space, each band standardized over the units that have pixels and
        limited to three standard deviations. Other units belong to no class. Classes are numbered by their pixels,
        most first.

        Parameters
        ----------
        count : int or "auto"
            Number of classes; "auto" chooses the one from 2 to 30 with the lowest Davies-Bouldin index.
        method : {"ward", "consensus", "leiden"}
            Ward's linkage; consensus of groupings of random samples of the units (Monti et al., 2003); or communities
            of nearest neighbors (Traag et al., 2019), which needs ``dasksom[leiden]``.
        hits : array of shape (rows, columns) or (units,), optional
            Pixels of each unit; by default those that `fit` counted.
        random_state : int
            Seed of methods that draw random samples.

        Returns
        -------
        ClassTable
            The class of each unit; its ``of_labels`` converts labels to classes.

        Raises
        ------
        InputError
            If the method is unknown, there are fewer units with pixels than classes, or hits are not known.

        Examples
        --------
        >>> from dasksom import BatchSOM
        >>> colors = np.array([[0], [1], [50], [51], [52]], np.uint8)
        >>> som = BatchSOM(1, 5, epochs=10).fit(colors)
        >>> som.group(2).of_labels(som.predict(colors)).tolist()
        [2, 2, 1, 1, 1]
        """
        vectors = self.labeling_for(np.dtype(self.dtype_ or np.float64)).codebook
        counted = self.hits() if hits is None else np.asarray(hits)
        if counted.size != len(vectors):
            raise InputError(f"hits: one for each of the {len(vectors)} units is needed; got {counted.size}")
        grouping = _group_units(
            vectors, counted.reshape(-1), self._lattice(), count=count, method=method, seed=random_state
        )
        return _class_table_of(grouping.numbers)
